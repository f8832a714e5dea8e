package users

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"user-manager/crud"
)

// Kinds of notes: which operation is under way.
const (
	noteCreate   = "create"
	noteRegister = "register"
	noteWithID   = "with-id"
	noteChange   = "change"
	noteDelete   = "delete"
)

// ErrJournal is in the chain of an error that kept an operation from being noted, and
// so from beginning. The caller's data is not to blame for it.
var ErrJournal = errors.New("operation not noted in the journal")

// A note says which user an operation is at work on, and what is needed to finish
// or undo it when the operation itself cannot. It may come to be settled long after,
// when other operations have been at work: settling looks at the user first.
type note struct {
	// Operation is the note's own key: its id is not known when the store's answer to
	// its insertion is lost.
	Operation  string `json:"operation"`
	Kind       string `json:"kind"`
	UserID     string `json:"userId,omitempty"`
	AuthUserID string `json:"authUserId,omitempty"`
	// Version is the updatedAt of the user that is deleted: another version stays.
	Version string `json:"version,omitempty"`
	// Key is that of the account that is being created.
	Key string `json:"key,omitempty"`
	// Names are digests of the user name and address that a creation takes.
	Names []string `json:"names,omitempty"`
	// Unblock says that the account was not blocked before.
	Unblock bool `json:"unblock,omitempty"`
}

// An openNote is a note in the journal.
type openNote struct {
	note
	id       string    // of the journal's document, or made up when there is none
	running  bool      // an operation of this process is at work on it
	foreign  bool      // not made by this process: others may be at work on it until due
	unstored bool      // known to this process only
	due      time.Time // not closed before: a call without an answer may take effect until then
}

// settleAfter is how long a note stays open after its operation failed: longer than a
// call that got no answer may still be at work upstream.
const settleAfter = 30 * time.Second

// journal keeps the notes of operations under way.
type journal struct {
	notes *crud.Collection // nil: in memory only
	now   func() time.Time

	mu   sync.Mutex
	open map[string]*openNote // by id; guarded by mu, the notes' fields too
	made int                  // notes made in memory; guarded by mu
}

func newJournal(notes *crud.Collection, now func() time.Time) *journal {
	return &journal{notes: notes, now: now, open: map[string]*openNote{}}
}

// begin notes n before its operation's first step. Its error has [ErrJournal] in its
// chain.
func (j *journal) begin(ctx context.Context, n note) (*openNote, error) {
	n.Operation = newKey()
	open := &openNote{note: n, running: true}
	if j.notes != nil {
		id, err := j.notes.Insert(ctx, n.document())
		if err != nil {
			j.withdraw(ctx, n)
			return nil, fmt.Errorf("%w: %w", err, ErrJournal)
		}
		open.id = id
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.notes == nil {
		open.id, open.unstored = j.memoryID(), true
	}
	j.open[open.id] = open
	return open, nil
}

// withdraw removes a note that may be in the store although its insertion failed. One
// that stays all the same is settled by a later start, which finds nothing to do.
func (j *journal) withdraw(ctx context.Context, n note) {
	_, _ = j.notes.DeleteAll(ctx, crud.Query{Filter: map[string]any{"operation": n.Operation}, States: crud.AllStates})
}

func (j *journal) memoryID() string {
	j.made++
	return "memory-" + strconv.Itoa(j.made)
}

// close ends a note whose operation is complete or undone.
func (j *journal) close(ctx context.Context, n *openNote) error {
	if !n.unstored {
		if err := j.notes.Delete(ctx, n.id); err != nil && !errors.Is(err, crud.ErrNotFound) {
			return err
		}
	}
	j.forget(n)
	return nil
}

func (j *journal) forget(n *openNote) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.open, n.id)
}

// closed reports whether a note that was read from the store has gone from it since.
func (j *journal) closed(ctx context.Context, n *openNote) (bool, error) {
	if !n.foreign || n.unstored {
		return false, nil
	}
	_, err := j.notes.Get(ctx, n.id, inAnyState)
	if errors.Is(err, crud.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// leave marks that no operation is at work on n any more. The first time it also says
// from when on n may be closed.
func (j *journal) leave(n *openNote) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n.running = false
	if n.due.IsZero() {
		n.due = j.now().Add(settleAfter)
	}
}

// due reports whether n may be closed.
func (j *journal) isDue(n *openNote) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return !j.now().Before(n.due)
}

// load adds the notes that the store has and this process does not know: those that
// an earlier process left, or that another has under way. They are not due before age
// has passed. A note that cannot be read is logged and left alone.
func (j *journal) load(ctx context.Context, age time.Duration, log *slog.Logger) error {
	if j.notes == nil {
		return nil
	}
	for doc, err := range j.notes.All(ctx, crud.Query{States: crud.AllStates}) {
		if err != nil {
			return err
		}
		found, err := noteOf(doc)
		if err != nil {
			log.ErrorContext(ctx, "journal note not understood", "note", text(doc, "_id"), "err", err)
			continue
		}
		found.due, found.foreign = j.now().Add(age), true
		j.mu.Lock()
		if _, known := j.open[found.id]; !known {
			j.open[found.id] = found
		}
		j.mu.Unlock()
	}
	return nil
}

// adopt takes a note that no journal holds, not to be settled before age has passed.
func (j *journal) adopt(n note, age time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	known := func(open *openNote) bool { return open.Key == n.Key }
	if n.Key != "" && slices.ContainsFunc(slices.Collect(maps.Values(j.open)), known) {
		return
	}
	id := j.memoryID()
	j.open[id] = &openNote{note: n, id: id, foreign: true, unstored: true, due: j.now().Add(age)}
}

// abandoned returns the notes that match and that nobody is at work on. Those that are
// not due yet are among them only if early is true and this process made them.
func (j *journal) abandoned(early bool, match func(note) bool) []*openNote {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []*openNote
	for _, n := range j.open {
		due := !j.now().Before(n.due) || early && !n.foreign
		if !n.running && due && match(n.note) {
			found = append(found, n)
		}
	}
	return found
}

// claim marks that an operation settles n now. It reports false if another does, or
// did.
func (j *journal) claim(n *openNote) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.open[n.id] != n || n.running {
		return false
	}
	n.running = true
	return true
}

// size returns how many notes are open.
func (j *journal) size() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.open)
}

func (n note) document() crud.Document {
	var doc crud.Document
	encoded, _ := json.Marshal(n) // texts and a boolean
	_ = json.Unmarshal(encoded, &doc)
	return doc
}

func noteOf(doc crud.Document) (*openNote, error) {
	encoded, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	n := &openNote{id: text(doc, "_id")}
	return n, json.Unmarshal(encoded, &n.note)
}
