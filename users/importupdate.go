package users

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/crud/document"
	"user-manager/csvimport"
	"user-manager/providers"
	"user-manager/upstream"
)

// accountsAtOnce bounds how many users are changed at once whose account is concerned.
const accountsAtOnce = 8

// A rowPatch is a row that changes a user.
type rowPatch struct {
	row int
	id  string // as the store writes it
	*patch
	after crud.Document // the user as it is to become
}

// openUsers are the users that the updates of a batch concern, while no other operation
// is at work on them.
type openUsers struct {
	before map[string]crud.Document // by id, those that the caller may see
	busy   map[string]error         // of those with an earlier change that is not settled: why not
	stale  map[string]bool          // ids of those that a round has changed
	close  func()
}

// openUsers reads the users of some rows once no other operation is at work on them.
func (im *importer) openUsers(ctx context.Context, rows []csvimport.Row) (*openUsers, error) {
	ids := map[string]bool{}
	for _, row := range rows {
		ids[strings.ToLower(row.Cell("_id"))] = true
	}
	users := &openUsers{stale: map[string]bool{}, close: func() {}}
	if len(ids) == 0 {
		return users, nil
	}
	var err error
	if users.busy, users.close, err = im.turns(ctx, slices.Collect(maps.Keys(ids))); err != nil {
		return nil, err
	}
	if users.before, err = im.usersWithIDs(ctx, slices.Collect(maps.Keys(ids))); err == nil {
		err = im.loadGroups(ctx, rows, users.before)
	}
	if err != nil {
		users.close()
	}
	return users, err
}

