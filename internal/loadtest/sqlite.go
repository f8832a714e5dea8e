package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	_ "modernc.org/sqlite" // the driver of the embedded store
)

// sqliteBatch is how many rows the service writes together, by default.
const sqliteBatch = 250

// insertAlone returns how long SQLite alone takes for the users of f, in a new file in
// dir; see the package's comment.
func insertAlone(ctx context.Context, f file, dir, sync string) (took time.Duration, err error) {
	users := f.stored()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "alone.db")+
		"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_pragma=synchronous("+sync+")")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for _, text := range []string{
		`CREATE TABLE users (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, doc TEXT NOT NULL, username, email, authUserId, createdAt)`,
		`CREATE UNIQUE INDEX username ON users (username) WHERE username IS NOT NULL`,
		`CREATE UNIQUE INDEX email ON users (email) WHERE email IS NOT NULL`,
		`CREATE INDEX authUserId ON users (authUserId)`,
		`CREATE INDEX createdAt ON users (createdAt DESC)`,
		`CREATE INDEX state ON users (state)`,
	} {
		if _, err := db.ExecContext(ctx, text); err != nil {
			return 0, fmt.Errorf("make the table: %w", err)
		}
	}
	insert, err := db.PrepareContext(ctx, `INSERT INTO users (id, state, doc, username, email, createdAt) VALUES (?, 'PUBLIC', ?, ?, ?, ?)`)
	if err != nil {
		return 0, err
	}
	defer insert.Close()
	begin := time.Now()
	for batch := range slices.Chunk(users, sqliteBatch) {
		if err := insertBatch(ctx, db, insert, batch); err != nil {
			return 0, fmt.Errorf("insert users: %w", err)
		}
	}
	return time.Since(begin), nil
}

func insertBatch(ctx context.Context, db *sql.DB, insert *sql.Stmt, users []storedUser) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing once it is committed
	within := tx.StmtContext(ctx, insert)
	for _, u := range users {
		text, err := json.Marshal(u.document)
		if err != nil {
			return err
		}
		if _, err := within.ExecContext(ctx, u.id, string(text), u.username, u.email, u.createdAt); err != nil {
			return err
		}
	}
	return tx.Commit()
}
