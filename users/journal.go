package users

import (
	"context"
	"encoding/json"
	"errors"
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

// A note says which user an operation is at work on, and what is needed to finish
// or undo it when the operation itself cannot.
type note struct {
	Kind       string `json:"kind"`
	UserID     string `json:"userId,omitempty"`
	AuthUserID string `json:"authUserId,omitempty"`
	// Key is that of the account that is being created.
	Key string `json:"key,omitempty"`
	// Unblock says that the account was not blocked before.
	Unblock bool `json:"unblock,omitempty"`
}

// An openNote is a note in the journal.
type openNote struct {
	note
	id      string    // of the journal's document, or made up when there is none
	running bool      // an operation of this process is at work on it
	foreign bool      // made by another process, which may be at work on it until due
	due     time.Time // not to be settled before
}

// settleAfter is how long a note is left alone after its operation failed: longer
// than a call that got no answer may still be at work upstream.
const settleAfter = 30 * time.Second

// journal keeps the notes of operations under way.
type journal struct {
	notes *crud.Collection // nil: in memory only
	now   func() time.Time

	mu   sync.Mutex
	open map[string]*openNote // guarded by mu, the notes' fields too
	made int                  // notes made in memory; guarded by mu
}

func newJournal(notes *crud.Collection, now func() time.Time) *journal {
	return &journal{notes: notes, now: now, open: map[string]*openNote{}}
}

// begin notes n before its operation's first step.
func (j *journal) begin(ctx context.Context, n note) (*openNote, error) {
	open := &openNote{note: n, running: true}
	if j.notes != nil {
		id, err := j.notes.Insert(ctx, n.document())
		if err != nil {
			return nil, err
		}
		open.id = id
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.notes == nil {
		j.made++
		open.id = "memory-" + strconv.Itoa(j.made)
	}
	j.open[open.id] = open
	return open, nil
}

// close ends a note whose operation is complete or undone.
func (j *journal) close(ctx context.Context, n *openNote) error {
	if j.notes != nil {
		if err := j.notes.Delete(ctx, n.id); err != nil && !errors.Is(err, crud.ErrNotFound) {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.open, n.id)
	return nil
}

// leave marks that no operation is at work on n any more, so that it may be settled.
func (j *journal) leave(n *openNote) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n.running = false
	n.due = j.now().Add(settleAfter)
}

// load adds the notes that the store has and this process does not know: those
// that an earlier process left, or that another has under way. The latter are not
// due before age has passed since they were made.
func (j *journal) load(ctx context.Context, age time.Duration) error {
	if j.notes == nil {
		return nil
	}
	for doc, err := range j.notes.All(ctx, crud.Query{}) {
		if err != nil {
			return err
		}
		found, err := noteOf(doc)
		if err != nil {
			return err
		}
		made, _ := time.Parse(time.RFC3339, text(doc, "createdAt"))
		found.due, found.foreign = made.Add(age), true
		j.mu.Lock()
		if _, known := j.open[found.id]; !known {
			j.open[found.id] = found
		}
		j.mu.Unlock()
	}
	return nil
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
	encoded, _ := json.Marshal(n) // strings and a boolean
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

// adopt takes a note that no journal holds, not to be settled before due.
func (j *journal) adopt(n note, due time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.made++
	id := "memory-" + strconv.Itoa(j.made)
	j.open[id] = &openNote{note: n, id: id, foreign: true, due: due}
}
