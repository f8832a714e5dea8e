package users

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/upstream"
)

// applyPatches changes users: those whose accounts are not concerned many at once, the
// others one by one, in the order of their steps.
func (im *importer) applyPatches(ctx context.Context, batch *importBatch, patches []rowPatch) error {
	var alone, together []rowPatch
	for _, p := range patches {
		switch {
		case im.opts.DryRun:
			im.see(p.before, p.after)
			batch.updated(p.row, p.id)
		case p.guards || p.concernsOthers():
			alone = append(alone, p)
		default:
			together = append(together, p)
		}
	}
	for some := range slices.Chunk(together, crud.BulkLimit) {
		if err := im.patchTogether(ctx, batch, some); err != nil {
			return err
		}
	}
	return im.patchAlone(ctx, batch, alone)
}

// patchTogether applies patches in one call; those that the store refuses are found by
// the column that it names, or by halves. To set values again is harmless, so that a call
// without an answer can be made again.
func (im *importer) patchTogether(ctx context.Context, batch *importBatch, patches []rowPatch) error {
	n, refusal, err := im.patchBulk(ctx, patches)
	if err != nil {
		return err
	}
	if refusal == nil && n == len(patches) {
		for _, p := range patches {
			batch.updated(p.row, p.id)
		}
		return nil
	}
	wrong, others := lockedRows(refusal, patches)
	if len(patches) == 1 {
		wrong, others = patches, nil
	}
	if len(wrong) > 0 {
		for _, p := range wrong {
			batch.invalid(p.row, notPatched(p, refusal))
		}
		if len(others) == 0 {
			return nil
		}
		return im.patchTogether(ctx, batch, others)
	}
	half := len(patches) / 2
	if err := im.patchTogether(ctx, batch, patches[:half]); err != nil {
		return err
	}
	return im.patchTogether(ctx, batch, patches[half:])
}

// notPatched says why a patch found no user, or was refused.
func notPatched(p rowPatch, refusal error) string {
	if refusal != nil {
		why, _ := refusedRow(refusal)
		return why
	}
	if p.mayGetAccount() {
		return errChanged.Error()
	}
	return errUnknownUser.Error()
}

// patchBulk applies patches in one call and returns how many found their user, or why the
// store refuses one of them.
func (im *importer) patchBulk(ctx context.Context, patches []rowPatch) (n int, refusal, err error) {
	items := make([]crud.BulkPatch, len(patches))
	for i, p := range patches {
		items[i] = crud.BulkPatch{ID: p.id, Update: p.update}
		if p.mayGetAccount() {
			items[i].Where = noneYet
		}
	}
	err = persist(ctx, func(ctx context.Context) (err error) {
		n, err = patches[0].users.PatchBulk(ctx, items)
		if _, refused := refusedRow(err); refused { // with a 500 too, which says the same each time
			refusal, err = err, nil
		}
		return err
	})
	return n, refusal, err
}

// lockedColumnForm is how the store names a column that the caller may not write.
var lockedColumnForm = regexp.MustCompile(`^` + notWritable + ` "([^"]+)" field`)

// lockedRows returns the patches that set the column which a refusal names, and the
// others; no patches when it names none.
func lockedRows(refusal error, patches []rowPatch) (locked, others []rowPatch) {
	failed, ok := errors.AsType[*upstream.Error](refusal)
	if !ok {
		return nil, nil
	}
	column := lockedColumnForm.FindStringSubmatch(failed.Message)
	if column == nil {
		return nil, nil
	}
	for _, p := range patches {
		fields, _ := p.update["$set"].(map[string]any)
		if _, sets := fields[column[1]]; sets {
			locked = append(locked, p)
		} else {
			others = append(others, p)
		}
	}
	return locked, others
}

// patchAlone carries out each patch by its steps, a few at once.
func (im *importer) patchAlone(ctx context.Context, batch *importBatch, patches []rowPatch) error {
	var mu sync.Mutex // guards batch
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(im.FanOut)
	for _, p := range patches {
		g.Go(func() error {
			if within.Err() != nil { // another broke the import off
				return nil
			}
			err := upstream.Protect(func() error {
				return whileBusy(ctx, func(ctx context.Context) error {
					n := note{Kind: noteChange, UserID: p.id, AuthUserID: p.authUserID}
					return im.carryOut(ctx, n, im.unchanged(p.before), im.patchOrder(p.patch))
				})
			})
			why, refused := refusedRow(err)
			if err != nil && !refused {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if refused {
				batch.invalid(p.row, why)
			} else {
				batch.updated(p.row, p.id)
			}
			return nil
		})
	}
	return g.Wait()
}

// itemPlace is where in a bulk the store found what it refuses.
var itemPlace = regexp.MustCompile(`^body/([0-9]+/update/)?(\$set[/ ])?`)

// notWritable begins the store's refusal, a 500, of a field that is not among the caller's
// columns.
const notWritable = "You cannot edit"

// refusedRow reports whether an upstream's error is about the row that it was called
// for, and says what is wrong, without a value.
func refusedRow(err error) (why string, refused bool) {
	if errors.Is(err, errHeld) || errors.Is(err, errChanged) {
		return err.Error(), true
	}
	refusal, ok := errors.AsType[*upstream.Error](err)
	if !ok || errors.Is(err, ErrJournal) {
		return "", false
	}
	taken, isTaken := errors.AsType[providers.Taken](err)
	switch {
	case isTaken:
		return taken.Property + ": another account has this value", true
	case errors.Is(err, providers.ErrConflict):
		return "username, email: another account has one of these values", true
	case errors.Is(err, providers.ErrInvalid):
		return "the provider refuses the name or address of the account", true
	case errors.Is(err, crud.ErrDuplicate):
		return takenProblem(duplicateKey(err)), true
	case errors.Is(err, crud.ErrNotFound):
		return errUnknownUser.Error(), true
	case refusal.Service == crud.Service && (refusal.Status == http.StatusBadRequest || strings.HasPrefix(refusal.Message, notWritable)):
		return "the store refuses the user: " + cutRefusal(itemPlace.ReplaceAllString(refusal.Message, "")), true
	}
	return "", false
}
