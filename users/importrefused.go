package users

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"user-manager/crud"
	"user-manager/upstream"
)

// refusedItemForm is how the store says which item of a bulk does not match its schema.
var refusedItemForm = regexp.MustCompile(`^body/([0-9]+)[ /](.*)$`)

// maxRefusal is how many characters of the store's own words are passed on.
const maxRefusal = 200

// refusedItem returns which item of a bulk the store refused by its schema, and why in
// its own words; -1 when it was not that.
func refusedItem(err error) (i int, why string) {
	refusal, ok := errors.AsType[*upstream.Error](err)
	if !ok || refusal.Status != http.StatusBadRequest {
		return -1, ""
	}
	parts := refusedItemForm.FindStringSubmatch(refusal.Message)
	if parts == nil {
		return -1, ""
	}
	i, err = strconv.Atoi(parts[1])
	if err != nil {
		return -1, ""
	}
	return i, cutRefusal(parts[2])
}

// refusalWords returns the message of a refusal, which is one in the form of the store's
// own, or else its status.
func refusalWords(err error) string {
	if refusal, ok := errors.AsType[*upstream.Error](err); ok && refusal.Message != "" {
		return cutRefusal(refusal.Message)
	}
	return fmt.Sprintf("status %d", upstream.Status(err))
}

// cutRefusal cuts an upstream's words to what is passed on.
func cutRefusal(words string) string {
	if runes := []rune(words); len(runes) > maxRefusal {
		return string(runes[:maxRefusal]) + "…"
	}
	return words
}

// blamesRows reports whether the store, or what is in front of it, refused a bulk for what
// is in it, and inserted nothing.
func blamesRows(err error) bool {
	return slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, upstream.Status(err))
}

// blamed returns the rows to go on with when some of them were refused and it was not said
// which.
func (run *insertRun) blamed(rows []insertion, err error) []insertion {
	if len(rows) > 1 {
		return rows
	}
	run.batch.invalid(rows[0].row, "the store refuses the user: "+refusalWords(err))
	return nil
}

// maxSuspects is how many rows may follow each other that the store could not store,
// without one that it could.
const maxSuspects = 100

// noID is that of no document.
const noID = "000000000000000000000000"

// unstorable reports whether the store answered with a failure in its own words, as it
// does for a value that passes its schema and cannot be stored, but also when its database
// is gone.
func unstorable(err error) bool {
	refusal, ok := errors.AsType[*upstream.Error](err)
	return ok && refusal.Service == crud.Service && refusal.Status == http.StatusInternalServerError && refusal.Message != ""
}

// suspected returns the rows to go on with when the store could not store one of them: by
// halves, until there is a row alone. If it cannot store that one twice the row is invalid,
// provided that the store writes otherwise: it carries out a change that finds nobody, and
// no more than maxSuspects such rows follow each other. Otherwise the store is at fault and
// not the row: cause is returned, and of these rows those of the batch are not reported.
func (im *importer) suspected(ctx context.Context, run *insertRun, rows []insertion, cause error) ([]insertion, error) {
	nobody := crud.Query{Filter: map[string]any{"_id": noID}, States: crud.AllStates}
	err := persist(ctx, func(ctx context.Context) error {
		_, err := im.Users.PatchAll(ctx, nobody, crud.Document{"$set": crud.Document{}})
		return err
	})
	if err != nil {
		im.Log.WarnContext(ctx, "the store does not write", "err", err)
		return nil, cause
	}
	if len(rows) > 1 || !rows[0].suspect {
		rows[0].suspect = len(rows) == 1
		return rows, nil
	}
	im.suspects = append(im.suspects, rows[0].row)
	if len(im.suspects) > maxSuspects {
		run.batch.withdraw(im.suspects)
		return nil, cause
	}
	run.batch.invalid(rows[0].row, "the store cannot store the user")
	return nil, nil
}
