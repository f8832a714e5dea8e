package users

import (
	"context"
	"errors"
	"slices"
	"time"

	"user-manager/crud"
	"user-manager/upstream"
)

// insertion is a row that is to become a user.
type insertion struct {
	row     int
	user    crud.Document
	settled bool // what failed creations left of its names was settled
	suspect bool // the store could not store it, alone
}

// insert makes users of those rows of a round that are new ones, and returns those that
// are left because of a unique index that came to be known.
func (im *importer) insert(ctx context.Context, batch *importBatch, round []pendingRow) (left []pendingRow, err error) {
	var rows []insertion
	for _, r := range round {
		switch {
		case r.insertion == nil:
		case im.opts.DryRun || !im.held(batch, *r.insertion):
			rows = append(rows, *r.insertion)
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	if im.opts.DryRun {
		return nil, im.tryInsert(ctx, batch, rows)
	}
	run := &insertRun{batch: batch}
	if rows, err = im.freeRows(ctx, run, rows); err != nil {
		return nil, err
	}
	rows, err = im.insertRows(ctx, run, rows)
	for i := range rows {
		left = append(left, pendingRow{number: rows[i].row, insertion: &rows[i]})
	}
	return left, err
}

// held reports whether a row's name is known to be another user's, which makes it invalid.
func (im *importer) held(batch *importBatch, r insertion) bool {
	for _, key := range im.uniques {
		if batch.names.held[key.in(r.user)] {
			batch.invalid(r.row, takenProblem(key))
			return true
		}
	}
	return false
}

// insertRun is what is known while rows of a round are inserted.
type insertRun struct {
	batch  *importBatch
	before map[string]bool // ids of users that had names of the rows before
	looked bool            // rows whose names others had were taken out
}

// singleRefusals is how many rows are taken out one by one, and the others sent again,
// before these go by halves.
const singleRefusals = 4

// insertRows inserts rows, without those that the store refuses. It returns those that are
// left when a unique index has come to be known.
func (im *importer) insertRows(ctx context.Context, run *insertRun, rows []insertion) (left []insertion, err error) {
	known := len(im.uniques)
	for pieces := [][]insertion{rows}; len(pieces) > 0; {
		piece := pieces[0]
		pieces = pieces[1:]
		if piece, err = im.insertPiece(ctx, run, piece); err != nil {
			return nil, err
		}
		if len(im.uniques) > known {
			return slices.Concat(piece, slices.Concat(pieces...)), nil
		}
		pieces = slices.Insert(pieces, 0, slices.Collect(slices.Chunk(piece, max((len(piece)+1)/2, 1)))...)
	}
	return nil, nil
}

// insertPiece inserts rows, without those that the store refuses one by one. It returns
// those that are to go by halves; a row alone may come back once for each of its marks.
func (im *importer) insertPiece(ctx context.Context, run *insertRun, rows []insertion) ([]insertion, error) {
	known := len(im.uniques)
	for refusals := 0; len(rows) > 0 && refusals < singleRefusals && len(im.uniques) == known; refusals++ {
		since, err := im.awaitCall(ctx)
		if err != nil {
			return nil, err
		}
		ids, err := im.insertAll(ctx, rows)
		if err == nil {
			im.made(run.batch, rows, ids)
			return nil, nil
		}
		i, why := refusedItem(err)
		switch {
		case i >= 0 && i < len(rows):
			run.batch.invalid(rows[i].row, "the store refuses the user: "+why)
			rows = slices.Delete(rows, i, i+1)
			continue
		case blamesRows(err):
			return run.blamed(rows, err), nil
		case upstream.Refused(err) && !errors.Is(err, crud.ErrDuplicate):
			return nil, err
		}
		var halves bool
		if rows, halves, err = im.afterOpenInsert(ctx, run, rows, since, err); err != nil || halves {
			return rows, err
		}
	}
	return rows, nil
}

// made notes the users that the first of rows have become.
func (im *importer) made(batch *importBatch, rows []insertion, ids []string) {
	for i, id := range ids {
		im.own[id] = true
		batch.inserted(rows[i].row, id)
	}
	if len(ids) > 0 {
		im.suspects = nil
	}
}

func (im *importer) insertAll(ctx context.Context, rows []insertion) (ids []string, err error) {
	docs := usersOf(rows)
	err = whileBusy(ctx, func(ctx context.Context) error {
		ids, err = im.Users.InsertAll(ctx, docs)
		return err
	})
	return ids, err
}

// awaitCall returns from when on users count as made by the call that follows. In our own
// store that is the next millisecond, which it waits for: what is there already was made
// before. Another store may have another clock.
func (im *importer) awaitCall(ctx context.Context) (since time.Time, err error) {
	now := im.Now()
	if !im.StoreIsOurs {
		return now.Add(-clockSkew), nil
	}
	since = now.Truncate(time.Millisecond).Add(time.Millisecond)
	return since, upstream.Wait(ctx, since.Sub(now))
}

// freeRows returns rows without those whose names users have, and notes these users. That
// is for a store which has another clock than ours, where it could not be told afterwards
// what was there before; for our own it would only cost.
func (im *importer) freeRows(ctx context.Context, run *insertRun, rows []insertion) (free []insertion, err error) {
	if im.StoreIsOurs {
		return rows, nil
	}
	if err := im.lookBack(ctx, rows); err != nil {
		return nil, err
	}
	found, err := im.ownersSettled(ctx, rows)
	if err != nil {
		return nil, err
	}
	run.before, run.looked = map[string]bool{}, true
	for _, user := range found.byName {
		run.before[text(user, "_id")] = true
	}
	for _, r := range rows {
		if taken := im.taken(found, nil, r.user); taken != nil {
			run.taken(r, taken)
			continue
		}
		free = append(free, r)
	}
	return free, nil
}

// ownersSettled is owners for rows. When a name of theirs is taken, what failed creations
// left of it is settled first.
func (im *importer) ownersSettled(ctx context.Context, rows []insertion) (*lookup, error) {
	found, err := im.owners(ctx, usersOf(rows))
	if err != nil {
		return nil, err
	}
	var digests []string
	for _, r := range rows {
		if im.taken(found, nil, r.user) != nil {
			digests = append(digests, nameDigests(r.user)...)
		}
	}
	if len(digests) == 0 || !im.settleClash(ctx, digests) {
		return found, nil
	}
	return im.owners(ctx, usersOf(rows))
}

// taken notes that another user has values of a row.
func (run *insertRun) taken(r insertion, index uniqueKey) {
	run.batch.names.hold(index.in(r.user))
	run.batch.invalid(r.row, takenProblem(index))
}

// tryInsert finds out which rows could be inserted: those whose names neither a user nor
// an earlier row has.
func (im *importer) tryInsert(ctx context.Context, batch *importBatch, rows []insertion) error {
	unseen := &lookup{uniques: im.uniques}
	rows = slices.DeleteFunc(rows, func(r insertion) bool {
		taken := im.taken(unseen, nil, r.user)
		if taken != nil {
			batch.invalid(r.row, takenProblem(taken))
		}
		return taken != nil
	})
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
