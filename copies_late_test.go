package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/upstream"
)

// A barrier holds up who passes while it is down.
type barrier struct {
	mu   sync.Mutex
	down chan struct{} // guarded by mu; nil: it is up, otherwise closed when it goes up
}

func (b *barrier) lower() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = make(chan struct{})
}

func (b *barrier) raise() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.down)
	b.down = nil
}

func (b *barrier) pass() {
	b.mu.Lock()
	down := b.down
	b.mu.Unlock()
	if down != nil {
		<-down
	}
}

// watchedStore is a copy's way to the store on which a test does something before a
// request, or instead of it, or after it; nil: nothing.
type watchedStore struct {
	next   http.RoundTripper
	before func(*http.Request) error
	after  func(*http.Request) error
}

func (w watchedStore) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.before != nil {
		if err := w.before(r); err != nil {
			return nil, err
		}
	}
	res, err := w.next.RoundTrip(r)
	if err == nil && w.after != nil {
		if err := w.after(r); err != nil {
			res.Body.Close()
			return nil, err
		}
	}
	return res, err
}

// watchedProvider is a provider on which a test does something before a call.
type watchedProvider struct {
	providers.Provider
	update  func(ctx context.Context, id string, c providers.Change) error
	account func(ctx context.Context, id string) error
	create  func()
}

func (p watchedProvider) Update(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
	if p.update != nil {
		if err := p.update(ctx, id, c); err != nil {
			return providers.Account{}, err
		}
	}
	return p.Provider.Update(context.WithoutCancel(ctx), id, c)
}

func (p watchedProvider) Account(ctx context.Context, id string) (providers.Account, error) {
	if p.account != nil {
		if err := p.account(ctx, id); err != nil {
			return providers.Account{}, err
		}
	}
	return p.Provider.Account(ctx, id)
}

func (p watchedProvider) Create(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	if p.create != nil {
		p.create()
	}
	return p.Provider.Create(ctx, a)
}

func unblocks(c providers.Change) bool { return c.Blocked != nil && !*c.Blocked }

var errCut = errors.New("connection reset by peer")

// newUser makes a user by the first copy and returns its id.
func (c *copies) newUser(fields string, postponed bool) (id string) {
	c.t.Helper()
	c.members[0].must("POST", fmt.Sprintf("/users/?sendResetPwdEmail=false&postponeAuthUserCreation=%v", postponed), `{"userGroup":"customers",`+fields+`}`)
	for _, user := range c.all("/users") {
		id = user["_id"].(string)
	}
	return id
}

// newBlocked makes a blocked user with an account.
func (c *copies) newBlocked() (id string) {
	c.t.Helper()
	id = c.newUser(`"email":"u@example.com","password":"correct horse"`, false)
	c.members[0].must("PATCH", "/users/"+id, `{"blocked":true}`)
	return id
}

// unblockBeside has one copy unblock a user, and another block it a while later; it ends
// when both are answered, the first if that raises something before.
func (c *copies) unblockBeside(id string, unblocker, blocker *member, pause time.Duration, then func()) {
	c.t.Helper()
	var beside sync.WaitGroup
	beside.Go(func() {
		got := unblocker.call("PATCH", "/users/"+id, `{"blocked":false}`)
		c.t.Log("unblock:", got.status, got.body)
	})
	<-time.After(pause)
	got := blocker.call("PATCH", "/users/"+id, `{"blocked":true}`)
	c.t.Log("block:", got.status, got.body)
	if then != nil {
		then()
	}
	beside.Wait()
}

// TestPausedCopy: a copy stands still between unblocking the user in the store and at the
// provider, for so long that another takes the operation over and blocks the user; then it
// goes on. A third copy may have come meanwhile.
func TestPausedCopy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pause time.Duration
		joins bool
	}{
		"two minutes":                 {2 * time.Minute, false},
		"four minutes":                {4 * time.Minute, false},
		"two minutes, another joins":  {2 * time.Minute, true},
		"four minutes, another joins": {4 * time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var still barrier
				var armed atomic.Bool
				c := &copies{}
				c.toStore = func(i int, next http.RoundTripper) http.RoundTripper {
					if i != 0 {
						return next
					}
					return watchedStore{next: next, before: func(*http.Request) error { still.pass(); return nil }}
				}
				c.toProvider = func(i int, next providers.Provider) providers.Provider {
					return watchedProvider{Provider: next, update: func(_ context.Context, _ string, change providers.Change) error {
						if i == 0 && unblocks(change) && armed.CompareAndSwap(true, false) {
							still.lower()
						}
						if i == 0 {
							still.pass()
						}
						return nil
					}}
				}
				c.start(t, 2, 1)
				defer c.close()
				id := c.newBlocked()
				armed.Store(true)
				c.unblockBeside(id, c.members[0], c.members[1], test.pause, func() {
					if test.joins {
						c.join(c.provider, new(atomic.Bool))
						<-time.After(90 * time.Second)
					}
					still.raise()
				})
				c.settled()
				c.checkTogether()
			})
		})
	}
}

