package users

import (
	"context"
	"errors"
	"slices"
	"time"

	"user-manager/crud"
)

// afterOpenInsert finds out what an insertion has done that met a duplicate or did not
// end well, and returns the rows that are still to be inserted, and whether by halves. The
// store inserts in order up to the first duplicate, so what it did are the first rows.
func (im *importer) afterOpenInsert(ctx context.Context, run *insertRun, rows []insertion, since time.Time, cause error) (rest []insertion, halves bool, err error) {
	known := len(im.uniques)
	duplicate := errors.Is(cause, crud.ErrDuplicate)
	value := im.learnUnique(cause)
	var holders []int
	if duplicate {
		holders = value.holders(rows)
	}
	may, looked := openRows(rows, holders), rows
	if len(holders) > 0 && (run.looked || len(im.uniques) > known) {
		looked = rows[:min(len(may)+1, len(rows))]
	}
	found, err := im.look(ctx, run, looked, may, since)
	if err != nil {
		im.Log.WarnContext(ctx, "users whose insertion is open not looked for", "err", err)
		return nil, false, cause
	}
	ids := found.inserted(may)
	im.made(run.batch, rows, ids)
	rest = rows[len(ids):]
	switch {
	case len(rest) == 0:
		return nil, false, nil
	case duplicate:
		run.looked = run.looked || len(looked) == len(rows)
		stop := stopAt(holders, len(ids))
		return im.withoutTaken(ctx, run, rest, found.lookup, stop-len(ids), value.key), false, nil
	case unstorable(cause) && len(ids) > 0:
		return rest, false, nil
	case unstorable(cause):
		rest, err = im.suspected(ctx, run, rest, cause)
		return rest, true, err
	}
	return nil, false, cause
}

// openRows returns the rows that may have been inserted when the store stopped at a value
// that holders have: those before the row at which it stopped. Of several with the value
// the first may have been inserted, and the second be where it stopped.
func openRows(rows []insertion, holders []int) []insertion {
	switch len(holders) {
	case 0:
		return rows
	case 1:
		return rows[:holders[0]]
	}
	return rows[:holders[1]]
}

// stopAt returns at which row the store stopped when it had inserted n.
func stopAt(holders []int, n int) int {
	for _, holder := range holders {
		if holder >= n {
			return holder
		}
	}
	return n
}

// withoutTaken returns rows without those that have a value which another user has. One is
// where the store has stopped, by the index with the given fields. When failed creations
// may have left what is in the way, that is settled, and all rows are returned once more.
func (im *importer) withoutTaken(ctx context.Context, run *insertRun, rows []insertion, found *lookup, stop int, index uniqueKey) []insertion {
	taken := make([]uniqueKey, len(rows)) // nil: not taken
	var digests []string
	for i, r := range rows {
		if taken[i] = im.taken(found, nil, r.user); taken[i] == nil && i == stop {
			taken[i] = append(uniqueKey{}, index...) // not nil
		}
		if taken[i] != nil && !r.settled {
			digests = append(digests, nameDigests(r.user)...)
			rows[i].settled = true
		}
	}
	if len(digests) > 0 && im.settleClash(ctx, digests) {
		run.looked = false
		return rows
	}
	var free []insertion
	for i, r := range rows {
		if taken[i] == nil {
			free = append(free, r)
			continue
		}
		run.taken(r, taken[i])
	}
	return free
}

// An openLookup is the users that rows may have become whose insertion is open.
type openLookup struct {
	*lookup
	run     *insertRun
	own     map[string]bool
	older   map[string]bool
	since   string
	created string          // when those were made that have names; "": not known
	recent  []crud.Document // made since then, or at that time
}

// look looks for users that have the unique values of rows, and for those that the rows in
// may could have become by a call that began at since. Those without a name or address are
// known by all their fields: in a store with another clock, or by which others import the
// same file, a user with the same fields that somebody else makes meanwhile may be taken
// for one of ours.
func (im *importer) look(ctx context.Context, run *insertRun, rows, may []insertion, since time.Time) (*openLookup, error) {
	found, err := im.owners(ctx, usersOf(rows))
	if err != nil {
		return nil, err
	}
	l := &openLookup{lookup: found, run: run, own: im.own, older: im.older, since: since.UTC().Format(dateLayout)}
	for _, r := range may {
		if doc := l.named(r.user); doc != nil {
			l.created = text(doc, "createdAt")
			break
		}
	}
	if !slices.ContainsFunc(may, insertion.isNameless) {
		return l, nil
	}
	l.recent, err = im.recent(ctx, l)
	return l, err
}

