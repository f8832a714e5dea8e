package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// maxBatch is how many writes share a transaction at most.
const maxBatch = 256

var errClosed = errors.New("the store is closed")

// writer runs all writes on one connection. Writers that come while one is at work
// queue up; then the first of them leads: it runs every queued write in a
// transaction, commits once, and hands each its result. So at many writers the cost
// of a commit is spread over all of them, and no goroutine is needed.
type writer struct {
	db   *database
	conn *sql.Conn

	mu     sync.Mutex
	queue  []*write // guarded by mu
	busy   bool     // guarded by mu: somebody leads
	closed bool     // guarded by mu
	idle   *sync.Cond

	statements map[string]*sql.Stmt // the leader's, as ids
	ids        ids
	batches    int // transactions so far
}

// write is one queued write.
type write struct {
	ctx      context.Context
	run      func(*tx) error
	single   bool      // run makes one statement: SQLite undoes it alone
	turn     chan bool // true: lead; false: it is done
	err      error
	panicked any
}

// tx is a write's view of the transaction.
type tx struct {
	w   *writer
	ctx context.Context // of who makes the write, who may be gone before it is done
}

func newWriter(db *database, conn *sql.Conn) *writer {
	w := &writer{db: db, conn: conn, statements: map[string]*sql.Stmt{}}
	w.idle = sync.NewCond(&w.mu)
	return w
}

// do runs a write and returns when it is committed or has failed; a write that fails
// changes nothing, and does not touch those beside it. When ctx ends before the
// write starts, it never does. single says that run makes at most one change.
func (w *writer) do(ctx context.Context, single bool, run func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	op := &write{ctx: ctx, run: run, single: single, turn: make(chan bool, 1)}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return errClosed
	}
	w.queue = append(w.queue, op)
	lead := !w.busy
	w.busy = true
	w.mu.Unlock()
	if !lead {
		lead = w.wait(op)
	}
	if lead {
		w.lead()
	}
	if op.panicked != nil {
		panic(op.panicked) // in the goroutine whose write it was
	}
	return op.err
}

// wait waits until op is done, or until it is op's turn to lead.
func (w *writer) wait(op *write) (lead bool) {
	select {
	case lead = <-op.turn:
		return lead
	case <-op.ctx.Done():
	}
	w.mu.Lock()
	if i := slices.Index(w.queue, op); i >= 0 && len(op.turn) == 0 {
		w.queue = slices.Delete(w.queue, i, i+1)
		w.mu.Unlock()
		op.err = op.ctx.Err()
		return false
	}
	w.mu.Unlock()
	return <-op.turn // it has started, or has to lead: there is no way back
}

// lead runs a batch, and lets the first of the next one lead.
func (w *writer) lead() {
	w.mu.Lock()
	n := min(len(w.queue), maxBatch)
	batch := slices.Clone(w.queue[:n])
	w.queue = slices.Delete(w.queue, 0, n)
	w.mu.Unlock()

	w.runBatch(batch)

	w.mu.Lock()
	if len(w.queue) > 0 {
		w.queue[0].turn <- true
	} else {
		w.busy = false
		w.idle.Broadcast()
	}
	w.mu.Unlock()
	for _, op := range batch[1:] {
		op.turn <- false
	}
}

// runBatch runs writes in one transaction and sets their results.
func (w *writer) runBatch(batch []*write) {
	if w.db.memory {
		w.db.gate.Lock()
		defer w.db.gate.Unlock()
	}
	w.batches++
	err := w.exec("BEGIN IMMEDIATE")
	if err == nil {
		for _, op := range batch {
			if err = w.runOne(op, len(batch) == 1); err != nil {
				break
			}
		}
		if err == nil {
			err = w.exec("COMMIT")
		}
		if err != nil {
			w.exec("ROLLBACK") // fails when SQLite has done so itself
		}
	}
	for _, op := range batch {
		if op.err == nil && err != nil {
			op.err = err
		}
	}
}

// runOne runs one write of a batch. The error is one of the whole batch.
func (w *writer) runOne(op *write, alone bool) error {
	if op.err = op.ctx.Err(); op.err != nil {
		return nil
	}
	if op.single || alone {
		if op.err = w.guard(op); op.panicked != nil || alone && op.err != nil {
			return op.err // whatever it had done goes with the transaction
		}
		return fatal(op.err)
	}
	if err := w.exec("SAVEPOINT one"); err != nil {
		return err
	}
	op.err = w.guard(op)
	if err := fatal(op.err); err != nil {
		return err
	}
	if op.err != nil {
		if err := w.exec("ROLLBACK TO one"); err != nil {
			return err
		}
	}
	return w.exec("RELEASE one")
}

// guard runs the write's function. A panic in it is kept for its own goroutine: it
// must not end that of the leader.
func (w *writer) guard(op *write) (err error) {
	defer func() {
		if op.panicked = recover(); op.panicked != nil {
			err = fmt.Errorf("write panicked: %v", op.panicked)
		}
	}()
	return op.run(&tx{w, op.ctx})
}

// fatal is the error if SQLite may have given up the transaction with it.
func fatal(err error) error {
	switch resultCode(err) {
	case codeBusy, codeNoMemory, codeReadOnly, codeInterrupt, codeIO, codeCorrupt, codeFull:
		return err
	}
	return nil
}

func (w *writer) exec(text string) error {
	stmt, err := w.statement(text)
	if err == nil {
		_, err = stmt.ExecContext(context.Background())
	}
	return err
}

// close refuses further writes, waits for those under way and closes the connection.
func (w *writer) close() error {
	w.mu.Lock()
	w.closed = true
	for w.busy {
		w.idle.Wait()
	}
	w.mu.Unlock()
	for _, stmt := range w.statements {
		stmt.Close()
	}
	return w.conn.Close()
}

// statement prepares a text once, as long as there are not too many.
func (w *writer) statement(text string) (*sql.Stmt, error) {
	if stmt := w.statements[text]; stmt != nil {
		return stmt, nil
	}
	if len(w.statements) >= maxStatements {
		for text, stmt := range w.statements {
			stmt.Close()
			delete(w.statements, text)
		}
	}
	stmt, err := w.conn.PrepareContext(context.Background(), text)
	if err == nil {
		w.statements[text] = stmt
	}
	return stmt, err
}

// exec makes a change and returns how many rows it met.
func (t *tx) exec(text string, args ...any) (int64, error) {
	stmt, err := t.w.statement(text)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// once makes a change with a text that is not needed again.
func (t *tx) once(text string) error {
	_, err := t.w.conn.ExecContext(context.Background(), text)
	return err
}

// query reads what the transaction sees, and calls scan like [database.query]. It ends
// between two rows when the caller is gone: the write is undone then, and others go on.
func (t *tx) query(text string, args []any, scan func(*sql.Rows) (bool, error)) error {
	stmt, err := t.w.statement(text)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	if err != nil {
		return err
	}
	return scanAll(rows, func(rows *sql.Rows) (bool, error) {
		if err := t.ctx.Err(); err != nil {
			return false, err
		}
		return scan(rows)
	})
}
