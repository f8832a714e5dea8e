// Package embedded is a small CRUD Service on SQLite: an [http.Handler] with the
// HTTP contract of the CRUD Service, for when there is none to talk to.
//
// Each collection is a table that holds every document as the JSON text its answers
// are made of, beside a column for each indexed field. SQL narrows the candidates of
// a filter, package document decides on them. Start at [Open], [Store.ServeHTTP]
// and route.go.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Config says where a store keeps its documents, and which.
type Config struct {
	Path         string       // of the database file, or ":memory:"
	Sync         string       // "full" (default): a write that was answered survives a power loss; "normal": a crash
	Collections  []Definition // at least one
	UserIDHeader string       // default "miauserid"
	MaxLimit     int          // documents of a page (_l) at most: the CRUD Service's CRUD_MAX_LIMIT; default 200
	Log          *slog.Logger // nil: slog.Default
	Now          func() time.Time
}

// Store is an open database and its collections. It is safe for use by several
// goroutines.
type Store struct {
	cfg         Config
	db          *database
	collections map[string]*collection // by path
	public      http.Handler

	checker    checker
	background sync.WaitGroup     // what outlives a call
	life       context.Context    // of the store: over when it closes
	end        context.CancelFunc // ends life
	close      func() error
}

// Open opens the database, made when there is none, and brings its tables and
// indexes in line with the definitions. Only one process may have a file open. An
// error says what to do about it: one for a new unique index that the documents
// break names the first of them. The caller closes the store.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, collections: map[string]*collection{}}
	for _, def := range cfg.Collections {
		c, err := newCollection(def)
		if err != nil {
			return nil, fmt.Errorf("collection %q: %w", def.Name, err)
		}
		if other := s.taken(c); other != nil {
			return nil, fmt.Errorf("collection %q: its name or the path %s is taken by the collection %q", c.name, c.path, other.name)
		}
		s.collections[c.path] = c
		for _, ix := range def.Indexes {
			if !ix.served() {
				cfg.Log.WarnContext(ctx, "index is not made: its searches are not supported by the embedded store", "collection", def.Name, "index", ix.Name, "type", ix.Type)
			}
		}
	}
	s.public = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, true) })
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	if s.db, err = openDatabase(ctx, cfg); err != nil {
		s.end()
		return nil, fmt.Errorf("open the embedded store: %w", err)
	}
	s.close = sync.OnceValue(func() error {
		s.checker.mu.Lock() // from here on no check begins
		s.end()
		s.checker.mu.Unlock()
		s.background.Wait()
		return s.db.close()
	})
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// taken gives a collection with the same path or the same name, or nil.
func (s *Store) taken(c *collection) *collection {
	if other := s.collections[c.path]; other != nil {
		return other
	}
	for _, other := range s.collections {
		if other.name == c.name {
			return other
		}
	}
	return nil
}

func (cfg Config) complete() (Config, error) {
	if cfg.Path == "" {
		return cfg, errors.New("the embedded store has no path: name a file, or use :memory: for none")
	}
	switch cfg.Sync {
	case "":
		cfg.Sync = "full"
	case "full", "normal":
	default:
		return cfg, fmt.Errorf("sync of the embedded store must be full or normal, not %q", cfg.Sync)
	}
	if cfg.UserIDHeader == "" {
		cfg.UserIDHeader = "miauserid"
	}
	if cfg.MaxLimit == 0 {
		cfg.MaxLimit = greatestLimit
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg, nil
}

// ServeHTTP answers for every collection, internal ones too, and the status routes
// below /-/.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(w, r, false) }

// Public is the store without its internal collections.
func (s *Store) Public() http.Handler { return s.public }

// Ping reports whether the database can be read.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.db.readRow(ctx, "SELECT 1 FROM user_manager_meta LIMIT 1", nil, &one)
}

// Close waits for the writes under way and closes the database. A check under way is
// broken off. A second call does nothing and gives the same error.
func (s *Store) Close() error { return s.close() }

// collectionAt finds the collection whose path is the longest that path starts with,
// and what follows after a slash; exact says that nothing follows.
func (s *Store) collectionAt(path string) (c *collection, rest string, exact bool) {
	for base := path; ; {
		if c := s.collections[base]; c != nil {
			rest, below := strings.CutPrefix(path[len(base):], "/")
			return c, rest, !below || rest == ""
		}
		cut := strings.LastIndexByte(base, '/')
		if cut <= 0 {
			return nil, "", false
		}
		base = base[:cut]
	}
}
