package users

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/jobs"
	"user-manager/providers"
	"user-manager/upstream"
)

// Codes of failures of an activation, beside those of [providers.RefusalOf] and of
// package jobs.
const (
	CodeUserNotFound     = "USER_NOT_FOUND"
	CodeAlreadyActive    = "USER_ALREADY_ACTIVE"
	CodeAccountsDisabled = "AUTH_USER_CREATION_DISABLED"
	CodeGroupUnusable    = "USER_GROUP_UNUSABLE"
	CodeUserDeleted      = "USER_DELETED"
	CodeUserBusy         = "USER_BUSY"
	CodeNameMissing      = "USERNAME_AND_EMAIL_MISSING"
	CodeUserChanged      = "USER_CHANGED_MEANWHILE"
)

// sorted is users by what is to be done with them.
type sorted struct {
	marked chunk    // they are to get an account
	active []string // ids of those that have one
	open   []string // ids of those of which something has to be settled first
	over   []jobs.Outcome
	cause  error // why the last of open could not be settled
}

// begin marks those of some users that are to get an account, and records of which users
// the outcome is known.
func (a *activation) begin(ctx context.Context, ids []string) (sorted, error) {
	found, err := a.sort(ctx, ids)
	if err != nil {
		return sorted{}, err
	}
	return found, a.task.Record(ctx, found.over...)
}

// sort sorts users while no other operation is at work on them, and marks those that are
// to get an account.
func (a *activation) sort(ctx context.Context, ids []string) (sorted, error) {
	var found sorted
	for _, id := range ids {
		if !crud.IsID(id) {
			found.over = append(found.over, failure(id, userNotFound))
		}
	}
	asked := byStoredID(ids)
	stored := slices.Collect(maps.Keys(asked))
	busy, end, err := a.turns(ctx, stored)
	if err != nil {
		return sorted{}, err
	}
	defer end()
	users, err := a.read(ctx, stored)
	if err != nil {
		return sorted{}, err
	}
	var free chunk
	for id, as := range asked {
		user := users[id]
		c := candidate{asked: as, userID: id, seen: pickFields(user, a.makingFields()), roles: a.rolesToGrant(user), account: a.newAccount(id, user)}
		if err := busy[id]; err != nil && user != nil {
			if text(user, "authUserId") == a.markOf(c) { // by an earlier try: what is left is not settled while it is there
				a.journal.adopt(a.noteOf(c), 0)
			}
			found.open, found.cause = append(found.open, as), err
			continue
		}
		switch fate, problem := a.fateOf(ctx, c, user); fate {
		case fails:
			found.over = append(found.over, failure(as, *problem))
		case isLinked:
			found.over = append(found.over, jobs.Outcome{ID: as, Result: Inserted})
		case isActive:
			found.active = append(found.active, as)
		case isLeft:
			found.open = append(found.open, as)
		case isMarked:
			c.open = true // who marked it may have tried
			found.marked = append(found.marked, c)
		case isFree:
			free = append(free, c)
		}
	}
	return found, a.putMarks(ctx, free, &found)
}

// active returns those of some ids whose users have an account.
func (a *activation) active(ctx context.Context, ids []string) (active []string, err error) {
	asked := byStoredID(ids)
	users, err := a.read(ctx, slices.Collect(maps.Keys(asked)))
	for id, user := range users {
		if accountID(user) != "" {
			active = append(active, asked[id])
		}
	}
	return active, err
}

// byStoredID returns ids by the id as the store writes it, without words that are none.
func byStoredID(ids []string) map[string]string {
	stored := make(map[string]string, len(ids))
	for _, id := range ids {
		if crud.IsID(id) {
			stored[strings.ToLower(id)] = id
		}
	}
	return stored
}

