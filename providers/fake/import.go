package fake

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"user-manager/crud"
	"user-manager/providers"
)

const (
	maxImport   = 500 // accounts of one Import
	importRoute = "POST /jobs/users-imports"
)

// ImportLimits implements [providers.Importer].
func (p *Provider) ImportLimits() providers.ImportLimits {
	return providers.ImportLimits{Accounts: maxImport, AtOnce: 2}
}

// Import implements [providers.Importer]. It begins with the accounts that exist, so a
// name that one of them gives up is free for a new one.
func (p *Provider) Import(ctx context.Context, accounts []providers.ImportAccount) ([]providers.ImportOutcome, error) {
	return call(ctx, p, importRoute, func() ([]providers.ImportOutcome, error) {
		if len(accounts) > maxImport {
			return nil, invalid(fmt.Sprintf("An import takes %d accounts at most.", maxImport))
		}
		im := &importing{Provider: p, given: accounts, outcomes: make([]providers.ImportOutcome, len(accounts))}
		fresh, err := im.bringAll(ctx)
		if err != nil {
			return nil, err
		}
		return im.outcomes, im.makeAll(ctx, fresh)
	})
}

// An importing is one Import at work.
type importing struct {
	*Provider
	given    []providers.ImportAccount
	outcomes []providers.ImportOutcome // by the index of given
}

// keyOf returns the key of a, or "" if its id is not one of the fake's.
func keyOf(a providers.ImportAccount) string {
	if a.ID == "" {
		return a.Key
	}
	key, ok := strings.CutPrefix(a.ID, scheme)
	if !ok {
		return ""
	}
	return key
}

// bringAll brings the accounts that exist to what is given, and returns the indexes of
// those that are to be made.
func (im *importing) bringAll(ctx context.Context) (fresh []int, err error) {
	existing, err := im.existing(ctx)
	if err != nil {
		return nil, err
	}
	for i, a := range im.given {
		before, exists := existing[keyOf(a)]
		switch {
		case exists:
			err = im.settle(i, im.bring(ctx, before, a))
		case a.ID != "":
			err = im.settle(i, errNoSuchUser)
		default:
			fresh = append(fresh, i)
		}
		if err != nil {
			return nil, err
		}
	}
	return fresh, nil
}

// existing returns the accounts that are there already, by their keys.
func (im *importing) existing(ctx context.Context) (map[string]account, error) {
	keys := make([]string, len(im.given))
	for i, a := range im.given {
		keys[i] = keyOf(a)
	}
	existing := map[string]account{}
	for doc, err := range im.accounts.AllIn(ctx, keyField, keys, crud.Query{}) {
		if err != nil {
			return nil, err
		}
		existing[text(doc, keyField)] = accountOf(doc)
	}
	return existing, nil
}

// bring brings the account to what is given.
func (im *importing) bring(ctx context.Context, before account, a providers.ImportAccount) error {
	change := providers.Change{Username: &a.Username, Email: &a.Email}
	if before.blocked != a.Blocked {
		change.Blocked = &a.Blocked
	}
	_, err := im.change(ctx, before, change)
	return err
}

// settle notes what became of the account at index i: it stands if err is nil, and is
// refused if err says so. Any other error is given back.
func (im *importing) settle(i int, err error) error {
	a := im.given[i]
	if no, ok := errors.AsType[*refusal](err); ok {
		refused := providers.Refuse(importRoute, no.reason, no.message)
		im.outcomes[i] = providers.ImportOutcome{Refusal: providers.RefusalOf(refused, a.Username, a.Email)}
		return nil
	}
	if err == nil {
		im.outcomes[i] = providers.ImportOutcome{ID: scheme + keyOf(a), Inserted: a.ID == ""}
	}
	return err
}

// An arrival is an account that is to be made.
type arrival struct {
	index int // of the account
	doc   crud.Document
}

// makeAll makes the accounts at the given indexes.
func (im *importing) makeAll(ctx context.Context, fresh []int) error {
	arrivals, err := im.acceptable(ctx, fresh)
	if err != nil || len(arrivals) == 0 {
		return err
	}
	docs := make([]crud.Document, len(arrivals))
	for i, arriving := range arrivals {
		docs[i] = arriving.doc
	}
	_, err = im.accounts.InsertAll(ctx, docs)
	crowded := errors.Is(err, crud.ErrDuplicate) // somebody came in between: now each for itself
	if err != nil && !crowded {
		return err
	}
	for _, arriving := range arrivals {
		if crowded {
			err = im.makeOne(ctx, arriving)
		}
		if err := im.settle(arriving.index, err); err != nil {
			return err
		}
	}
	return nil
}

// makeOne makes an account unless it is there by now.
func (im *importing) makeOne(ctx context.Context, arriving arrival) error {
	_, err := im.accounts.Insert(ctx, arriving.doc)
	if !errors.Is(err, crud.ErrDuplicate) {
		return err
	}
	a := im.given[arriving.index]
	before, err := im.accountWhere(ctx, keyField, a.Key)
	switch {
	case errors.Is(err, errNoSuchUser):
		return im.taken(ctx, a.Key, arriving.doc)
	case err != nil:
		return err
	}
	return im.bring(ctx, before, a)
}

// acceptable returns the accounts at the given indexes that can be made. The others are
// settled: what is given is no account, or its name is another's.
func (im *importing) acceptable(ctx context.Context, fresh []int) ([]arrival, error) {
	var valid []arrival
	for _, i := range fresh {
		a := im.given[i]
		doc, err := newDocument(a.Key, a.Username, a.Email, a.Blocked, noPassword)
		if err == nil {
			valid = append(valid, arrival{i, doc})
		} else if err := im.settle(i, err); err != nil {
			return nil, err
		}
	}
	owners, err := im.owners(ctx, valid)
	if err != nil {
		return nil, err
	}
	var free []arrival
	for _, arriving := range valid {
		if field := owners.claim(arriving.doc); field == "" {
			free = append(free, arriving)
		} else if err := im.settle(arriving.index, conflict(field)); err != nil {
			return nil, err
		}
	}
	return free, nil
}

// A name is a value of a unique field.
type name struct{ field, value string }

// names returns the names that doc has.
func names(doc crud.Document) []name {
	var has []name
	for _, field := range uniqueNames {
		if value := text(doc, field); value != "" {
			has = append(has, name{field, value})
		}
	}
	return has
}

// owners are the keys of accounts by their names.
type owners map[name]string

// owners returns who has the names that arrivals want.
func (im *importing) owners(ctx context.Context, arrivals []arrival) (owners, error) {
	wanted := map[string][]string{} // by field
	for _, arriving := range arrivals {
		for _, n := range names(arriving.doc) {
			wanted[n.field] = append(wanted[n.field], n.value)
		}
	}
	has := owners{}
	for _, field := range uniqueNames {
		for doc, err := range im.accounts.AllIn(ctx, field, wanted[field], crud.Query{}) {
			if err != nil {
				return nil, err
			}
			has[name{field, text(doc, field)}] = text(doc, keyField)
		}
	}
	return has, nil
}

// claim notes that doc has its names. If one of them is another's it notes nothing and
// returns the field.
func (o owners) claim(doc crud.Document) (taken string) {
	key := text(doc, keyField)
	for _, n := range names(doc) {
		if owner, has := o[n]; has && owner != key {
			return n.field
		}
	}
	for _, n := range names(doc) {
		o[n] = key
	}
	return ""
}
