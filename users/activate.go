package users

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strconv"
	"sync"

	"user-manager/jobs"
	"user-manager/providers"
	"user-manager/upstream"
)

// Results of an activation, of one user each.
const (
	Inserted = "inserted" // the user has got an account
	Updated  = "updated"  // it had one, which is now what the user says
)

const (
	activationPage   = 200 // users that are read and marked at once
	chunkUnlimited   = 500 // accounts of an import of a provider without a limit
	accountsMadeOnce = 8   // accounts that are made at once, one by one
)

// Activate gives an account to each user of the task's ids that has none, and makes the
// accounts of the others what their users say; with upsert false it leaves those alone
// and reports them as failures. Each id gets one outcome: [Inserted], [Updated] or a
// failure.
//
// It can be called again for the same task, also by another process, and goes on where
// the last call stopped: an account that was made is found again by its key, which is the
// task's and the user's. pace is that of the provider's calls. The error is that of a
// store that keeps the activation from going on, or ctx's.
func (s *Service) Activate(ctx context.Context, t *jobs.Task, upsert bool, pace *jobs.Pacer) error {
	a := &activation{Service: s, task: t, upsert: upsert, pace: pace, groups: newImportGroups(s.groups), chunks: map[string]chunk{}}
	a.limits = providers.ImportLimits{Accounts: 1, AtOnce: accountsMadeOnce}
	if s.importer != nil {
		a.limits = s.importer.ImportLimits()
	}
	if a.limits.Accounts <= 0 && a.limits.Bytes <= 0 {
		a.limits.Accounts = chunkUnlimited
	}
	do := func(callCtx context.Context, label string) (jobs.Outcome, error) {
		return a.makeAccounts(ctx, callCtx, label)
	}
	return pace.Each(ctx, a.labels(ctx), max(a.limits.AtOnce, 1), do, a.finish)
}

// activation is an activation under way. Users go through it in chunks, each of which is
// one call of the provider, by a label.
type activation struct {
	*Service
	task   *jobs.Task
	upsert bool
	pace   *jobs.Pacer
	groups *importGroups
	limits providers.ImportLimits

	mu     sync.Mutex
	chunks map[string]chunk // by label; guarded by mu
	cut    int              // chunks made; guarded by mu
}

// A chunk is users that are marked, and what became of their accounts.
type chunk []candidate

// A candidate is a user that is marked: it is to get an account.
type candidate struct {
	asked      string // the id as the task has it
	userID     string
	account    providers.NewAccount
	tried      bool   // the account may have been made
	authUserID string // once it is
	problem    *jobs.Problem
}

func (a *activation) keep(c chunk) (label string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut++
	label = "chunk " + strconv.Itoa(a.cut)
	a.chunks[label] = c
	return label
}

func (a *activation) chunk(label string) chunk {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.chunks[label]
}

func (a *activation) drop(label string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.chunks, label)
}

// labels yields the chunks of the task as they are asked for. A chunk is as large as the
// provider takes it.
func (a *activation) labels(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var ready chunk
		for page, err := range pages(a.task.Pending(), activationPage) {
			var begun []candidate
			if err == nil {
				begun, err = a.begin(ctx, page)
			}
			if err != nil {
				yield("", err)
				return
			}
			ready = append(ready, begun...)
			for n := a.fitting(ready); n < len(ready); n = a.fitting(ready) { // the rest may grow yet
				if !yield(a.keep(ready[:n:n]), nil) {
					return
				}
				ready = ready[n:]
			}
		}
		for len(ready) > 0 {
			n := a.fitting(ready)
			if !yield(a.keep(ready[:n:n]), nil) {
				return
			}
			ready = ready[n:]
		}
	}
}

// fitting returns how many of the first of c make one chunk.
func (a *activation) fitting(c chunk) int {
	for part := range providers.ImportChunks(c.accounts(), a.limits) {
		return len(part)
	}
	return 0
}

func (c chunk) accounts() []providers.ImportAccount {
	accounts := make([]providers.ImportAccount, len(c))
	for i, user := range c {
		accounts[i] = providers.ImportAccount{Key: user.account.Key, Username: user.account.Username, Email: user.account.Email, Blocked: user.account.Blocked}
	}
	return accounts
}

