package users

import (
	"context"

	"user-manager/upstream"
)

// A step is one change at one upstream, and how to take it back.
type step struct {
	name string
	do   func(ctx context.Context) error
	// undo takes back what do did, or may have done: it is called also after a do
	// that failed without a clear refusal, and must bear that nothing was done. nil
	// means that there is nothing to take back.
	undo func(ctx context.Context) error
}

// carryOut does steps in order, noted as n in the journal meanwhile. When one fails,
// those that were done, and the failed one unless its upstream surely did nothing,
// are undone in reverse; the error is that of the step. The first undo that fails
// ends the undoing, so that an earlier step is never undone under a later one that
// still stands: the note stays open then and [Service.Run] settles it. So it does
// when a call got no answer, since its work may still be done after we looked.
//
// A caller that goes away does not end an operation that has begun. Its time is bounded
// all the same: each call has its own limit, and the number of calls does too.
func (s *Service) carryOut(ctx context.Context, n note, steps []step) error {
	ctx = context.WithoutCancel(ctx)
	open, err := s.journal.begin(ctx, n)
	if err != nil {
		return err
	}
	defer s.journal.leave(open) // a no-op once the note is closed
	for i, step := range steps {
		err := step.do(ctx)
		if err == nil {
			continue
		}
		begun := steps[:i]
		if !upstream.Refused(err) {
			begun = steps[:i+1]
		}
		if s.undo(ctx, begun) && upstream.Status(err) != 0 {
			s.closeNote(ctx, open)
		}
		return err
	}
	s.closeNote(ctx, open)
	return nil
}

// undo takes back steps in reverse and reports whether all were.
func (s *Service) undo(ctx context.Context, steps []step) bool {
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i].undo == nil {
			continue
		}
		if err := steps[i].undo(ctx); err != nil {
			s.Log.ErrorContext(ctx, "step not undone yet", "step", steps[i].name, "err", err)
			return false
		}
	}
	return true
}

// closeNote ends a note. If that fails the note is settled later, which finds
// nothing to do.
func (s *Service) closeNote(ctx context.Context, open *openNote) {
	if err := s.journal.close(ctx, open); err != nil {
		s.Log.WarnContext(ctx, "journal note not closed yet", "err", err)
	}
}
