package users

import (
	"context"
	"errors"
	"slices"

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
	// noted says that the step is one at the provider, or decides who may log in. An
	// order with such a step is noted in the journal.
	noted bool
	// roles and timer say that the step concerns the roles of an account or the timer of a
	// user. If its note comes to be settled, these are set anew.
	roles, timer bool
	// protects says that the step keeps somebody out. It is undone only when all that
	// came after it surely is; otherwise when the note is settled.
	protects bool
}

// carryOut does steps in order, noted as n in the journal meanwhile if one of them asks
// for it; then it looks first, by unchanged unless that is nil, whether the steps are
// still right, and does nothing otherwise. When one fails, those that were done, and the
// failed one unless its upstream refused it, are undone in reverse; the error is that of
// the step. The first undo that fails ends the undoing, so that an earlier step is never
// undone under a later one that still stands.
//
// Unless the failed step was refused, the note stays open for a while even if all is
// undone: a call that got no answer, or a gateway's, may still take effect. So it does
// when a step was done at a second try, for the first may still come. Then [Service.Run]
// settles it.
//
// A caller that goes away does not end an operation that has begun. Its time is bounded
// all the same: each call has its own limit, and the number of calls does too.
func (s *Service) carryOut(ctx context.Context, n note, unchanged func(context.Context) error, steps []step) error {
	if !slices.ContainsFunc(steps, func(st step) bool { return st.noted }) {
		_, _, err := s.doSteps(context.WithoutCancel(ctx), steps)
		return err
	}
	n.Roles = slices.ContainsFunc(steps, func(st step) bool { return st.roles })
	n.Timer = slices.ContainsFunc(steps, func(st step) bool { return st.timer })
	open, err := s.begin(ctx, n)
	if err != nil {
		return err
	}
	defer s.journal.leave(open) // matters only while the note is open
	ctx, doubt := upstream.WithDoubt(context.WithoutCancel(ctx))
	certain, whole := true, true
	if unchanged != nil {
		err = unchanged(ctx)
	}
	if err == nil {
		certain, whole, err = s.doSteps(ctx, steps)
	}
	s.journal.ended(open, whole)
	if certain && !doubt.Raised() {
		s.closeNote(ctx, open)
	} else {
		s.settleLater(ctx, open)
	}
	if open.lost && n.subject() != "" {
		return s.takenOver(ctx, n)
	}
	return err
}

// doSteps does steps in order, and undoes them when one fails. It reports whether all of
// them are done, or undone, by now, and whether that is certain: nothing of them can take
// effect any more that has not.
func (s *Service) doSteps(ctx context.Context, steps []step) (certain, whole bool, err error) {
	for i, step := range steps {
		if err := step.do(ctx); upstream.Refused(err) || errors.Is(err, errChanged) {
			whole = s.undo(ctx, steps[:i], true)
			return whole, whole, err
		} else if err != nil {
			return false, s.undo(ctx, steps[:i+1], false), err
		}
	}
	return true, true, nil
}

// undo takes back steps in reverse and reports whether all were. certain says that
// nothing of them can take effect later.
func (s *Service) undo(ctx context.Context, steps []step, certain bool) bool {
	for i := len(steps) - 1; i >= 0; i-- {
		switch step := steps[i]; {
		case step.undo == nil:
		case step.protects && !certain:
			return false
		default:
			if err := step.undo(ctx); err != nil {
				s.Log.ErrorContext(ctx, "step not undone yet", "step", step.name, "err", err)
				return false
			}
		}
	}
	return true
}

// settleLater leaves a note to be settled, and tells by which id the log will name it then.
func (s *Service) settleLater(ctx context.Context, open *openNote) {
	s.Log.InfoContext(ctx, "operation is settled later", "kind", open.Kind, "operationId", open.Operation)
	if err := s.journal.letGo(ctx, open, false); err != nil {
		s.Log.WarnContext(ctx, "journal note not let go yet", "err", err)
	}
}

// closeNote ends a note. If that fails the note is settled later, which finds nothing to
// do.
func (s *Service) closeNote(ctx context.Context, open *openNote) {
	if err := s.journal.close(ctx, open); err != nil {
		s.Log.WarnContext(ctx, "journal note not closed yet", "err", err)
	}
}
