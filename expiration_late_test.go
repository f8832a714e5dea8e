package main

import (
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
	"user-manager/secret"
	"user-manager/timer/timertest"
	"user-manager/upstream"
)

// withTimerService has copies use one Timer Service over the network.
func (c *copies) withTimerService() *timertest.Service {
	service := timertest.New(timertest.Config{})
	c.neighbours = func(cfg config, n *neighbours) {
		cfg.timers = timerConfig{url: "http://timer", callback: "http://user-manager", secret: secret.New(testSecret)}
		timers, err := networkTimers(cfg, crud.InProcess(service), testLog(c.t), upstream.Observer{})
		if err != nil {
			c.t.Fatal(err)
		}
		n.timers = timers
	}
	return service
}

// TestTimerCallsAnotherCopy: a timer fires by another copy while one changes the user, and the
// user does not expire at that time, not yet or not any more. In the end it is blocked.
func TestTimerCallsAnotherCopy(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	for name, test := range map[string]struct {
		first  func() string // date of the user
		change func() string
		part   string // of the body of the request that is held up
		before bool   // before it is carried out, otherwise after
		fails  bool   // the change is undone
	}{
		"before the date comes":      {func() string { return "2999-01-01" }, func() string { return `{"expirationDate":"` + in(2*time.Second) + `"}` }, "expirationDate", true, false},
		"before the date comes back": {func() string { return in(2 * time.Second) }, func() string { return `{"expirationDate":"2999-01-01","email":"taken@example.com"}` }, "expirationDate", false, true},
		"before the block is undone": {func() string { return in(2 * time.Second) }, func() string { return `{"blocked":true,"email":"taken@example.com"}` }, "blocked", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var armed atomic.Bool
				c := &copies{}
				timers := c.withTimerService()
				hold := func(before bool) func(*http.Request) error {
					return func(r *http.Request) error {
						if r.Method != http.MethodPatch || test.before != before || !armed.Load() || !strings.HasPrefix(r.URL.Path, "/users/") {
							return nil
						}
						body, err := r.GetBody()
						if err != nil {
							return err
						}
						if sent, _ := io.ReadAll(body); strings.Contains(string(sent), test.part) && armed.CompareAndSwap(true, false) {
							<-time.After(4 * time.Second)
						}
						return nil
					}
				}
				c.toStore = func(i int, next http.RoundTripper) http.RoundTripper {
					if i > 0 {
						return next
					}
					return watchedStore{next: next, before: hold(true), after: hold(false)}
				}
				c.start(t, 2, 1)
				defer c.close()
				if test.fails {
					taken := providers.NewAccount{Key: strings.Repeat("a", 24), Email: "taken@example.com", Password: secret.New("correct horse"), Blocked: true}
					if _, err := c.provider.Create(t.Context(), taken); err != nil {
						t.Fatal(err)
					}
				}
				id := c.newUser(`"email":"u@example.com","password":"correct horse","expirationDate":"`+test.first()+`"`, false)
				armed.Store(true)
				var beside sync.WaitGroup
				beside.Go(func() {
					if got := c.members[0].call("PATCH", "/users/"+id, test.change()); got.status > 299 != test.fails {
						t.Errorf("change = %d %s", got.status, got.body)
					}
				})
				for range 30 {
					<-time.After(time.Second)
					timers.Fire(t.Context(), crud.InProcess(c.members[1].handler), time.Now())
				}
				beside.Wait()
				if armed.Load() {
					t.Error("nothing was held up")
				}
				login := c.members[1].call("POST", "/oauth/token", `{"username":"u@example.com","password":"correct horse"}`)
				if login.status != http.StatusUnauthorized {
					t.Errorf("login = %d %s", login.status, login.body)
				}
				for _, user := range c.all("/users") {
					if user["email"] == "u@example.com" && user["blocked"] != true {
						t.Errorf("user %v is not blocked", user)
					}
				}
			})
		})
	}
}

// TestRegisteredMeanwhile: a copy registers a user without an account while its creation by
// another waits for the last answer, which does not come. What came of it stands, and expires.
func TestRegisteredMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var armed atomic.Bool
		c := &copies{}
		timers := c.withTimerService()
		c.toStore = func(i int, next http.RoundTripper) http.RoundTripper {
			return watchedStore{next: next, after: func(r *http.Request) error {
				if i > 0 || r.Method != http.MethodPatch || !strings.HasPrefix(r.URL.Path, "/users") || !armed.CompareAndSwap(true, false) {
					return nil
				}
				<-r.Context().Done()
				return errCut
			}}
		}
		c.start(t, 2, 1)
		defer c.close()
		armed.Store(true)
		var beside sync.WaitGroup
		beside.Go(func() {
			date := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
			got := c.members[0].call("POST", "/users/?postponeAuthUserCreation=true", `{`+annFields+`,"expirationDate":"`+date+`"}`)
			if got.status != 500 || armed.Load() {
				t.Errorf("creation = %d %s", got.status, got.body)
			}
		})
		<-time.After(time.Second)
		c.members[1].must("POST", "/users/register?sendResetPwdEmail=false", `{"_id":"`+c.all("/users")[0]["_id"].(string)+`","password":"correct horse"}`)
		beside.Wait()
		c.settled()
		c.checkTogether()
		<-time.After(time.Hour)
		timers.Fire(t.Context(), crud.InProcess(c.members[1].handler), time.Now())
		if user := c.all("/users")[0]; user["blocked"] != true {
			t.Errorf("user %v is not blocked", user)
		}
		if err := c.failClosed(false); err != nil {
			t.Error(err)
		}
	})
}