// read returns the users with the given ids that who asked may see, by id, and reads their
// groups.
func (a *activation) read(ctx context.Context, ids []string) (map[string]crud.Document, error) {
	users := make(map[string]crud.Document, len(ids))
	var names []string
	visible := a.Users
	if a.opts.Rows != "" {
		visible = visible.With(http.Header{upstream.ACLRowsHeader: {a.opts.Rows}})
	}
	for user, err := range visible.AllIn(ctx, "_id", ids, crud.Query{States: crud.AllStates}) {
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
	return providers.NewAccount{Key: hex.EncodeToString(sum[:12]), Username: text(user, "username"), Email: text(user, "email")}
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
	isLeft        // it was left marked by an operation that is over
)

// fateOf says what is to become of a user, and why it fails.
func (a *activation) fateOf(ctx context.Context, c candidate, user crud.Document) (fate, *jobs.Problem) {
	id := text(user, "authUserId")
	switch {
	case user == nil:
		return fails, &userNotFound
	case id == a.markOf(c):
		return isMarked, nil
	case marked(user):
		return a.fateOfMarked(ctx, user)
	case id != "" && strings.HasSuffix(id, c.account.Key):
		return isLinked, nil
	case text(user, "__STATE__") == crud.Deleted:
		return fails, &jobs.Problem{Code: CodeUserDeleted, Message: "The user is in the state DELETED"}
	}
	group, err := a.groups.find(ctx, text(user, "userGroup"))
	switch {
	case errors.Is(err, ErrInvalid):
		return fails, &jobs.Problem{Code: CodeGroupUnusable, Message: "The group of the user does not exist"}
	case err != nil:
		return fails, &jobs.Problem{Code: CodeGroupUnusable, Message: "The crudSchema of the user's group does not compile"}
	case group.accountsDisabled:
		return fails, &jobs.Problem{Code: CodeAccountsDisabled, Message: "Users of this group get no account"}
	case id != "" && !a.opts.Upsert:
		return fails, &jobs.Problem{Code: CodeAlreadyActive, Message: "The user has an account already"}
	case id != "":
		return isActive, nil
	case c.account.Username == "" && c.account.Email == "":
		return fails, &jobs.Problem{Code: CodeNameMissing, Message: "An account needs a username or an email"}
	}
	return isFree, nil
}

var userNotFound = jobs.Problem{Code: CodeUserNotFound, Message: "There is no user with this id"}

var userBusy = jobs.Problem{Code: CodeUserBusy, Message: "Another operation on the user is under way"}

// fateOfMarked says what is to become of a user with a mark that is not this task's: it
// is settled if nobody is at it any more.
func (a *activation) fateOfMarked(ctx context.Context, user crud.Document) (fate, *jobs.Problem) {
	adopted, err := a.adoptMarked(ctx, user, a.leftOver())
	if err != nil {
		a.Log.WarnContext(ctx, "job of a marked user not looked for", "err", err)
	}
	if adopted {
		return isLeft, nil
	}
	return fails, &userBusy
}

// whereFree holds of a user without an account that is as it was when its account and its
// roles were planned.
func (a *activation) whereFree(c candidate) crud.Document {
	seen := as(c.seen, a.makingFields()...)
	return matching(map[string]any{"$and": []any{map[string]any{"$or": withoutAccount}, seen}})
}

// noneYet holds of a user that has no account.
var noneYet = matching(map[string]any{"$or": withoutAccount})

// matching is the condition of an item of a bulk that its user matches a query.
func matching(query map[string]any) crud.Document {
	encoded, err := json.Marshal(query)
	if err != nil {
		panic(err) // texts, and what was JSON
	}
	return crud.Document{"_q": string(encoded)}
}

// putMarks marks users that have no account. Those of which another operation was made
// meanwhile are over, or looked at once more. What an earlier run of the task noted of a
// user is closed: the mark takes its place.
func (a *activation) putMarks(ctx context.Context, free chunk, found *sorted) error {
	own := map[string]bool{}
	err := a.swapAll(ctx, free, func(c candidate) crud.BulkPatch {
		return crud.BulkPatch{ID: c.userID, Where: a.whereFree(c), Update: set("authUserId", a.markOf(c))}
	}, func(c *candidate, now string) {
		switch now {
		case a.markOf(*c):
		case "": // something else of it has changed, or it has gone
			found.open = append(found.open, c.asked)
			return
		default:
			found.over = append(found.over, failure(c.asked, userChanged))
			return
		}
		own[c.userID] = true
		found.marked = append(found.marked, *c)
	})
	if err != nil {
		return err
	}
	left := a.journal.settleable(true, func(n note) bool { return n.Job == a.task.ID() && own[n.UserID] })
	for _, n := range left {
		if _, err := a.journal.acquire(ctx, n); err != nil {
			return err
		}
		if err := a.journal.close(ctx, n); err != nil {
			return err
		}
		for i, c := range found.marked {
			if c.userID == n.UserID {
				found.marked[i].open = true // what was noted may still come
			}
		}
	}
	return nil
}
