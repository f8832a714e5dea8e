package users

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	"user-manager/crud"
	"user-manager/jobs"
	"user-manager/providers"
)

// Codes of failures of an activation, beside those of [providers.RefusalOf] and of
// package jobs.
const (
	CodeUserNotFound     = "USER_NOT_FOUND"
	CodeAlreadyActive    = "USER_ALREADY_ACTIVE"
	CodeAccountsDisabled = "AUTH_USER_CREATION_DISABLED"
	CodeGroupNotFound    = "USER_GROUP_NOT_FOUND"
	CodeUserDeleted      = "USER_DELETED"
	CodeUserBusy         = "USER_BUSY"
	CodeNameMissing      = "USERNAME_AND_EMAIL_MISSING"
	CodeUserChanged      = "USER_CHANGED_MEANWHILE"
)

// begin reads the users of some ids, records what can be said at once, refreshes the
// accounts that there are, and returns the users that are to get one, marked.
func (a *activation) begin(ctx context.Context, ids []string) (chunk, error) {
	marked, active, err := a.mark(ctx, ids)
	if err != nil || len(active) == 0 {
		return marked, err
	}
	gone, err := a.refreshAll(ctx, active)
	if err != nil || len(gone) == 0 {
		return marked, err
	}
	again, _, err := a.mark(ctx, gone) // they have no account any more
	return append(marked, again...), err
}

// mark sorts the users of some ids while no other operation is at work on them: those
// of which an outcome can be recorded at once, those that have an account, and those that
// are to get one, which it marks.
func (a *activation) mark(ctx context.Context, ids []string) (marked chunk, active []string, err error) {
	asked := make(map[string]string, len(ids)) // by the id as the store writes it
	var stored []string
	for _, id := range ids {
		lower := strings.ToLower(id)
		if asked[lower] = id; crud.IsID(id) {
			stored = append(stored, lower)
		}
	}
	busy, end, err := a.turns(ctx, stored)
	if err != nil {
		return nil, nil, err
	}
	defer end()
	users, err := a.read(ctx, stored)
	if err != nil {
		return nil, nil, err
	}
	var over []jobs.Outcome
	var free chunk
	for id, as := range asked {
		c := candidate{asked: as, userID: id, account: a.newAccount(id, users[id])}
		switch fate, problem := a.fateOf(ctx, c, users[id], busy[id]); fate {
		case fails:
			over = append(over, failure(as, *problem))
		case isLinked:
			over = append(over, jobs.Outcome{ID: as, Result: Inserted})
		case isActive:
			active = append(active, as)
		case isMarked:
			marked = append(marked, c)
		case isFree:
			free = append(free, c)
		}
	}
	fresh, lost, err := a.putMarks(ctx, free)
	if err != nil {
		return nil, nil, err
	}
	return append(marked, fresh...), active, a.task.Record(ctx, append(over, lost...)...)
}

// read returns the users with the given ids, by id, and reads their groups.
func (a *activation) read(ctx context.Context, ids []string) (map[string]crud.Document, error) {
	users := make(map[string]crud.Document, len(ids))
	var names []string
	for user, err := range a.Users.AllIn(ctx, "_id", ids, crud.Query{States: crud.AllStates}) {
		if err != nil {
			return nil, err
		}
		users[text(user, "_id")] = user
		names = append(names, text(user, "userGroup"))
	}
	return users, a.groups.load(ctx, names)
}

// newAccount returns the account that a user is to get. Its key is the same each time that
// the task comes to the user, and no other's.
func (a *activation) newAccount(id string, user crud.Document) providers.NewAccount {
	sum := sha256.Sum256([]byte(a.task.ID() + " " + id))
	return providers.NewAccount{
		Key:      hex.EncodeToString(sum[:12]),
		Username: text(user, "username"),
		Email:    text(user, "email"),
		Blocked:  !a.mayLogIn(user),
	}
}

// markOf is what the user's authUserId is while its account is being made.
func (a *activation) markOf(c candidate) string {
	return activatingMark + a.task.ID() + "|" + c.account.Key
}

// A fate is what an activation does with a user.
type fate int

const (
	fails    fate = iota
	isFree        // it has no account
	isMarked      // this task was to give it one
	isLinked      // this task gave it one
	isActive      // it has another
)