// TestSettlingTakesLong: the provider hangs for some accounts, so that a round of settling
// takes minutes. The copies still see each other, and neither takes over what the other is
// at work on.
func TestSettlingTakesLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var stuck sync.Map // ids of accounts
		var slow atomic.Bool
		hang := func(ctx context.Context, id string) error {
			if _, is := stuck.Load(id); is {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		c := &copies{toProvider: func(i int, next providers.Provider) providers.Provider {
			return watchedProvider{Provider: next, account: hang, update: func(ctx context.Context, id string, change providers.Change) error {
				if i == 0 && slow.Load() && unblocks(change) {
					<-time.After(8 * time.Second)
				}
				return hang(ctx, id)
			}}
		}}
		c.start(t, 2, 1)
		defer c.close()
		var ids []string
		for i := range 14 {
			ids = append(ids, c.newUser(fmt.Sprintf(`"email":"u%d@example.com"`, i), false))
		}
		for _, user := range c.all("/users") {
			stuck.Store(user["authUserId"], true)
		}
		free := c.newBlocked()
		var clients sync.WaitGroup
		for _, id := range ids {
			clients.Go(func() { c.members[0].call("PATCH", "/users/"+id, `{"blocked":true}`) })
		}
		clients.Wait()
		<-time.After(90 * time.Second)
		slow.Store(true)
		c.unblockBeside(free, c.members[0], c.members[1], time.Second, nil)
		stuck.Clear()
		c.settled()
		c.checkTogether()
	})
}

// slowlyUnblocked is a provider on which unblocking takes a while once slow is set.
func slowlyUnblocked(next providers.Provider, slow *atomic.Bool) providers.Provider {
	return watchedProvider{Provider: next, update: func(_ context.Context, _ string, change providers.Change) error {
		if slow.Load() && unblocks(change) {
			<-time.After(3 * time.Second)
		}
		return nil
	}}
}

// TestStoreGoneForAll: the store was gone for more than a minute for all copies. When it is
// back none takes another for gone before that had a chance to show itself.
func TestStoreGoneForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down, slow atomic.Bool
		c := &copies{toStore: func(_ int, next http.RoundTripper) http.RoundTripper {
			return watchedStore{next: next, before: func(*http.Request) error {
				if down.Load() {
					return errCut
				}
				return nil
			}}
		}}
		c.start(t, 1, 1)
		defer c.close()
		<-time.After(5 * time.Second) // the copies look around at different times
		c.join(slowlyUnblocked(c.provider, &slow), new(atomic.Bool))
		id := c.newBlocked()
		<-time.After(27 * time.Second)
		down.Store(true)
		<-time.After(65 * time.Second)
		down.Store(false)
		slow.Store(true)
		<-time.After(4 * time.Second) // the first has looked, the second has not shown itself
		c.unblockBeside(id, c.members[1], c.members[0], 500*time.Millisecond, nil)
		c.settled()
		c.checkTogether()
	})
}

// TestCopyThatCannotRecover: a copy cannot read what an earlier process left, yet serves.
// The others know that it is there.
func TestCopyThatCannotRecover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		c := &copies{toStore: func(i int, next http.RoundTripper) http.RoundTripper {
			return watchedStore{next: next, before: func(r *http.Request) error {
				if i == 1 && r.Method == http.MethodGet && strings.Contains(r.URL.RawQuery, "creating") {
					return errCut
				}
				return nil
			}}
		}}
		c.start(t, 1, 1)
		defer c.close()
		id := c.newBlocked()
		c.join(slowlyUnblocked(c.provider, &slow), new(atomic.Bool))
		<-time.After(100 * time.Second)
		slow.Store(true)
		c.unblockBeside(id, c.members[1], c.members[0], 500*time.Millisecond, nil)
		c.settled()
		c.checkTogether()
	})
}

// TestAccountMeanwhile: while one copy changes a user that has no account, another gives it
// one. The account says what the user says, or the change is not made.
func TestAccountMeanwhile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ first, change string }{
		"email":   {``, `{"email":"new@example.com"}`},
		"unblock": {`{"blocked":true}`, `{"blocked":false}`},
	} {
		for how, give := range map[string]func(m *member, id string) reply{
			"activation": func(m *member, id string) reply {
				return m.call("POST", "/jobs/bulk-activation", `[{"filter":{"userId":"`+id+`"}}]`)
			},
			"registration": func(m *member, id string) reply {
				return m.call("POST", "/users/register?sendResetPwdEmail=false", `{"_id":"`+id+`"}`)
			},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { accountMeanwhile(t, test.first, test.change, give) })
			})
		}
	}
}

