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
	"user-manager/upstream"
)

// Kinds of notes: which operation is under way.
const (
	noteCreate   = "create"
	noteRegister = "register"
	noteActivate = "activate"
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
	// Version (see [versionOf]) and State are those of the user that is deleted: another
	// version stays.
	Version string `json:"version,omitempty"`
	State   string `json:"state,omitempty"`
	// Key is that of the account that is being created.
	Key string `json:"key,omitempty"`
	// Job is the id of the activation that the account is created for.
	Job string `json:"job,omitempty"`
	// Names are digests of the user name and address that a creation takes.
	Names []string `json:"names,omitempty"`
	// Unblock says that the account was not blocked before.
	Unblock bool `json:"unblock,omitempty"`
	// Roles and Timer say that the operation concerns the roles of the account, and the timer
	// of the user.
	Roles bool `json:"roles,omitempty"`
	Timer bool `json:"timer,omitempty"`
	// Lock and Holder keep processes apart that share the store (shared.go); "" where none
	// does. No two notes have one lock.
	Lock   string `json:"lock,omitempty"`
	Holder string `json:"holder,omitempty"`
}

// An openNote is a note in the journal.
type openNote struct {
	note
	id       string // of the journal's document, or made up when there is none
	unstored bool   // known to this process only
	lost     bool   // another process has taken it over while an operation was at work
	running  bool   // an operation of this process is at work on it
	settled  bool   // user and account are as they should be, as far as could be seen
	// restDone: the roles and the timer are as the user says, unless something comes late.
	// restTried is when they could last not be made so.
	restDone  bool
	restTried time.Time
	// lookFrom is when a note that stays open long is to be settled again.
	lookFrom time.Time
	// settleFrom is when who made the note is surely not at work any more.
	settleFrom time.Time
	// closeFrom is when no call of the operation can take effect any more; until then
	// the note stays, and is settled once more at its end.
	closeFrom time.Time
}

// lateEffects is how long a call that got no answer may still take effect.
const lateEffects = 30 * time.Second

// lookAgain is how long after it was settled a note that is still open is settled again:
// what comes late may come in between.
const lookAgain = 5 * time.Minute

// journal keeps the notes of operations under way.
type journal struct {
	notes   *crud.Collection // nil: in memory only
	holder  string           // this process, where others share the store; otherwise ""
	now     func() time.Time
	imports bool // accounts of activations are imported, which may take hours

	mu        sync.Mutex
	open      map[string]*openNote // by id; guarded by mu, the notes' fields too
	processes map[string]process   // that share the journal, by holder; guarded by mu
	made      int                  // notes made in memory; guarded by mu
	void      map[string]time.Time // operations that never began but may get a note in the store, and since when; guarded by mu
	odd       map[string]bool      // ids of notes that cannot be read; guarded by mu
}

// newJournal returns a journal in notes, or in memory if that is nil. shares says that
// other processes may work on the store: notes keep them apart then.
func newJournal(notes *crud.Collection, now func() time.Time, imports, shares bool) *journal {
	holder := ""
	if shares && notes != nil {
		holder = newKey()
	}
	return &journal{notes: notes, holder: holder, now: now, imports: imports, open: map[string]*openNote{}, void: map[string]time.Time{}, odd: map[string]bool{}}
}

// begin notes n before its operation's first step. Its error has [ErrJournal] in its
// chain, and [crud.ErrDuplicate] when another note has the lock.
func (j *journal) begin(ctx context.Context, n note) (*openNote, error) {
	n.Operation = newKey()
	if j.shared() {
		n.Lock, n.Holder = lockOf(n), j.holder
	}
	open := &openNote{note: n, running: true}
	if j.notes != nil {
		id, err := j.notes.Insert(ctx, n.document())
		if err != nil && !upstream.Refused(err) {
			j.withdraw(ctx, n)
		}
		if err != nil {
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

// withdraw removes a note that may be in the store although its insertion failed. When
// it is not there, or cannot be removed, it may come to be: then it is not taken for a
// note when it is read.
func (j *journal) withdraw(ctx context.Context, n note) {
	removed, err := j.notes.DeleteAll(ctx, crud.Query{Filter: map[string]any{"operation": n.Operation}, States: crud.AllStates})
	if err == nil && removed > 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.void[n.Operation] = j.now()
}

func (j *journal) memoryID() string {
	j.made++
	return "memory-" + strconv.Itoa(j.made)
}

// close ends a note whose operation is complete or undone. One that another process has
// taken over stays there, and is lost.
func (j *journal) close(ctx context.Context, n *openNote) error {
	if err := j.remove(ctx, n); err != nil {
		return err
	}
	j.forget(n)
	return nil
}

func (j *journal) remove(ctx context.Context, n *openNote) error {
	switch {
	case n.unstored:
		return nil
	case !j.shared():
		return ignore(j.notes.Delete(ctx, n.id), crud.ErrNotFound)
	}
	removed, err := j.notes.DeleteAll(ctx, j.own(n))
	if err == nil {
		n.lost = removed == 0
	}
	return err
}

func (j *journal) forget(n *openNote) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.open, n.id)
}

// leave marks that no operation is at work on n any more. From the first time on its
// calls may be late.
func (j *journal) leave(n *openNote) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n.running = false
	if n.closeFrom.IsZero() {
		n.closeFrom = j.now().Add(j.late(n.note))
	}
}

