package users

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"user-manager/crud"
	"user-manager/upstream"
)

// insertion is a row that is to become a user.
type insertion struct {
	row  int
	user crud.Document
}

// insert makes users of those rows of a round that are new ones.
func (im *importer) insert(ctx context.Context, batch *importBatch, round []pendingRow, users *openUsers) error {
	var rows []insertion
	for _, r := range round {
		if r.insertion != nil {
			rows = append(rows, *r.insertion)
		}
	}
	switch {
	case len(rows) == 0:
		return nil
	case im.opts.DryRun:
		return im.tryInsert(ctx, batch, rows)
	}
	return im.insertRound(ctx, batch, rows)
}

// insertRound inserts rows, without those that the store refuses.
func (im *importer) insertRound(ctx context.Context, batch *importBatch, rows []insertion) error {
	rows, before, err := im.freeRows(ctx, batch, rows)
	if err != nil {
		return err
	}
	for len(rows) > 0 {
		ids, err := im.insertAll(ctx, rows)
		if err == nil {
			im.made(batch, rows, ids)
			return nil
		}
		if i, why := refusedItem(err); i >= 0 && i < len(rows) {
			batch.invalid(rows[i].row, "the store refuses the user: "+why)
			rows = slices.Delete(rows, i, i+1)
			continue
		}
		switch {
		case blamesRows(err):
			return im.insertHalves(ctx, batch, rows, err)
		case upstream.Refused(err) && !errors.Is(err, crud.ErrDuplicate):
			return err
		}
		if rows, err = im.afterOpenInsert(ctx, batch, rows, before, err); err != nil {
			return err
		}
	}
	return nil
}

// made notes the users that the first of rows have become.
func (im *importer) made(batch *importBatch, rows []insertion, ids []string) {
	for i, id := range ids {
		im.own[id] = true
		batch.inserted(rows[i].row, id)
	}
}

// freeRows returns rows without those whose names users have, and the ids of these users.
// That is for a store which has another clock than ours, where it could not be told
// afterwards what was there before; for our own it would only cost.
func (im *importer) freeRows(ctx context.Context, batch *importBatch, rows []insertion) (free []insertion, before map[string]bool, err error) {
	if im.StoreIsOurs {
		return rows, nil, nil
	}
	found, err := im.owners(ctx, usersOf(rows))
	if err != nil {
		return nil, nil, err
	}
	before = map[string]bool{}
	for _, user := range found.byName {
		before[text(user, "_id")] = true
	}
	for _, r := range rows {
		if taken := im.taken(found, nil, r.user); taken != nil {
			batch.invalid(r.row, takenProblem(taken))
			continue
		}
		free = append(free, r)
	}
	return free, before, nil
}

// blamesRows reports whether the store refused a bulk for what is in it, and inserted
// nothing.
func blamesRows(err error) bool {
	refusal, ok := errors.AsType[*upstream.Error](err)
	return ok && slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, refusal.Status)
}

// insertHalves inserts rows of which the store refuses some without saying which.
func (im *importer) insertHalves(ctx context.Context, batch *importBatch, rows []insertion, refusal error) error {
	if len(rows) == 1 {
		why, _ := errors.AsType[*upstream.Error](refusal)
		batch.invalid(rows[0].row, "the store refuses the user: "+cmp.Or(why.Message, why.Error()))
		return nil
	}
	half := len(rows) / 2
	if err := im.insertRound(ctx, batch, slices.Clone(rows[:half])); err != nil {
		return err
	}
	return im.insertRound(ctx, batch, slices.Clone(rows[half:]))
}

func (im *importer) insertAll(ctx context.Context, rows []insertion) (ids []string, err error) {
	docs := make([]crud.Document, len(rows))
	for i, r := range rows {
		docs[i] = r.user
	}
	err = whileBusy(ctx, func(ctx context.Context) error {
		ids, err = im.Users.InsertAll(ctx, docs)
		return err
	})
	return ids, err
}

var refusedItemForm = regexp.MustCompile(`^body/([0-9]+)[ /](.*)$`)

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
	return i, parts[2]
}

// afterOpenInsert finds out what an insertion has done that met a duplicate or got no
// answer, and returns the rows that are still to be inserted. The store inserts in order
// up to the first duplicate, so what it did are the first rows.
func (im *importer) afterOpenInsert(ctx context.Context, batch *importBatch, rows []insertion, before map[string]bool, cause error) ([]insertion, error) {
	duplicate := errors.Is(cause, crud.ErrDuplicate)
	index := im.learnUnique(cause)
	found, err := im.look(ctx, rows)
	if err != nil {
		im.Log.WarnContext(ctx, "users whose insertion is open not looked for", "err", err)
		return nil, cause
	}
	ids := found.inserted(rows, func(id string) bool { return im.own[id] || before[id] })
	im.made(batch, rows, ids)
	switch rows = rows[len(ids):]; {
	case len(rows) == 0:
		return nil, nil
	case !duplicate:
		return nil, cause
	}
	return im.withoutTaken(batch, rows, found, index), nil
}

// withoutTaken returns rows without those that have a value which another user has. The
// first of them is one at which the store has stopped, by the index with the given
// fields.
func (im *importer) withoutTaken(batch *importBatch, rows []insertion, found *lookup, index uniqueKey) []insertion {
	var free []insertion
	for i, r := range rows {
		taken := im.taken(found, nil, r.user)
		switch {
		case taken != nil:
			batch.invalid(r.row, takenProblem(taken))
		case i == 0:
			batch.invalid(r.row, takenProblem(index))
		default:
			free = append(free, r)
		}
	}
	return free
}

func takenProblem(index uniqueKey) string {
	if len(index) == 0 {
		return "another user has a value that must be unique"
	}
	return strings.Join(index, ", ") + ": another user has this value"
}

var duplicateKeyForm = regexp.MustCompile(`dup key: \{ (.*)`)

// learnUnique returns what [duplicateKey] does, and notes it.
func (im *importer) learnUnique(err error) uniqueKey {
	fields := duplicateKey(err)
	known := func(k uniqueKey) bool { return slices.Equal(k, fields) }
	if len(fields) > 0 && len(im.uniques) < maxUniques && !slices.ContainsFunc(im.uniques, known) {
		im.uniques = append(im.uniques, fields)
	}
	return fields
}

// duplicateKey returns the fields of the unique index that a refusal names in the words of
// the database, if it does. They are no more than a hint: what has them is looked at.
func duplicateKey(err error) uniqueKey {
	refusal, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		return nil
	}
	key := duplicateKeyForm.FindStringSubmatch(refusal.Message)
	if key == nil {
		return nil
	}
	var fields uniqueKey
	for _, name := range duplicateFieldForm.FindAllStringSubmatch(key[1], -1) {
		fields = append(fields, name[1])
	}
	return fields
}

var duplicateFieldForm = regexp.MustCompile(`(?:^|, )([A-Za-z_][\w.]*): `)

// maxUniques bounds how many unique indexes are looked at.
const maxUniques = 16

// tryInsert finds out which rows could be inserted: those whose names neither a user nor
// an earlier row has.
func (im *importer) tryInsert(ctx context.Context, batch *importBatch, rows []insertion) error {
	found, err := im.owners(ctx, usersOf(rows))
	if err != nil {
		return err
	}
	for _, r := range rows {
		if taken := im.taken(found, nil, r.user); taken != nil {
			batch.invalid(r.row, takenProblem(taken))
			continue
		}
		im.see(nil, r.user)
		batch.inserted(r.row, "")
	}
	return nil
}