// fateOf says what is to become of a user, and why it fails.
func (a *activation) fateOf(ctx context.Context, c candidate, user crud.Document, busy bool) (fate, *jobs.Problem) {
	if user == nil {
		return fails, &jobs.Problem{Code: CodeUserNotFound, Message: "There is no user with this id"}
	}
	mark := text(user, "authUserId")
	switch {
	case busy, marked(user) && mark != a.markOf(c):
		return fails, &jobs.Problem{Code: CodeUserBusy, Message: "Another operation on the user is under way"}
	case marked(user):
		return isMarked, nil
	case mark != "" && strings.HasSuffix(mark, c.account.Key):
		return isLinked, nil
	case text(user, "__STATE__") == crud.Deleted:
		return fails, &jobs.Problem{Code: CodeUserDeleted, Message: "The user is in the state DELETED"}
	}
	group, err := a.groups.find(ctx, text(user, "userGroup"))
	switch {
	case errors.Is(err, ErrInvalid):
		return fails, &jobs.Problem{Code: CodeGroupNotFound, Message: "The group of the user does not exist"}
	case group != nil && group.accountsDisabled:
		return fails, &jobs.Problem{Code: CodeAccountsDisabled, Message: "Users of this group get no account"}
	case mark != "" && !a.upsert:
		return fails, &jobs.Problem{Code: CodeAlreadyActive, Message: "The user has an account already"}
	case mark != "":
		return isActive, nil
	case c.account.Username == "" && c.account.Email == "":
		return fails, &jobs.Problem{Code: CodeNameMissing, Message: "An account needs a username or an email"}
	}
	return isFree, nil
}

// whereFree holds of a user without an account.
var whereFree = func() crud.Document {
	query, err := json.Marshal(map[string]any{"$or": withoutAccount})
	if err != nil {
		panic(err) // texts and a boolean
	}
	return crud.Document{"_q": string(query)}
}()

// putMarks marks users that have no account. Of those that were changed meanwhile it
// returns the outcomes.
func (a *activation) putMarks(ctx context.Context, free chunk) (marked chunk, lost []jobs.Outcome, err error) {
	err = a.swapAll(ctx, free, func(c candidate) crud.BulkPatch {
		return crud.BulkPatch{ID: c.userID, Where: whereFree, Update: set("authUserId", a.markOf(c))}
	}, func(c *candidate, now string) {
		if now == a.markOf(*c) {
			marked = append(marked, *c)
		} else {
			lost = append(lost, failure(c.asked, userChanged))
		}
	})
	return marked, lost, err
}

var userChanged = jobs.Problem{Code: CodeUserChanged, Message: "The user was changed or deleted meanwhile"}

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
		now, err := a.accountIDs(ctx, some, tries == 1 && n == len(some), patches)
		if err != nil {
			return err
		}
		for i := range some {
			seen(&some[i], now[some[i].userID])
		}
	}
	return nil
}

// accountIDs returns the users' authUserIds by the users' ids: those that were just set
// if all of them surely were, and otherwise those that the store has.
func (a *activation) accountIDs(ctx context.Context, c chunk, allSet bool, patches []crud.BulkPatch) (map[string]string, error) {
	now := make(map[string]string, len(c))
	ids := make([]string, len(c))
	for i, p := range patches {
		ids[i] = p.ID
		if fields, sets := p.Update["$set"].(map[string]any); allSet && sets {
			now[p.ID] = text(fields, "authUserId")
		}
	}
	if allSet {
		return now, nil
	}
	q := crud.Query{States: crud.AllStates, Fields: []string{"authUserId"}}
	for user, err := range a.Users.AllIn(ctx, "_id", ids, q) {
		if err != nil {
			return nil, err
		}
		now[text(user, "_id")] = text(user, "authUserId")
	}
	return now, nil
}

// link puts the ids of the accounts in the place of the marks, and takes the marks of
// those that get none. An account whose user is gone is removed.
func (a *activation) link(ctx context.Context, c chunk) error {
	return a.swapAll(ctx, c, func(c candidate) crud.BulkPatch {
		p := crud.BulkPatch{ID: c.userID, Where: crud.Document{"authUserId": a.markOf(c)}, Update: unset("authUserId")}
		if c.problem == nil {
			p.Update = set("authUserId", c.authUserID)
		}
		return p
	}, func(c *candidate, now string) {
		if c.problem == nil && now != c.authUserID {
			c.problem = &userChanged
			a.abandon(ctx, *c)
		}
	})
}

// abandon has what was done for a user that gets no account, or may yet be done, taken
// back by [Service.Run].
func (a *activation) abandon(ctx context.Context, c candidate) {
	n := note{Kind: noteActivate, UserID: c.userID, Key: c.account.Key, Job: a.task.ID()}
	open, err := a.journal.begin(ctx, n)
	if err != nil {
		a.Log.WarnContext(ctx, "account of an activation that was given up not noted", "err", err)
		a.journal.adopt(n, 0)
		return
	}
	a.journal.leave(open)
}
