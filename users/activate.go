package users

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"user-manager/jobs"
	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
)

// Results of an activation, of one user each.
const (
	Inserted = "inserted" // the user has got an account
	Updated  = "updated"  // it had one, which is now what the user says
)

const (
	activationPage = 200 // users that are read and marked at once
	chunkUnlimited = 500 // accounts of an import of a provider without a limit
	// longestImport bounds an import, for which a provider may take two hours.
	longestImport = 150 * time.Minute
)

// ActivateOptions are the choices of an activation.
type ActivateOptions struct {
	// Upsert: accounts that exist are made what their users say; otherwise their users are
	// failures.
	Upsert bool
	// Rows is the acl_rows header of who asked: users that it hides do not exist.
	Rows string
}

// Activate gives an account to each user of the task's ids that has none, and makes the
// accounts of the others what their users say. Each id gets one outcome: [Inserted],
// [Updated] or a failure.
//
// It can be called again for the same task, also by another process, and goes on where
// the last call stopped: an account that was made is found again by its key, which is the
// task's and the user's. pace is that of the provider's calls. The error is that of a
// store that keeps the activation from going on, or ctx's.
func (s *Service) Activate(ctx context.Context, t *jobs.Task, opts ActivateOptions, pace *jobs.Pacer) error {
	a := s.newActivation(t, opts)
	do := func(callCtx context.Context, label string) (jobs.Outcome, error) { return a.try(ctx, callCtx, label) }
	var err error
	if opts.Upsert { // first, since names that accounts give up are free for new ones
		err = pace.Each(ctx, a.activeLabels(ctx), s.FanOut, do, a.finish)
	}
	if err == nil {
		err = pace.Each(ctx, a.labels(ctx), s.FanOut, do, a.finish)
	}
	if err != nil && s.OpenJob == nil {
		a.release(context.WithoutCancel(ctx))
	}
	return err
}

// activation is an activation under way. Users without an account go through it in
// chunks, each of which is one call of the provider; the others one by one. Both have a
// label, by which they are tried again.
type activation struct {
	*Service
	task    *jobs.Task
	opts    ActivateOptions
	groups  *loadedGroups
	limits  providers.ImportLimits
	imports chan struct{} // holds a value for every import under way

	mu     sync.Mutex
	chunks map[string]chunk // by label; guarded by mu
	cut    int              // chunks made; guarded by mu
}

func (s *Service) newActivation(t *jobs.Task, opts ActivateOptions) *activation {
	a := &activation{Service: s, task: t, opts: opts, groups: newLoadedGroups(s.groups), chunks: map[string]chunk{}}
	a.limits = providers.ImportLimits{Accounts: 1}
	if s.importer != nil {
		a.limits = s.importer.ImportLimits()
	}
	if a.limits.Accounts <= 0 && a.limits.Bytes <= 0 {
		a.limits.Accounts = chunkUnlimited
	}
	a.imports = make(chan struct{}, max(a.limits.AtOnce, 1))
	return a
}

// userLabel begins the label of a user that goes by itself.
const userLabel = "user "

func (a *activation) keep(c chunk) (label string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut++
	label = "chunk " + strconv.Itoa(a.cut)
	a.chunks[label] = c
	return label
}

func (a *activation) put(label string, c chunk) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.chunks[label] = c
}

// chunk returns the chunk of a label, nil for a user of which nothing is known yet.
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

// activeLabels yields the users that have an account.
func (a *activation) activeLabels(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for page, err := range pages(a.task.Pending(), activationPage) {
			var active []string
			if err == nil {
				active, err = a.active(ctx, page)
			}
			if err != nil {
				yield("", err)
				return
			}
			for _, id := range active {
				if !yield(userLabel+id, nil) {
					return
				}
			}
		}
	}
}

// labels yields what there is to do as it is asked for. A chunk is as large as the
// provider takes it.
func (a *activation) labels(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var ready chunk
		left := a.task.Left()
		for page, err := range pages(a.task.Pending(), activationPage) {
			var found sorted
			if err == nil {
				found, err = a.begin(ctx, page)
			}
			if err != nil {
				yield("", err)
				return
			}
			for _, id := range slices.Concat(found.active, found.open) {
				if !yield(userLabel+id, nil) {
					return
				}
			}
			left -= len(page)
			var whole []chunk
			whole, ready = a.cutUp(append(ready, found.marked...), left)
			for _, c := range whole {
				if !yield(a.keep(c), nil) {
					return
				}
			}
		}
		if len(ready) > 0 {
			yield(a.keep(ready), nil)
		}
	}
}

