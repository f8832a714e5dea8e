package users

import (
	"context"
	"errors"
	"time"

	"user-manager/crud"
)

// Each process that shares a journal has a document of its own there, which it touches
// every few seconds: from one that is not touched any more others take over what it left.
// How old a touch is each tells by its own clock.

// kindProcess is the kind of a process's document in the journal.
const kindProcess = "process"

const (
	// processGone is after how long without a touch a process counts as gone.
	processGone = time.Minute
	// processForgotten is after how long its document is removed.
	processForgotten = time.Hour
)

// A process is another one that shares the journal.
type process struct {
	touched string    // as its document has it
	since   time.Time // that it has been seen so
	looks   int       // how many times in a row
}

// ErrLockNotUnique is a journal whose collection has no unique index on its field "lock":
// it cannot keep processes apart.
var ErrLockNotUnique = errors.New(`the journal's field "lock" is not unique: only one process may run`)

// enrol makes this process known to others, and returns [ErrLockNotUnique] when notes
// would not keep it apart from them.
func (j *journal) enrol(ctx context.Context) error {
	if !j.shared() {
		return nil
	}
	self := note{Operation: j.holder, Kind: kindProcess, Lock: "process " + j.holder, Holder: j.holder}
	if _, err := j.notes.Insert(ctx, self.document()); err != nil && !errors.Is(err, crud.ErrDuplicate) {
		return err
	}
	self.Operation = newKey()
	switch id, err := j.notes.Insert(ctx, self.document()); {
	case errors.Is(err, crud.ErrDuplicate):
		return nil
	case err != nil:
		return err
	default:
		return errors.Join(ErrLockNotUnique, j.notes.Delete(ctx, id))
	}
}

// touch shows others that this process is there.
func (j *journal) touch(ctx context.Context) error {
	if !j.shared() {
		return nil
	}
	self := crud.Query{Filter: map[string]any{"operation": j.holder}, States: crud.AllStates}
	n, err := j.notes.PatchAll(ctx, self, set("holder", j.holder))
	if err == nil && n == 0 {
		return j.enrol(ctx)
	}
	return err
}

// resign lets go of the notes that this process could not let go of when their operations
// ended, and takes its document away: a process without one would not be seen to be gone, and
// what it has would wait for long. For the same reason the document stays when that fails, or
// while an operation is under way.
func (j *journal) resign(ctx context.Context) error {
	if !j.shared() || j.atWork() {
		return nil
	}
	left := map[string]any{"holder": j.holder, "kind": map[string]any{"$ne": kindProcess}}
	if _, err := j.notes.PatchAll(ctx, crud.Query{Filter: left, States: crud.AllStates}, set("holder", "")); err != nil {
		return err
	}
	_, err := j.notes.DeleteAll(ctx, crud.Query{Filter: map[string]any{"operation": j.holder}, States: crud.AllStates})
	return err
}

// atWork reports whether an operation of this process is at work on a note.
func (j *journal) atWork() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, n := range j.open {
		if n.running {
			return true
		}
	}
	return false
}

// see takes note of the process that a document of the journal is of, and reports whether
// it has been gone for so long that the document may go too.
func (j *journal) see(doc crud.Document, found map[string]process) (forgotten bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	holder, touched := text(doc, "holder"), text(doc, "updatedAt")
	p, known := j.processes[holder]
	if !known || p.touched != touched {
		p = process{touched: touched, since: j.now()}
	}
	p.looks++
	found[holder] = p
	return j.now().Sub(p.since) > processForgotten
}

// others returns the ids of stored notes that no operation of this process is at work on.
func (j *journal) others() map[string]bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	ids := map[string]bool{}
	for id, n := range j.open {
		if !n.unstored && !n.running && n.Holder != j.holder {
			ids[id] = true
		}
	}
	return ids
}

// sawAll replaces what is known of other processes, and forgets notes that have gone.
func (j *journal) sawAll(found map[string]process, gone map[string]bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.processes = found
	for id := range gone {
		if n := j.open[id]; n != nil && !n.running && n.Holder != j.holder {
			delete(j.open, id)
		}
	}
}

// mayBeSettled returns from when on a note that no operation of this process is at work on
// may be settled; mu is held.
func (j *journal) mayBeSettled(n *openNote) time.Time {
	p, known := j.processes[n.Holder]
	switch {
	case !known || n.Holder == j.holder:
		return n.settleFrom
	case p.looks <= int(processGone/settleEvery): // this process did not look for a while
		return j.now().Add(processGone)
	}
	return p.since.Add(processGone)
}

// lookAround shows others that this process is there, and looks for them and their notes,
// until ctx is done. It does not wait for anything to be settled, which may take long.
func (s *Service) lookAround(ctx context.Context) {
	ticker := time.NewTicker(settleEvery)
	defer ticker.Stop()
	for {
		if err := errors.Join(s.journal.touch(ctx), s.journal.load(ctx, s.longest(), s.Log)); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "journal not read", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Resign tells other processes on the store that this one is not there any more. Call it
// when the last operation is over.
func (s *Service) Resign(ctx context.Context) error { return s.journal.resign(ctx) }