// pages cuts ids into slices of at most n.
func pages(ids iter.Seq2[string, error], n int) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		var page []string
		for id, err := range ids {
			if err != nil {
				yield(nil, err)
				return
			}
			if page = append(page, id); len(page) == n {
				if !yield(page, nil) {
					return
				}
				page = nil
			}
		}
		if len(page) > 0 {
			yield(page, nil)
		}
	}
}

// makeAccounts has the provider make the accounts of a chunk. One of a single account is
// seen to its end, with callCtx; an import ends with ctx, since it may take long and is
// gone on with by whoever runs the job next. An error means that it is to be tried again.
func (a *activation) makeAccounts(ctx, callCtx context.Context, label string) (jobs.Outcome, error) {
	c := a.chunk(label)
	for i := range c {
		c[i].tried = true
	}
	var err error
	if a.importer != nil {
		err = a.importChunk(ctx, c)
	} else {
		err = a.makeOne(callCtx, &c[0])
	}
	return jobs.Outcome{ID: label, Result: Inserted}, err
}

func (a *activation) importChunk(ctx context.Context, c chunk) error {
	outcomes, err := a.importer.Import(ctx, c.accounts())
	if err == nil && len(outcomes) != len(c) {
		return errors.New("the provider's import does not say what became of each account")
	}
	if err != nil && !refusedForGood(err) {
		return err
	}
	for i := range c {
		refusal := providers.RefusalOf(err, c[i].account.Username, c[i].account.Email)
		if err == nil {
			c[i].authUserID, refusal = outcomes[i].ID, outcomes[i].Refusal
		}
		c[i].problem = problemOf(refusal)
	}
	return nil
}

// makeOne makes one account, or finds that an earlier try has made it.
func (a *activation) makeOne(ctx context.Context, c *candidate) error {
	account := c.account
	account.Password = randomPassword(a.PasswordLength)
	made, err := a.provider.Create(ctx, account)
	if errors.Is(err, providers.ErrConflict) {
		found, findErr := a.provider.Find(ctx, account)
		switch {
		case findErr == nil:
			made, err = found, nil
		case !errors.Is(findErr, providers.ErrNotFound):
			return findErr
		}
	}
	if err != nil && !refusedForGood(err) {
		return err
	}
	c.authUserID, c.problem = made.ID, problemOf(providers.RefusalOf(err, account.Username, account.Email))
	return nil
}

// refusedForGood reports whether an upstream refused a call, and not only because it has
// too much to do.
func refusedForGood(err error) bool {
	return upstream.Refused(err) && upstream.Status(err) != http.StatusTooManyRequests
}

func problemOf(refusal *providers.ImportRefusal) *jobs.Problem {
	if refusal == nil {
		return nil
	}
	return &jobs.Problem{Code: refusal.Code, Message: refusal.Message}
}

// finish links the users of chunks to their accounts, takes the marks off those that get
// none, and records both.
func (a *activation) finish(ctx context.Context, made ...jobs.Outcome) error {
	for _, o := range made {
		c := a.chunk(o.ID)
		for i := range c {
			if o.Result == jobs.FailedResult {
				c[i].problem = &o.Problems[0]
			}
		}
		if err := a.link(ctx, c); err != nil {
			return err
		}
		for _, user := range c {
			if o.Result == jobs.FailedResult && user.tried { // given up: it may yet come to be
				a.abandon(ctx, user)
			}
		}
		outcomes := make([]jobs.Outcome, len(c))
		for i, user := range c {
			outcomes[i] = jobs.Outcome{ID: user.asked, Result: Inserted}
			if user.problem != nil {
				outcomes[i] = failure(user.asked, *user.problem)
			}
		}
		if err := a.task.Record(ctx, outcomes...); err != nil {
			return err
		}
		a.drop(o.ID)
	}
	return nil
}

func failure(id string, p jobs.Problem) jobs.Outcome {
	return jobs.Outcome{ID: id, Result: jobs.FailedResult, Problems: []jobs.Problem{p}}
}
