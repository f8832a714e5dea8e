package embedded

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	_ "modernc.org/sqlite" // the driver
)

// maxStatements bounds the prepared statements kept; queries beyond are prepared
// each time.
const maxStatements = 256

// database is one SQLite file: a writer, and readers that never wait for it.
type database struct {
	writes  *writer
	write   *sql.DB // the writer's only connection
	read    *sql.DB
	unlock  func() error
	mu      sync.Mutex
	queries map[string]*sql.Stmt // guarded by mu

	// gate is for a database in memory, which has no log that readers could go on
	// reading from while the writer works: they wait for each other.
	gate   sync.RWMutex
	memory bool
}

func openDatabase(ctx context.Context, cfg Config) (*database, error) {
	d := &database{queries: map[string]*sql.Stmt{}, unlock: func() error { return nil }, memory: cfg.Path == ":memory:"}
	address := "file:/user-manager-" + rand.Text() + "?vfs=memdb"
	if !d.memory {
		path, err := filepath.Abs(cfg.Path)
		if err != nil {
			return nil, err
		}
		if d.unlock, err = lockFile(path); err != nil {
			return nil, err
		}
		if err := ownFile(path); err != nil {
			return nil, errors.Join(err, d.unlock())
		}
		address = fileAddress(path)
	}
	if err := d.connect(ctx, address, cfg.Sync); err != nil {
		return nil, errors.Join(explain(err, cfg.Path), d.close())
	}
	return d, nil
}

// ownFile makes the file if there is none, for nobody else to read: it holds personal
// data. SQLite gives its log the same rights.
func ownFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("%s cannot be opened: it must be a file that this process may write, in a folder that exists: %w", path, err)
	}
	return f.Close()
}

// fileAddress is the URI of a file, whatever characters its name has.
func fileAddress(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/data
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=journal_mode(WAL)"
}

func (d *database) connect(ctx context.Context, address, sync string) error {
	address += "&_pragma=busy_timeout(10000)&_pragma=synchronous(" + sync + ")"
	var err error
	if d.write, err = sql.Open("sqlite", address); err != nil {
		return err
	}
	d.write.SetMaxOpenConns(1)
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return err
	}
	d.writes = newWriter(d, conn)
	if d.read, err = sql.Open("sqlite", address+"&_pragma=query_only(1)"); err != nil {
		return err
	}
	readers := max(4, 2*runtime.GOMAXPROCS(0))
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	return d.read.PingContext(ctx)
}

// explain adds what to do about an error of opening.
func explain(err error, path string) error {
	switch resultCode(err) {
	case codeNotADB, codeCorrupt:
		return fmt.Errorf("%s is damaged or no database (%w): move it away and restore a copy, or name another file", path, err)
	case codeCantOpen:
		return fmt.Errorf("%s cannot be opened (%w): its folder must exist and be writable", path, err)
	case codeReadOnly:
		return fmt.Errorf("%s cannot be written (%w): give this process the right to write it and its folder", path, err)
	case codeFull:
		return fmt.Errorf("no space left for %s (%w): make room and start again", path, err)
	}
	return err
}

func (d *database) close() error {
	var errs []error
	if d.writes != nil {
		errs = append(errs, d.writes.close())
	}
	for _, db := range []*sql.DB{d.read, d.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, d.unlock())...)
}

// query runs a read and calls scan for each row until it returns false or an error.
// The read's transaction ends with the call.
func (d *database) query(ctx context.Context, text string, args []any, scan func(*sql.Rows) (bool, error)) (err error) {
	if d.memory {
		d.gate.RLock()
		defer d.gate.RUnlock()
	}
	rows, err := d.rows(ctx, text, args)
	if err != nil {
		return err
	}
	return scanAll(rows, scan)
}

func scanAll(rows *sql.Rows, scan func(*sql.Rows) (bool, error)) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		more, err := scan(rows)
		if err != nil || !more {
			return err
		}
	}
	return rows.Err()
}

// readRow reads the first row, or gives sql.ErrNoRows.
func (d *database) readRow(ctx context.Context, text string, args []any, dest ...any) error {
	found := false
	err := d.query(ctx, text, args, func(rows *sql.Rows) (bool, error) {
		found = true
		return false, rows.Scan(dest...)
	})
	if err == nil && !found {
		return sql.ErrNoRows
	}
	return err
}

func (d *database) rows(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	d.mu.Lock()
	stmt, full := d.queries[text], len(d.queries) >= maxStatements
	d.mu.Unlock()
	if stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	if full {
		return d.read.QueryContext(ctx, text, args...)
	}
	stmt, err := d.read.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	stmt = d.keep(text, stmt)
	return stmt.QueryContext(ctx, args...)
}

// keep stores a statement, or gives the one that another goroutine has stored.
func (d *database) keep(text string, stmt *sql.Stmt) *sql.Stmt {
	d.mu.Lock()
	defer d.mu.Unlock()
	if first := d.queries[text]; first != nil {
		stmt.Close()
		return first
	}
	d.queries[text] = stmt
	return stmt
}