func accountMeanwhile(t *testing.T, first, change string, give func(m *member, id string) reply) {
	var beside sync.WaitGroup
	var id string
	var armed atomic.Bool
	c := &copies{}
	c.toStore = func(i int, next http.RoundTripper) http.RoundTripper {
		return watchedStore{next: next, after: func(r *http.Request) error {
			if i == 0 && r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/"+id) && armed.CompareAndSwap(true, false) {
				beside.Go(func() { give(c.members[1], id) })
				<-time.After(300 * time.Millisecond)
			}
			return nil
		}}
	}
	c.toProvider = func(_ int, next providers.Provider) providers.Provider {
		return watchedProvider{Provider: next, create: func() { <-time.After(time.Second) }}
	}
	c.start(t, 2, 1)
	defer c.close()
	id = c.newUser(`"email":"u@example.com"`, true)
	if first != "" {
		c.members[0].must("PATCH", "/users/"+id, first)
	}
	armed.Store(true)
	got := c.members[0].call("PATCH", "/users/"+id, change)
	t.Log(got.status, got.body)
	beside.Wait()
	<-time.After(3 * time.Second)
	if err := c.failClosed(false); err != nil {
		t.Error("after 3 s:", err)
	}
	c.settled()
	c.checkTogether()
}

// lateStore loses the answer of a request and has it done some seconds later.
type lateStore struct {
	next  http.RoundTripper
	armed *atomic.Bool
	late  *sync.WaitGroup
}

func (l lateStore) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPatch || !strings.HasPrefix(r.URL.Path, "/users/") || !l.armed.CompareAndSwap(true, false) {
		return l.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	again := r.Clone(context.WithoutCancel(r.Context()))
	again.Body = io.NopCloser(bytes.NewReader(body))
	l.late.Go(func() {
		<-time.After(5 * time.Second)
		if res, err := l.next.RoundTrip(again); err == nil {
			res.Body.Close()
		}
	})
	return nil, errCut
}

// TestFirstTryComesLate: the transport makes a change at the second try, and the first
// takes effect when another change has been acknowledged.
func TestFirstTryComesLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var armed atomic.Bool
		var late sync.WaitGroup
		c := &copies{toStore: func(_ int, next http.RoundTripper) http.RoundTripper {
			return upstream.NewNetwork(upstream.NetworkConfig{Service: crud.Service, Timeout: 10 * time.Second, Log: testLog(t), Base: lateStore{next, &armed, &late}})
		}}
		c.start(t, 1, 1)
		defer c.close()
		id := c.newUser(`"email":"u@example.com"`, false)
		armed.Store(true)
		c.members[0].must("PATCH", "/users/"+id, `{"blocked":true}`)
		c.members[0].must("PATCH", "/users/"+id, `{"blocked":false}`)
		late.Wait()
		c.settled()
		c.checkTogether()
	})
}

// TestLostChangeStays: the answer to a change is lost, and another copy changes the same
// field: what it acknowledged is not taken back.
func TestLostChangeStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var armed atomic.Bool
		var id string
		c := &copies{}
		c.toStore = func(i int, next http.RoundTripper) http.RoundTripper {
			return watchedStore{next: next, after: func(r *http.Request) error {
				if i != 0 || r.Method != http.MethodPatch || !armed.CompareAndSwap(true, false) {
					return nil
				}
				c.members[1].must("PATCH", "/users/"+id, `{"name":"Two"}`)
				return errCut
			}}
		}
		c.start(t, 2, 1)
		defer c.close()
		id = c.newUser(`"email":"u@example.com","name":"Zero"`, false)
		armed.Store(true)
		c.members[0].call("PATCH", "/users/"+id, `{"name":"One"}`)
		if name := c.all("/users")[0]["name"]; name != "Two" {
			t.Errorf("the name is %v, though Two was acknowledged last", name)
		}
	})
}

// TestNoteWithoutHolder: a note of a process that shared the journal with nobody is settled.
func TestNoteWithoutHolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCopies(t, 1, 1)
		defer c.close()
		c.newUser(`"email":"u@example.com"`, false)
		user := c.all("/users")[0]
		note := crud.Document{"operation": "0123", "kind": "change", "userId": user["_id"], "authUserId": user["authUserId"]}
		if _, err := c.client.Collection("/journal").Insert(t.Context(), note); err != nil {
			t.Fatal(err)
		}
		c.settled()
	})
}
