package users

import (
	"context"
	"maps"
	"slices"

	"user-manager/crud"
	"user-manager/crud/document"
	"user-manager/csvimport"
	"user-manager/providers"
)

// A rowPatch is a row that changes a user.
type rowPatch struct {
	row int
	id  string // as the store writes it
	*patch
	after crud.Document // the user as it is to become
}

// A draft is a row that names a user, read as the schema of the user's group says.
type draft struct {
	row            int
	id             string // as the store writes it
	before, fields crud.Document
}

var errUnknownUser = refuse(ErrNotFound, "_id: there is no such user")

// draft reads a row.
func (im *importer) draft(ctx context.Context, row csvimport.Row, id string, before crud.Document) (draft, error) {
	switch {
	case before == nil:
		return draft{}, errUnknownUser
	case marked(before):
		return draft{}, refuse(ErrConflict, "the user's account is just being created; try again")
	}
	name := row.Cell("userGroup")
	if name == "" {
		name = text(before, "userGroup")
	}
	group, err := im.groups.find(ctx, name)
	if err != nil {
		return draft{}, err
	}
	fields, err := importedFields(row, group)
	return draft{row.Number, id, before, fields}, err
}

// plan checks what a row makes of its user. Without a patch the user is like that, and so
// is its account.
func (im *importer) plan(ctx context.Context, d draft, accounts map[string]providers.Account) (rowPatch, error) {
	changes := changesOf(d.before, d.fields)
	maps.Copy(changes, im.owed(d, accounts))
	if len(changes) == 0 {
		return rowPatch{row: d.row, id: d.id}, nil
	}
	operators := crud.Document{"$set": map[string]any(changes)}
	update, err := parseUpdate(operators)
	if err != nil {
		return rowPatch{}, err
	}
	p, after, err := im.planPatch(ctx, d.id, d.before, operators, update, inAnyState, im.groups.find)
	if err != nil {
		return rowPatch{}, err
	}
	if !im.ScheduleImported && text(d.before, "expirationId") == "" {
		p.timer = nil
	}
	return rowPatch{d.row, d.id, p, after}, nil
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

// accountsPerRead is how many accounts are read together.
const accountsPerRead = 100

// accounts returns the accounts of the users whose rows fill fields that an account has to
// know of, by their ids, without those that the provider does not know.
func (im *importer) accounts(ctx context.Context, drafts []draft) (map[string]providers.Account, error) {
	var ids []string
	for _, d := range drafts {
		if id := accountID(d.before); id != "" && len(pickFields(d.fields, accountFields)) > 0 {
			ids = append(ids, id)
		}
	}
	all := map[string]providers.Account{}
	for some := range slices.Chunk(ids, accountsPerRead) {
		err := persist(ctx, func(ctx context.Context) error {
			found, err := im.provider.Accounts(ctx, some)
			maps.Copy(all, found)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// owed returns fields of a row that its user may have already, but not the account: as
// with [Service.Patch], what is said again mends what an earlier change left. One that
// the provider does not know lacks them all.
func (im *importer) owed(d draft, accounts map[string]providers.Account) crud.Document {
	fills := pickFields(d.fields, accountFields)
	id := accountID(d.before)
	if id == "" || len(fills) == 0 {
		return nil
	}
	account, known := accounts[id]
	owed := crud.Document{}
	for name, is := range map[string]string{"username": account.Username, "email": account.Email} {
		if value, ok := fills[name]; ok && !(known && equalFold(value, is)) {
			owed[name] = value
		}
	}
	after := maps.Clone(d.before)
	maps.Copy(after, fills)
	if known && account.Blocked != im.mayLogIn(after) {
		return owed
	}
	if value, ok := fills["blocked"]; ok {
		owed["blocked"] = value
	} else if value, ok := fills["expirationDate"]; ok && checkNotExpired(after, im.Now()) == nil { // one that has passed cannot be said again
		owed["expirationDate"] = value
	}
	return owed
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