// isNameless reports whether the row has neither of the names that every user can be
// known by.
func (r insertion) isNameless() bool {
	return !slices.ContainsFunc(nameKeys, func(key uniqueKey) bool { return key.in(r.user) != "" })
}

// recent returns the users that the call may have made, in the order of their ids.
func (im *importer) recent(ctx context.Context, l *openLookup) ([]crud.Document, error) {
	at := map[string]any{"createdAt": map[string]any{"$gte": l.since}}
	if l.created != "" {
		at = map[string]any{"createdAt": l.created}
	}
	found, err := readAll(ctx, im.Users.All(ctx, crud.Query{Filter: at, States: crud.AllStates}))
	return slices.DeleteFunc(found, func(doc crud.Document) bool { return !l.mayBe(doc) }), err
}

// maxOlder bounds how many users are kept that were made shortly before an import.
const maxOlder = 10_000

// lookBack notes, before the first insertion of rows without a name into a store with
// another clock, which users were made shortly before: an earlier import of the same file
// may have made them. When they are very many, not all are noted.
func (im *importer) lookBack(ctx context.Context, rows []insertion) error {
	if im.older != nil || !slices.ContainsFunc(rows, insertion.isNameless) {
		return nil
	}
	older := map[string]bool{}
	since := im.Now().Add(-clockSkew).UTC().Format(dateLayout)
	recent := map[string]any{"createdAt": map[string]any{"$gte": since}}
	q := crud.Query{Filter: recent, States: crud.AllStates, Fields: []string{"_id"}}
	err := readEach(ctx, im.Users.All(ctx, q), func(doc crud.Document) {
		if len(older) < maxOlder {
			older[text(doc, "_id")] = true
		}
	})
	im.older = older
	return err
}

// mayBe reports whether doc may have been made by the call: all that one makes have the
// same createdAt, and no account.
func (l *openLookup) mayBe(doc crud.Document) bool {
	id, at := text(doc, "_id"), text(doc, "createdAt")
	known := l.own[id] || l.older[id] || l.run.before[id]
	return !known && at >= l.since && (l.created == "" || at == l.created) && text(doc, "authUserId") == ""
}

// inserted returns the ids of those rows, the first ones, that the store has just made
// users of.
func (l *openLookup) inserted(rows []insertion) []string {
	var ids []string
	for _, r := range rows {
		doc := l.named(r.user)
		if doc == nil && r.isNameless() {
			doc = l.nameless(r.user)
		}
		if doc == nil {
			return ids
		}
		if l.created == "" {
			l.created = text(doc, "createdAt")
		}
		ids = append(ids, text(doc, "_id"))
	}
	return ids
}

// named returns the user that was made of a row with the given fields, if it can be told
// by its name or address. What else it has the store may have changed: a number for its
// text, a date in its own form.
func (l *openLookup) named(user crud.Document) crud.Document {
	var found crud.Document
	for _, key := range nameKeys {
		name := key.in(user)
		if doc := l.byName[name]; name != "" && doc != nil && l.mayBe(doc) {
			found = doc
		}
	}
	same := func(key uniqueKey) bool { return found != nil && key.in(found) == key.in(user) }
	if !same(nameKeys[0]) || !same(nameKeys[1]) {
		return nil
	}
	return found
}

// nameless returns the first of the recent users that has the given fields, and takes it
// out.
func (l *openLookup) nameless(user crud.Document) crud.Document {
	for i, doc := range l.recent {
		if l.mayBe(doc) && sameFields(user, doc) {
			l.recent = slices.Delete(l.recent, i, i+1)
			return doc
		}
	}
	return nil
}

// sameFields reports whether doc has the texts, numbers and booleans of user, in whatever
// form, and no more fields.
func sameFields(user, doc crud.Document) bool {
	for field, value := range user {
		want, ok := scalarText(value)
		if !ok {
			continue
		}
		if is, ok := scalarText(doc[field]); !ok || !sameScalar(want, is) {
			return false
		}
	}
	return len(withoutOwn(doc)) <= len(withoutOwn(user))
}

func sameText(a, b string) bool {
	if a == b {
		return true
	}
	at, errA := parseDate(a)
	bt, errB := parseDate(b)
	return errA == nil && errB == nil && at.Equal(bt)
}