// refresh reads those of the users again that a round has changed.
func (im *importer) refresh(ctx context.Context, users *openUsers, ids []string) error {
	var changed []string
	for _, id := range ids {
		if users.stale[id] {
			changed = append(changed, id)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	now, err := im.usersWithIDs(ctx, changed)
	if err != nil {
		return err
	}
	for _, id := range changed {
		delete(users.stale, id)
		delete(users.before, id)
	}
	maps.Copy(users.before, now)
	return nil
}

// update changes the users of those rows of a round that name one.
func (im *importer) update(ctx context.Context, batch *importBatch, round []pendingRow, users *openUsers) error {
	var ids []string
	for _, r := range round {
		if r.update != nil {
			ids = append(ids, strings.ToLower(r.update.Cell("_id")))
		}
	}
	if err := im.refresh(ctx, users, ids); err != nil {
		return err
	}
	var patches []rowPatch
	for _, r := range round {
		if r.update == nil {
			continue
		}
		id := strings.ToLower(r.update.Cell("_id"))
		if users.busy[id] != nil {
			batch.invalid(r.number, "an earlier change of this user is not settled yet; try again")
			continue
		}
		p, err := im.planRow(ctx, *r.update, id, users.before[id])
		switch {
		case err != nil:
			batch.invalid(r.number, rowProblem(err))
		case p.patch == nil: // as it is already
			batch.updated(r.number, id)
		default:
			patches = append(patches, p)
		}
	}
	free, err := im.freeNames(ctx, batch, patches)
	if err != nil {
		return err
	}
	for _, p := range free {
		if users.stale[p.id] = !im.opts.DryRun; im.opts.DryRun {
			users.before[p.id] = p.after
		}
	}
	return im.applyPatches(ctx, batch, free)
}

// usersWithIDs returns the users with the given ids that the caller may see, by id.
func (im *importer) usersWithIDs(ctx context.Context, ids []string) (map[string]crud.Document, error) {
	var known []string
	for _, id := range ids {
		if crud.IsID(id) {
			known = append(known, id)
		}
	}
	visible := im.Users.With(upstream.CallerFrom(ctx).StoreHeader(upstream.ACLRowsHeader))
	found := make(map[string]crud.Document, len(ids))
	for user, err := range visible.AllIn(ctx, "_id", known, crud.Query{States: crud.AllStates}) {
		if err != nil {
			return nil, err
		}
		found[text(user, "_id")] = user
	}
	return found, nil
}

// loadGroups reads the groups that the users of rows are in or come into.
func (im *importer) loadGroups(ctx context.Context, rows []csvimport.Row, before map[string]crud.Document) error {
	var names []string
	for _, row := range rows {
		names = append(names, row.Cell("userGroup"))
	}
	for _, user := range before {
		names = append(names, text(user, "userGroup"))
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "" })
	return im.groups.load(ctx, names)
}

var errUnknownUser = refuse(ErrNotFound, "_id: there is no such user")

// planRow checks what a row makes of its user. Without a patch the user is like that.
func (im *importer) planRow(ctx context.Context, row csvimport.Row, id string, before crud.Document) (rowPatch, error) {
	switch {
	case before == nil:
		return rowPatch{}, errUnknownUser
	case marked(before):
		return rowPatch{}, refuse(ErrConflict, "the user's account is just being created; try again")
	}
	name := row.Cell("userGroup")
	if name == "" {
		name = text(before, "userGroup")
	}
	group, err := im.groups.find(ctx, name)
	if err != nil {
		return rowPatch{}, err
	}
	fields, err := importedFields(row, group)
	if err != nil {
		return rowPatch{}, err
	}
	changes := changesOf(before, fields)
	if len(changes) == 0 {
		return rowPatch{row: row.Number, id: id}, nil
	}
	operators := crud.Document{"$set": map[string]any(changes)}
	update, err := document.ParseUpdate(operators)
	if err != nil {
		return rowPatch{}, refuse(ErrInvalid, "%s", err)
	}
	p, after, err := im.planPatch(ctx, id, before, operators, update, inAnyState, im.groups.find)
	return rowPatch{row.Number, id, p, after}, err
}

// changesOf returns by their paths the fields that are not in the user as they are. A
// part of an object leaves the object's other parts alone.
func changesOf(user, fields crud.Document) crud.Document {
	changes := crud.Document{}
	for path, value := range paths("", fields) {
		is, has := document.Get(user, path)
		a, isText := is.(string)
		b, toText := value.(string)
		same := has && document.Equal(is, value) || path == "expirationDate" && isText && toText && sameText(a, b)
		if !same {
			changes[path] = value
		}
	}
	return changes
}

// paths returns the values below the objects of doc by their dotted paths.
func paths(above string, doc crud.Document) crud.Document {
	flat := crud.Document{}
	for name, value := range doc {
		if below, ok := value.(map[string]any); ok {
			maps.Copy(flat, paths(above+name+".", below))
			continue
		}
		flat[above+name] = value
	}
	return flat
}

// freeNames returns the patches whose users can have the names that they get.
func (im *importer) freeNames(ctx context.Context, batch *importBatch, patches []rowPatch) (free []rowPatch, err error) {
	var renamed []crud.Document
	for _, p := range patches {
		if im.renames(p) {
			renamed = append(renamed, p.after)
		}
	}
	if len(renamed) == 0 {
		return patches, nil
	}
	found, err := im.owners(ctx, renamed)
	if err != nil {
		return nil, err
	}
	for _, p := range patches {
		if index := im.taken(found, p.before, p.after); index != nil {
			batch.invalid(p.row, takenProblem(index))
			continue
		}
		free = append(free, p)
	}
	return free, nil
}

// renames reports whether p changes a value that must be unique.
func (im *importer) renames(p rowPatch) bool {
	return slices.ContainsFunc(im.uniques, func(key uniqueKey) bool { return key.in(p.after) != key.in(p.before) })
}

// applyPatches changes users: those whose accounts are not concerned many at once, the
// others one by one, in the order of their steps.
func (im *importer) applyPatches(ctx context.Context, batch *importBatch, patches []rowPatch) error {
	var alone, together []rowPatch
	for _, p := range patches {
		switch {
		case im.opts.DryRun:
			im.see(p.before, p.after)
			batch.updated(p.row, p.id)
		case p.guards || p.renames || p.blocks || p.unblocks:
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
// halves. To set values again is harmless, so that a call without an answer can be made
// again.
func (im *importer) patchTogether(ctx context.Context, batch *importBatch, patches []rowPatch) error {
	items := make([]crud.BulkPatch, len(patches))
	for i, p := range patches {
		items[i] = crud.BulkPatch{ID: p.id, Update: p.update}
	}
	var n int
	err := insist(ctx, func(ctx context.Context) (err error) {
		n, err = patches[0].users.PatchBulk(ctx, items)
		return err
	})
	switch why, refused := refusedRow(err); {
	case err == nil && n == len(patches):
		for _, p := range patches {
			batch.updated(p.row, p.id)
		}
		return nil
	case err != nil && !refused:
		return err
	case len(patches) == 1 && err == nil:
		batch.invalid(patches[0].row, rowProblem(errUnknownUser))
		return nil
	case len(patches) == 1:
		batch.invalid(patches[0].row, why)
		return nil
	}
	half := len(patches) / 2
	if err := im.patchTogether(ctx, batch, patches[:half]); err != nil {
		return err
	}
	return im.patchTogether(ctx, batch, patches[half:])
}

// patchAlone carries out each patch by its steps, a few at once.
func (im *importer) patchAlone(ctx context.Context, batch *importBatch, patches []rowPatch) error {
	var mu sync.Mutex // guards batch
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(accountsAtOnce)
	for _, p := range patches {
		g.Go(func() error {
			if within.Err() != nil { // another broke the import off
				return nil
			}
			err := upstream.Protect(func() error {
				return whileBusy(ctx, func(ctx context.Context) error {
					return im.carryOut(ctx, note{Kind: noteChange, UserID: p.id, AuthUserID: p.authUserID}, im.patchOrder(p.patch))
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
		return "the store refuses the user: " + itemPlace.ReplaceAllString(refusal.Message, ""), true
	}
	return "", false
}
