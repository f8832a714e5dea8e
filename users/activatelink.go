package users

import (
	"context"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/jobs"
	"user-manager/providers"
)

// A chunk is users whose accounts are made by one call of the provider.
type chunk []candidate

// A candidate is a user that is marked: it is to get an account.
type candidate struct {
	asked      string // the id as the task has it
	userID     string
	seen       crud.Document // the user's fields that its account is made by
	account    providers.NewAccount
	open       bool     // a call that was to make the account had no clear answer
	roles      []string // that the account is to be granted; nil: none
	doubtful   bool     // it may be granted them once more, late
	complete   bool     // the account is as it is to be, and needs only to be linked
	authUserID string   // once the account is made
	problem    *jobs.Problem
}

func (c chunk) accounts() []providers.ImportAccount {
	accounts := make([]providers.ImportAccount, len(c))
	for i, user := range c {
		accounts[i] = providers.ImportAccount{Key: user.account.Key, Username: user.account.Username, Email: user.account.Email, Blocked: user.account.Blocked}
	}
	return accounts
}

// finish records what became of labels. Before that the users of chunks are linked to
// their accounts, and those that get none lose their marks.
func (a *activation) finish(ctx context.Context, outcomes ...jobs.Outcome) error {
	for _, o := range outcomes {
		c := a.chunk(o.ID)
		if c == nil {
			if o.Result == recorded {
				continue
			}
			o.ID = strings.TrimPrefix(o.ID, userLabel)
			if err := a.task.Record(ctx, o); err != nil {
				return err
			}
			continue
		}
		if o.Result == jobs.FailedResult {
			c.giveUp(&o.Problems[0])
		}
		if err := a.finishChunk(ctx, c); err != nil {
			return err
		}
		a.drop(o.ID)
	}
	return nil
}

// finishChunk ends what was begun for the users of a chunk, and records it. An account
// that may be there although its user gets none is noted first: from then on
// [Service.Run] removes it, also when it comes late.
func (a *activation) finishChunk(ctx context.Context, c chunk) error {
	var notes []*openNote
	defer func() {
		for _, n := range notes {
			a.journal.leave(n)
		}
	}()
	note := func(c *candidate) error {
		n, err := a.journal.begin(ctx, a.noteOf(*c))
		if err != nil {
			return err
		}
		notes = append(notes, n)
		return nil
	}
	for i := range c {
		if c[i].problem != nil && c[i].open {
			if err := note(&c[i]); err != nil {
				return err
			}
		}
	}
	lost, err := a.link(ctx, c)
	if err != nil {
		return err
	}
	for _, c := range lost {
		c.problem = &userChanged
		if err := note(c); err != nil {
			a.journal.adopt(a.noteOf(*c), 0)
			return err
		}
	}
	results := make([]jobs.Outcome, len(c))
	for i, user := range c {
		if user.doubtful && user.problem == nil {
			a.noteGrant(ctx, user)
		}
		results[i] = jobs.Outcome{ID: user.asked, Result: Inserted}
		if user.problem != nil {
			results[i] = failure(user.asked, *user.problem)
		}
	}
	return a.task.Record(ctx, results...)
}

func (a *activation) noteOf(c candidate) note {
	return note{Kind: noteActivate, UserID: c.userID, Key: c.account.Key, Job: a.task.ID(), Roles: c.roles != nil}
}

var userChanged = jobs.Problem{Code: CodeUserChanged, Message: "The user was changed or deleted meanwhile"}

// link puts the ids of the accounts in the place of the marks, and takes the marks off
// those that get none. It returns those with an account whose user has no mark any more.
func (a *activation) link(ctx context.Context, c chunk) (lost []*candidate, err error) {
	err = a.swapAll(ctx, c, func(c candidate) crud.BulkPatch {
		p := crud.BulkPatch{ID: c.userID, Where: crud.Document{"authUserId": a.markOf(c)}, Update: unset("authUserId")}
		if c.problem == nil {
			p.Update = set("authUserId", c.authUserID)
		}
		return p
	}, func(c *candidate, now string) {
		if c.problem == nil && now != c.authUserID {
			lost = append(lost, c)
		}
	})
	return lost, err
}

// release takes the marks off users of which nothing was tried, when nobody will go on
// with the job.
func (a *activation) release(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.chunks {
		c = slices.DeleteFunc(slices.Clone(c), func(user candidate) bool { return user.open || user.authUserID != "" })
		for i := range c {
			c[i].problem = &userChanged // none gets an account
		}
		if _, err := a.link(ctx, c); err != nil {
			a.Log.WarnContext(ctx, "marks of an activation not taken off yet", "err", err)
		}
	}
}

// swapAll applies a conditional patch of authUserId to each user of c, and then calls
// seen with what the user's authUserId is. A call without an answer is made again, since
// the condition keeps it from being done twice.
func (a *activation) swapAll(ctx context.Context, c chunk, patch func(candidate) crud.BulkPatch, seen func(c *candidate, now string)) error {
	for start := 0; start < len(c); start += crud.BulkLimit {
		some := c[start:min(start+crud.BulkLimit, len(c))]
		patches := make([]crud.BulkPatch, len(some))
		for i := range some {
			patches[i] = patch(some[i])
		}
		n, tries := 0, 0
		err := insist(ctx, func(ctx context.Context) (err error) {
			tries++
			n, err = a.Users.PatchBulk(ctx, patches)
			return err
		})
		if err != nil {
			return err
		}
		now, err := a.accountIDs(ctx, patches, tries == 1 && n == len(some))
		if err != nil {
			return err
		}
		for i := range some {
			seen(&some[i], now[some[i].userID])
		}
	}
	return nil
}

// accountIDs returns the authUserIds of the users of patches by their ids: those that the
// patches set if all of them surely did, and otherwise those that the store has.
func (a *activation) accountIDs(ctx context.Context, patches []crud.BulkPatch, allSet bool) (map[string]string, error) {
	now := make(map[string]string, len(patches))
	ids := make([]string, len(patches))
	for i, p := range patches {
		ids[i] = p.ID
		if fields, sets := p.Update["$set"].(map[string]any); sets {
			now[p.ID] = text(fields, "authUserId")
		}
	}
	if allSet {
		return now, nil
	}
	clear(now)
	q := crud.Query{States: crud.AllStates, Fields: []string{"authUserId"}}
	for user, err := range a.Users.AllIn(ctx, "_id", ids, q) {
		if err != nil {
			return nil, err
		}
		now[text(user, "_id")] = text(user, "authUserId")
	}
	return now, nil
}
