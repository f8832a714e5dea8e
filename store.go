package main

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/crud/embedded"
	"user-manager/providers/fake"
	"user-manager/upstream"
)

//go:embed demo-groups.json
var demoGroups []byte

// store is the store that the service works on.
type store struct {
	name     string // for the log
	client   *crud.Client
	embedded *embedded.Store   // nil for a CRUD Service over the network
	network  *upstream.Network // nil for the embedded store

	users, groups                crud.Collection
	roles, journal, jobs, timers *crud.Collection // nil: there is none
}

// openStore opens the embedded store, or a client of the CRUD Service.
func openStore(ctx context.Context, cfg config, log *slog.Logger, o upstream.Observer) (*store, error) {
	if cfg.store.url == "" {
		return openEmbedded(ctx, cfg, log, o)
	}
	return openNetwork(cfg, nil, log, o)
}

// openNetwork returns a client of a CRUD Service over the network. base makes its calls;
// nil: sockets.
func openNetwork(cfg config, base http.RoundTripper, log *slog.Logger, o upstream.Observer) (*store, error) {
	network := crud.Network(base, cfg.store.connections, cfg.upstreamTimeout, log, o)
	s, err := newStore(cfg, cfg.store.url, network)
	if err != nil {
		return nil, err
	}
	s.network = network
	return s, nil
}

func newStore(cfg config, url string, transport http.RoundTripper) (*store, error) {
	client, err := crud.New(url, transport, cfg.upstreamTimeout)
	if err != nil {
		return nil, err
	}
	optional := func(path string) *crud.Collection {
		if path == "" {
			return nil
		}
		c := client.Collection(path)
		return &c
	}
	return &store{
		name:    url,
		client:  client,
		users:   client.Collection(cfg.store.users),
		groups:  client.Collection(cfg.store.groups),
		roles:   optional(cfg.store.roles),
		journal: optional(cfg.store.journal),
		jobs:    optional(cfg.store.jobs),
		timers:  optional(cfg.store.timers),
	}, nil
}

func openEmbedded(ctx context.Context, cfg config, log *slog.Logger, o upstream.Observer) (*store, error) {
	db, err := embedded.Open(ctx, embedded.Config{
		Path:         cfg.store.path,
		Sync:         cfg.store.sync,
		Collections:  collections(cfg.store),
		UserIDHeader: cfg.forwarding.UserIDKey,
		Log:          log,
	})
	if err != nil {
		return nil, err
	}
	s, err := newStore(cfg, "http://embedded", o.Observe(crud.Service, crud.InProcess(db)))
	if err == nil {
		s.name, s.embedded = "embedded: "+cfg.store.path, db
		err = s.seed(ctx, cfg.store)
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return s, nil
}

// collections are those of the embedded store: those that files declare, and ours where
// they do not. Journal, jobs and timers are internal, whoever declares them.
func collections(s storeConfig) []embedded.Definition {
	all := slices.Clone(s.declared)
	path := func(d embedded.Definition) string { return strings.Trim(d.Path, "/") }
	built := []embedded.Definition{
		embedded.Users(s.users), embedded.Groups(s.groups), embedded.Roles(s.roles), embedded.Journal(s.journal), embedded.Jobs(s.jobs),
	}
	if s.timers != "" {
		built = append(built, embedded.Timers(s.timers))
	}
	for _, ours := range built {
		i := slices.IndexFunc(all, func(d embedded.Definition) bool { return path(d) == path(ours) })
		if i < 0 {
			all = append(all, ours)
			continue
		}
		all[i].Internal = ours.Internal
	}
	return append(all, fake.Collections()...)
}

// seed gives a store without user groups those to start with.
func (s *store) seed(ctx context.Context, cfg storeConfig) error {
	n, err := s.groups.Count(ctx, crud.Query{States: crud.AllStates})
	if err != nil || n > 0 || len(cfg.firstGroups) == 0 {
		return err
	}
	if _, err := s.groups.InsertAll(ctx, cfg.firstGroups); err != nil {
		return fmt.Errorf("add the first user groups: %w", err)
	}
	return nil
}

// check reports whether the collections can be read that operations on users need.
func (s *store) check(ctx context.Context) error {
	all := []crud.Collection{s.users, s.groups}
	for _, optional := range []*crud.Collection{s.roles, s.journal, s.jobs, s.timers} {
		if optional != nil {
			all = append(all, *optional)
		}
	}
	for _, collection := range all {
		if _, err := collection.List(ctx, crud.Query{Fields: []string{"_id"}, Limit: 1}); err != nil {
			return err
		}
	}
	return nil
}

// inspect reports whether the embedded store's file is sound; it looks at most once an
// hour.
func (s *store) inspect(ctx context.Context) error {
	if s.embedded == nil {
		return nil
	}
	return s.embedded.Check(ctx)
}

// state tells whether a store over the network is called.
func (s *store) state() []upstream.State {
	if s.network == nil {
		return nil
	}
	return []upstream.State{s.network.State()}
}

// local returns the client of the embedded store, or nil.
func (s *store) local() *crud.Client {
	if s.embedded == nil {
		return nil
	}
	return s.client
}

// public returns what is served at /crud/, or nil.
func (s *store) public(cfg config) http.Handler {
	if s.embedded == nil || !cfg.servesCRUD() {
		return nil
	}
	return s.embedded.Public()
}

// Close closes the embedded store.
func (s *store) Close() error {
	if s.embedded == nil {
		return nil
	}
	return s.embedded.Close()
}
