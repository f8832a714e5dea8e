package management

import (
	"context"
	"errors"
	"maps"
	"slices"

	"user-manager/providers"
	"user-manager/upstream"
)

// bringExisting brings the accounts with an id to what is given.
func (im *importing) bringExisting(ctx context.Context, existing []int) error {
	if len(existing) == 0 {
		return nil
	}
	found, err := im.read(ctx, existing)
	if err != nil {
		return err
	}
	return im.each(ctx, existing, func(ctx context.Context, at int) error {
		before, ok := found[im.idOf(at)]
		if !ok {
			im.refuse(at, providers.ErrNotFound, "")
			return nil
		}
		return im.bring(ctx, at, before)
	})
}

// idOf returns the id that the account has or is to have.
func (im *importing) idOf(at int) string {
	if a := im.given[at]; a.ID == "" {
		return AccountID(a.Key)
	}
	return im.given[at].ID
}

// readAtOnce bounds the accounts that are read again where one cannot be read.
const readAtOnce = 1000

// read returns the accounts at the given indexes that exist, by id. It takes them part by
// part: to read thousands can take an hour, in which something fails.
func (im *importing) read(ctx context.Context, indexes []int) (map[string]providers.Account, error) {
	found := make(map[string]providers.Account, len(indexes))
	for part := range slices.Chunk(indexes, readAtOnce) {
		ids := make([]string, len(part))
		for i, at := range part {
			ids[i] = im.idOf(at)
		}
		some, err := insist(ctx, func(ctx context.Context) (map[string]providers.Account, error) {
			return im.dir.ReadMany(ctx, ids)
		})
		if err != nil {
			return nil, err
		}
		maps.Copy(found, some)
	}
	return found, nil
}

// bring brings an account that was found to what is given, all of it or nothing. What was
// found may be a moment old: a block is sent again, and names are looked at again before
// they are changed.
func (im *importing) bring(ctx context.Context, at int, found providers.Account) error {
	a := im.given[at]
	c := im.differences(at, found)
	if a.Blocked {
		c.Blocked = &a.Blocked
	}
	return im.update(ctx, at, c)
}

// bringOurs is bring for an account that an earlier Import made. It is no user's yet, so
// that nobody else changes it: a block comes first of all, and stays also where the names
// are refused.
func (im *importing) bringOurs(ctx context.Context, at int, found providers.Account) error {
	c := im.differences(at, found)
	if c.Blocked != nil && *c.Blocked {
		if _, err := im.dir.Patch(ctx, found.ID, map[string]any{"blocked": true}); err != nil {
			return im.settleStanding(at, im.settle(at, err))
		}
		c.Blocked = nil
	}
	return im.settleStanding(at, im.update(ctx, at, c))
}

// settleStanding notes of an account that was refused a change that it stands.
func (im *importing) settleStanding(at int, err error) error {
	if err == nil {
		im.outcomes[at].ID = im.idOf(at)
	}
	return err
}

// differences returns what is to change of an account that was found.
func (im *importing) differences(at int, found providers.Account) (c providers.Change) {
	a := im.given[at]
	if stored(a.Username) != stored(found.Username) || stored(a.Email) != stored(found.Email) {
		c.Username, c.Email = &a.Username, &a.Email
	}
	if a.Blocked != found.Blocked {
		c.Blocked = &a.Blocked
	}
	return c
}

// update makes a change, if there is one, and settles the account.
func (im *importing) update(ctx context.Context, at int, c providers.Change) error {
	if c == (providers.Change{}) {
		return im.settle(at, nil)
	}
	_, err := Update(ctx, im.dir, im.Connection, im.idOf(at), c)
	return im.settle(at, err)
}

// makeSingle makes an account that cannot be a row.
func (im *importing) makeSingle(ctx context.Context, at int) error {
	a := im.given[at]
	_, err := im.dir.Create(ctx, providers.NewAccount{Key: a.Key, Username: a.Username, Password: UnknownPassword(), Blocked: a.Blocked})
	if !errors.Is(err, providers.ErrConflict) {
		return im.settle(at, err)
	}
	ours, readErr := insist(ctx, func(ctx context.Context) (providers.Account, error) { return im.dir.Read(ctx, AccountID(a.Key)) })
	switch {
	case readErr == nil:
		return im.bringOurs(ctx, at, ours)
	case errors.Is(readErr, providers.ErrNotFound):
		return im.settle(at, over("username", err))
	}
	return readErr
}

// settle notes what became of the account at an index: it stands if err is nil, and is
// refused if err says so. Any other error is given back.
func (im *importing) settle(at int, err error) error {
	a := im.given[at]
	switch {
	case err == nil:
		im.outcomes[at] = providers.ImportOutcome{ID: im.idOf(at), Inserted: a.ID == ""}
	case !upstream.RefusedForGood(err):
		return err
	default:
		refusal := providers.RefusalOf(err, a.Username, a.Email)
		if refusal.Code == providers.CodeInvalid { // with the tenant's words
			refusal.Message = providers.Mask(refusal.Message, a.Key)
		}
		im.outcomes[at] = providers.ImportOutcome{Refusal: refusal}
	}
	return nil
}

// refuse notes that the account at an index is refused for a reason.
func (im *importing) refuse(at int, reason error, words string) {
	_ = im.settle(at, providers.Refuse(importRoute, reason, words)) // which is definite
}