// cutUp cuts c, after which more users are left, into chunks. The last may grow yet.
func (a *activation) cutUp(c chunk, left int) (whole []chunk, last chunk) {
	for len(c) > 0 {
		limits := a.limits
		limits.Accounts = a.share(len(c) + left)
		n := limits.Fitting(c.accounts())
		if n == len(c) && n < limits.Accounts {
			break
		}
		whole, c = append(whole, c[:n:n]), c[n:]
	}
	return whole, c
}

// share is how many accounts the next chunk has at most when so many are left. Chunks grow
// smaller towards the end, so that imports that run side by side end together.
func (a *activation) share(left int) int {
	fair := max(left/(2*cap(a.imports)), activationPage)
	if a.limits.Accounts > 0 {
		return min(fair, a.limits.Accounts)
	}
	return fair
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

// try does what a label stands for. A call for one account is seen to its end, with
// callCtx; an import ends with ctx, since it may take long and is gone on with by whoever
// runs the job next. An error means that it is to be tried again.
func (a *activation) try(ctx, callCtx context.Context, label string) (jobs.Outcome, error) {
	c := a.chunk(label)
	if id, alone := strings.CutPrefix(label, userLabel); alone && c == nil {
		outcome, marked, err := a.one(callCtx, id)
		if err != nil || marked == nil {
			outcome.ID = label
			return outcome, err
		}
		a.put(label, marked)
		c = marked
	}
	if err := a.makeAccounts(ctx, callCtx, c); err != nil {
		return jobs.Outcome{}, err
	}
	return jobs.Outcome{ID: label, Result: Inserted}, a.completeAll(callCtx, c)
}

// makeAccounts has the provider make the accounts of a chunk, unless an earlier try of it
// came further.
func (a *activation) makeAccounts(ctx, callCtx context.Context, c chunk) error {
	if c.made() {
		return nil
	}
	for i := range c {
		c[i].account.Blocked = !a.mayLogIn(c[i].seen) // a date may have come meanwhile
	}
	var err error
	if a.importer != nil {
		err = a.importChunk(ctx, c)
	} else {
		err = a.makeOne(callCtx, &c[0])
	}
	if err != nil && !upstream.Refused(err) {
		for i := range c {
			c[i].open = true
		}
	}
	return err
}

func (a *activation) importChunk(ctx context.Context, c chunk) error {
	select {
	case a.imports <- struct{}{}:
		defer func() { <-a.imports }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, longestImport)
	defer cancel()
	outcomes, err := a.importer.Import(ctx, c.accounts())
	switch {
	case upstream.RefusedForGood(err):
		for i := range c { // the words may be about any of them
			c[i].problem = &jobs.Problem{Code: providers.CodeRefused, Message: err.Error()}
		}
		return nil
	case err != nil:
		return err
	case len(outcomes) != len(c):
		return errIncomplete
	}
	for i := range c {
		c[i].authUserID, c[i].problem = outcomes[i].ID, problemOf(outcomes[i].Refusal)
		c[i].open = c[i].open || c[i].problem != nil && outcomes[i].ID != ""
	}
	return nil
}

var errIncomplete = errors.New("the provider's import does not say what became of each account")

// makeOne makes one account, or finds that an earlier try has made it.
func (a *activation) makeOne(ctx context.Context, c *candidate) error {
	account := c.account
	account.Password = secret.RandomPassword(a.PasswordLength)
	made, err := a.provider.Create(ctx, account)
	if errors.Is(err, providers.ErrConflict) {
		found, findErr := a.provider.Find(ctx, account)
		switch {
		case findErr == nil && found.Blocked != account.Blocked:
			made, err = a.provider.Update(ctx, found.ID, providers.Change{Blocked: &account.Blocked})
		case findErr == nil:
			made, err = found, nil
		case !errors.Is(findErr, providers.ErrNotFound):
			return findErr
		}
	}
	if err != nil && !upstream.RefusedForGood(err) {
		return err
	}
	c.authUserID, c.problem = made.ID, problemOf(providers.RefusalOf(err, account.Username, account.Email))
	return nil
}

func problemOf(refusal *providers.ImportRefusal) *jobs.Problem {
	if refusal == nil {
		return nil
	}
	return &jobs.Problem{Code: refusal.Code, Message: refusal.Message}
}

func failure(id string, p jobs.Problem) jobs.Outcome {
	return jobs.Outcome{ID: id, Result: jobs.FailedResult, Problems: []jobs.Problem{p}}
}
