package users

import (
	"context"
	"maps"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/csvimport"
	"user-manager/upstream"
)

// openUsers are the users that the updates of a batch concern, while no other operation
// is at work on them unless it is a dry run.
type openUsers struct {
	before map[string]crud.Document // by id, those that the caller may see
	busy   map[string]error         // of those with an earlier change that is not settled: why not
	stale  map[string]bool          // ids of those that a round has changed
	close  func()
}

// openUsers reads the users of some rows once no other operation is at work on them. A dry
// run waits for nobody and settles nothing.
func (im *importer) openUsers(ctx context.Context, rows []csvimport.Row) (*openUsers, error) {
	users := &openUsers{stale: map[string]bool{}, close: func() {}}
	ids := idsOf(rows)
	if len(ids) == 0 {
		return users, nil
	}
	var err error
	if !im.opts.DryRun {
		if users.busy, users.close, err = im.turns(ctx, ids); err != nil {
			return nil, err
		}
	}
	if users.before, err = im.usersWithIDs(ctx, ids); err == nil {
		err = im.loadGroups(ctx, rows, users.before)
	}
	if err != nil {
		users.close()
	}
	return users, err
}

// idsOf returns the ids of the users that rows concern, each once. A cell that cannot be
// an id is none: it must not become the key of a lock.
func idsOf(rows []csvimport.Row) []string {
	ids := map[string]bool{}
	for _, row := range rows {
		if id := strings.ToLower(row.Cell("_id")); crud.IsID(id) {
			ids[id] = true
		}
	}
	return slices.Collect(maps.Keys(ids))
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
	drafts, err := im.drafts(ctx, batch, round, users)
	if err != nil {
		return err
	}
	accounts, err := im.accounts(ctx, drafts)
	if err != nil {
		return err
	}
	var patches []rowPatch
	for _, d := range drafts {
		p, err := im.plan(ctx, d, accounts)
		switch {
		case err != nil:
			batch.invalid(d.row, rowProblem(err))
		case p.patch == nil: // as it is already
			batch.updated(d.row, d.id)
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

// drafts reads those rows of a round that name a user, each as it is now.
func (im *importer) drafts(ctx context.Context, batch *importBatch, round []pendingRow, users *openUsers) ([]draft, error) {
	var rows []csvimport.Row
	var ids []string
	for _, r := range round {
		if r.update != nil {
			rows, ids = append(rows, *r.update), append(ids, strings.ToLower(r.update.Cell("_id")))
		}
	}
	if err := im.refresh(ctx, users, ids); err != nil {
		return nil, err
	}
	var drafts []draft
	for i, row := range rows {
		if users.busy[ids[i]] != nil {
			batch.invalid(row.Number, "an earlier change of this user is not settled yet; try again")
			continue
		}
		d, err := im.draft(ctx, row, ids[i], users.before[ids[i]])
		if err != nil {
			batch.invalid(row.Number, rowProblem(err))
			continue
		}
		drafts = append(drafts, d)
	}
	return drafts, nil
}

// usersWithIDs returns the users with the given ids that the caller may see, by id.
func (im *importer) usersWithIDs(ctx context.Context, ids []string) (map[string]crud.Document, error) {
	visible := im.Users.With(upstream.CallerFrom(ctx).StoreHeader(upstream.ACLRowsHeader))
	users, err := readAll(ctx, visible.AllIn(ctx, "_id", ids, crud.Query{States: crud.AllStates}))
	found := make(map[string]crud.Document, len(users))
	for _, user := range users {
		found[text(user, "_id")] = user
	}
	return found, err
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
