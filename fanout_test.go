package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/providers"
	"user-manager/upstream/faults"
)

// A busyProvider takes a second for each call and counts those that are made at once.
type busyProvider struct {
	providers.Provider
	now, most atomic.Int64
}

func (p *busyProvider) call() {
	n := p.now.Add(1)
	for most := p.most.Load(); n > most && !p.most.CompareAndSwap(most, n); most = p.most.Load() {
	}
	time.Sleep(time.Second)
	p.now.Add(-1)
}

func (p *busyProvider) Create(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	p.call()
	return p.Provider.Create(ctx, a)
}

func (p *busyProvider) Account(ctx context.Context, id string) (providers.Account, error) {
	p.call()
	return p.Provider.Account(ctx, id)
}

func (p *busyProvider) Update(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
	p.call()
	return p.Provider.Update(ctx, id, c)
}

func (p *busyProvider) Delete(ctx context.Context, id string) error {
	p.call()
	return p.Provider.Delete(ctx, id)
}

func (p *busyProvider) ChangePassword(ctx context.Context, id string) error {
	p.call()
	return p.Provider.ChangePassword(ctx, id)
}

// TestFanOut: a request or job makes as many calls at once as FAN_OUT says, and no more;
// for mails it is twice as many.
func TestFanOut(t *testing.T) {
	t.Parallel()
	for _, fanOut := range []int64{1, 3} {
		t.Run(fmt.Sprint(fanOut), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { checkFanOut(t, fanOut) })
		})
	}
}

func checkFanOut(t *testing.T, fanOut int64) {
	slow := &busyProvider{}
	h := newHarnessWith(t, map[string]string{
		"FAN_OUT": fmt.Sprint(fanOut), "AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND": "1000000", "AUTH_HARD_DELETE": "false",
	}, func(p providers.Provider, _ *faults.Plan) providers.Provider {
		slow.Provider = p
		return slow
	})
	check := func(what string, want int64) {
		t.Helper()
		if got := slow.most.Swap(0); got != want {
			t.Errorf("%s: %d calls at once, want %d", what, got, want)
		}
	}
	users, ids := make([]string, 12), []string{}
	for i := range users {
		users[i] = fmt.Sprintf(`{"userGroup":"customers","email":"ann%d@example.com","username":"ann%d","name":"Ann","surname":"Lee"}`, i, i)
	}
	h.must("POST", "/users/bulk", "["+strings.Join(users, ",")+"]")
	check("users that are created", fanOut)
	for _, user := range h.all("/users") {
		ids = append(ids, fmt.Sprintf(`"%s"`, user["authUserId"]))
	}
	h.must("POST", "/users/state", `{"filter":{"userGroup":"customers"},"stateTo":"TRASH"}`)
	check("users whose state changes", fanOut)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.api.jobs.Run(ctx) }()
	h.must("POST", "/jobs/change-password/bulk", `{"authUsersIds":[`+strings.Join(ids, ",")+`]}`)
	time.Sleep(time.Minute)
	check("mails", 2*fanOut)
	stop()
	<-ended
}