// late returns how long a call of n's operation that got no answer may still take effect.
func (j *journal) late(n note) time.Duration {
	if n.Kind == noteActivate && j.imports {
		return longestActivation
	}
	return lateEffects
}

// certain reports whether no call of n's operation can take effect any more.
func (j *journal) certain(n *openNote) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return !j.now().Before(n.closeFrom)
}

// load adds the notes that the store has and this process does not know: those that
// an earlier process left, or that another has under way. They may be settled when age
// has passed. A note that cannot be read is logged and left alone.
func (j *journal) load(ctx context.Context, age time.Duration, log *slog.Logger) error {
	if j.notes == nil {
		return nil
	}
	processes, gone := map[string]process{}, j.others()
	for doc, err := range j.notes.All(ctx, crud.Query{States: crud.AllStates}) {
		if err != nil {
			return err
		}
		delete(gone, text(doc, "_id"))
		if text(doc, "kind") != kindProcess {
			err = j.loaded(ctx, doc, age, log)
		} else if j.see(doc, processes) {
			err = j.notes.Delete(ctx, text(doc, "_id"))
		}
		if err != nil {
			log.WarnContext(ctx, "document of the journal not removed yet", "err", err)
		}
	}
	j.sawAll(processes, gone)
	return nil
}

// loaded takes a note that was read.
func (j *journal) loaded(ctx context.Context, doc crud.Document, age time.Duration, log *slog.Logger) error {
	found, err := noteOf(doc)
	if err == nil {
		return j.take(ctx, found, age)
	}
	if j.isNew(j.odd, text(doc, "_id")) {
		log.ErrorContext(ctx, "journal note not understood", "noteId", text(doc, "_id"), "err", err)
	}
	return nil
}

// take adds a note that was read from the store, or learns who holds it; or deletes it if
// its operation never began.
func (j *journal) take(ctx context.Context, n *openNote, age time.Duration) error {
	j.mu.Lock()
	_, void := j.void[n.Operation]
	if j.shared() && n.Holder == "" {
		age = 0 // its operation has left it
	}
	switch known := j.open[n.id]; {
	case void:
	case known == nil:
		j.added(n, age)
	case known.running || n.Holder == j.holder || n.Holder == known.Holder:
	case n.Holder == "":
		known.Holder, known.settleFrom = "", j.now()
	default:
		known.Holder = n.Holder
		j.added(known, age)
	}
	j.mu.Unlock()
	if !void {
		return nil
	}
	return j.notes.Delete(ctx, n.id)
}

// added adds a note that others are or were at work on, not to be settled before age has
// passed; mu is held.
func (j *journal) added(n *openNote, age time.Duration) {
	n.settleFrom = j.now().Add(age)
	n.closeFrom = n.settleFrom.Add(j.late(n.note))
	j.open[n.id] = n
}

// isNew reports whether id is not in the set, and adds it.
func (j *journal) isNew(set map[string]bool, id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	isNew := !set[id]
	set[id] = true
	return isNew
}

// hasVoid reports whether a note of an operation that never began may be in the store.
func (j *journal) hasVoid() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	maps.DeleteFunc(j.void, func(_ string, since time.Time) bool { return j.now().Sub(since) > 2*lateEffects })
	return len(j.void) > 0
}

// adopt takes a note that no journal holds, not to be settled before age has passed.
func (j *journal) adopt(n note, age time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	known := func(open *openNote) bool { return open.Key == n.Key }
	if n.Key != "" && slices.ContainsFunc(slices.Collect(maps.Values(j.open)), known) {
		return
	}
	j.added(&openNote{note: n, id: j.memoryID(), unstored: true}, age)
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
