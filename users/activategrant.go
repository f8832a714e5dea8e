package users

import (
	"context"

	"golang.org/x/sync/errgroup"

	"user-manager/jobs"
	"user-manager/upstream"
)

// The roles of users that are activated are granted before they are linked to their
// accounts: from then on the activation has nothing more to do with them.

// made reports whether it is known of each user what came of its account.
func (c chunk) made() bool {
	for _, user := range c {
		if user.authUserID == "" && user.problem == nil {
			return false
		}
	}
	return true
}

// giveUp makes those of a chunk failures that lack something yet. An account that was made
// of one of them is to be removed.
func (c chunk) giveUp(problem *jobs.Problem) {
	for i := range c {
		user := &c[i]
		if user.problem == nil && !user.complete {
			user.problem, user.open = problem, user.open || user.authUserID != ""
		}
	}
}

// completeAll does what is left to do for the accounts of a chunk before they are linked.
// The error is that it is to be tried again, for those that lack something.
func (a *activation) completeAll(ctx context.Context, c chunk) error {
	var g errgroup.Group
	g.SetLimit(a.FanOut)
	for i := range c {
		user := &c[i]
		if user.complete || user.problem != nil {
			continue
		}
		if user.complete = user.roles == nil && !a.expiredMeanwhile(*user); !user.complete {
			g.Go(func() error { return upstream.Protect(func() error { return a.completeOne(ctx, user) }) })
		}
	}
	return g.Wait()
}

// expiredMeanwhile reports whether an account that was made to log in must not any more. An
// import takes long, and meanwhile a timer finds its user marked.
func (a *activation) expiredMeanwhile(c candidate) bool {
	return !c.account.Blocked && !a.mayLogIn(c.seen)
}

func (a *activation) completeOne(ctx context.Context, c *candidate) error {
	var err error
	if a.expiredMeanwhile(*c) {
		err = a.setBlocked(ctx, c.authUserID, true)
		c.account.Blocked = err == nil
	}
	if err == nil && c.roles != nil {
		err = a.grantOne(ctx, c)
	}
	c.complete = err == nil
	c.open = c.open || err != nil // the account is there
	return err
}

// grantOne grants its roles to an account. If an earlier try may have granted them already,
// that is revoked first.
func (a *activation) grantOne(ctx context.Context, c *candidate) error {
	grant := a.grant
	if c.open {
		grant = a.setRoles
	}
	ctx, doubt := upstream.WithDoubt(ctx)
	err := grant(ctx, c.authUserID, c.roles)
	c.doubtful = c.doubtful || doubt.Raised() || err != nil && !upstream.Refused(err)
	return err
}

// noteGrant notes of a user that it may be granted its roles once more, late: then they are
// set anew.
func (a *activation) noteGrant(ctx context.Context, c candidate) {
	open, err := a.Service.begin(ctx, note{Kind: noteChange, UserID: c.userID, AuthUserID: c.authUserID, Roles: true})
	if err == nil {
		err = a.leaveOpen(ctx, open)
	} else {
		a.journal.adopt(a.noteOf(c), 0)
	}
	if err != nil {
		a.Log.WarnContext(ctx, "roles that may be granted once more not noted", "err", err)
	}
}
