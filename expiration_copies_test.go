package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/rond/rondtest"
	"user-manager/secret"
	"user-manager/upstream"
)

// A timedCopies are copies that share the embedded timers, and know how often each user's
// timer has called.
type timedCopies struct {
	*copies
	mu    sync.Mutex
	calls map[string][]int // the copies that a user's timer has called, by the path; guarded by mu
}

// newTimedCopies starts two copies with timers, and with roles by Rönd if there is one.
func newTimedCopies(t *testing.T, seed uint64, rond *rondtest.Rond) *timedCopies {
	t.Helper()
	c := &timedCopies{copies: &copies{}, calls: map[string][]int{}}
	c.called = func(i int, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.calls[r.URL.Path] = append(c.calls[r.URL.Path], i)
	}
	c.neighbours = func(cfg config, n *neighbours) {
		log := testLog(t)
		cfg.timers = timerConfig{embedded: true, callback: "http://user-manager", secret: secret.New(testSecret)}
		timers, err := embeddedTimers(cfg, n.store.client.Collection("/timers"), false, crud.InProcess, log, upstream.Observer{})
		if err != nil {
			t.Fatal(err)
		}
		n.timers = timers
		if rond == nil {
			return
		}
		cfg.rond = rondConfig{url: "http://rond"}
		if n.grants, err = openGrants(cfg, crud.InProcess(rond), log, upstream.Observer{}); err != nil {
			t.Fatal(err)
		}
	}
	c.start(t, 2, seed)
	return c
}

// kill ends a copy as a power cut of its process would.
func (c *copies) kill(i int) {
	c.members[i].dead.Store(true)
	c.members[i].stop()
}

// makeDated makes n users by both copies, who expire one after the other from a time on.
func (c *timedCopies) makeDated(n int, from time.Time) {
	c.t.Helper()
	for i := range n {
		date := from.Add(time.Duration(i) * 100 * time.Millisecond).UTC().Format("2006-01-02T15:04:05.000Z")
		c.members[i%2].must("POST", "/users/?sendResetPwdEmail=false", fmt.Sprintf(`{"userGroup":"customers","email":"u%d@example.com","expirationDate":%q}`, i, date))
	}
}

// checkAllBlocked reports users that are not blocked, and accounts that may log in.
func (c *timedCopies) checkAllBlocked(n int) {
	c.t.Helper()
	users := c.all("/users")
	if len(users) != n {
		c.t.Errorf("%d users, want %d", len(users), n)
	}
	for _, user := range users {
		if user["blocked"] != true {
			c.t.Errorf("%v, who has expired at %v, is not blocked", user["email"], user["expirationDate"])
		}
	}
	for _, account := range c.accounts() {
		if account["blocked"] != true {
			c.t.Errorf("the account of %v can log in", account["email"])
		}
	}
}

// TestTimersOfTwoCopies: every user is blocked when it expires, by one call of its timer to
// one of the copies; both take their part.
func TestTimersOfTwoCopies(t *testing.T) {
	overConnectionsAnyway(t)
	t.Parallel()
	for seed := range amount(20, 3, 1) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newTimedCopies(t, uint64(seed), nil)
				defer c.close()
				const n = 40
				from := time.Now().Add(time.Minute)
				c.makeDated(n, from)
				<-time.After(time.Until(from.Add(n*100*time.Millisecond + time.Second)))
				c.checkAllBlocked(n)
				if len(c.calls) != n {
					t.Errorf("timers have called for %d users, want %d", len(c.calls), n)
				}
				for path, copies := range c.calls {
					if len(copies) != 1 {
						t.Errorf("POST %s was called by the copies %v", path, copies)
					}
				}
				c.settled()
				c.checkTogether()
			})
		})
	}
}

// TestTimersOfACopyGone: one of two copies is killed while users expire. The other blocks
// them all, those that the dead one was at work on a minute or two later.
func TestTimersOfACopyGone(t *testing.T) {
	overConnectionsAnyway(t)
	t.Parallel()
	for seed := range amount(40, 6, 1) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newTimedCopies(t, uint64(seed), nil)
				defer c.close()
				const n = 40
				from := time.Now().Add(10 * time.Second)
				c.makeDated(n, from)
				rng := rand.New(rand.NewPCG(uint64(seed), 21))
				<-time.After(time.Until(from.Add(time.Duration(rng.IntN(n*100)) * time.Millisecond)))
				c.kill(0)
				<-time.After(10 * time.Minute)
				c.checkAllBlocked(n)
				c.settled()
				c.checkTogether()
			})
		})
	}
}

// TestTwoCopiesWithNeighbours is TestTwoCopies for users that have roles and expire; sometimes
// one of the copies is killed. In the end the accounts have the roles of their users, and who
// has expired is blocked.
func TestTwoCopiesWithNeighbours(t *testing.T) {
	overConnectionsAnyway(t)
	t.Parallel()
	for seed := range amount(60, 12, 2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { copiesWithNeighbours(t, uint64(seed)) })
		})
	}
}

func copiesWithNeighbours(t *testing.T, seed uint64) {
	rond := rondtest.New(rondtest.Config{})
	c := newTimedCopies(t, seed, rond)
	defer c.close()
	c.rond = rond
	rng := rand.New(rand.NewPCG(seed, 23))
	ids := c.shareUsers(func(int) bool { return rng.IntN(3) == 0 })
	var clients errgroup.Group
	for client := range 6 {
		m, rng := c.members[client%2], rand.New(rand.NewPCG(seed, uint64(client)+300))
		clients.Go(func() error {
			for range 8 {
				method, path, body, header := requestOfNeighbours(rng, ids)
				m.call(method, path, body, header...)
				<-time.After(time.Duration(rng.IntN(400)) * time.Millisecond)
			}
			return nil
		})
	}
	if seed%3 == 0 {
		<-time.After(time.Duration(rng.IntN(3000)) * time.Millisecond)
		c.kill(0)
	}
	_ = clients.Wait()
	<-time.After(5 * time.Minute)
	c.settled()
	c.checkTogether()
	c.checkGrants()
	for _, user := range c.all("/users") {
		if date, _ := user["expirationDate"].(string); date != "" && isOver(t, date) && user["blocked"] != true {
			t.Errorf("%v in %v, who has expired at %s, is not blocked", user["email"], user["__STATE__"], date)
		}
	}
}

// requestOfNeighbours makes a request that concerns roles or a timer, or any other.
func requestOfNeighbours(rng *rand.Rand, ids []string) (method, path, body string, header []string) {
	id := ids[rng.IntN(len(ids))]
	date := time.Now().Add(time.Duration(rng.IntN(20_000)) * time.Millisecond).UTC().Format(time.RFC3339Nano)
	roles := []string{`[]`, `["editor"]`, `["editor","reader"]`, `["boss"]`}[rng.IntN(4)]
	switch rng.IntN(6) {
	case 0:
		return "PATCH", "/users/" + id, `{"roles":` + roles + `}`, nil
	case 1:
		return "PATCH", "/users/" + id, `{"expirationDate":"` + date + `"}`, nil
	case 2:
		return "PATCH", "/users/" + id, `{"$unset":{"expirationDate":true},"$set":{"blocked":false}}`, nil
	case 3:
		return "PATCH", "/users/" + id, `{"roles":` + roles + `,"expirationDate":"` + date + `"}`, nil
	default:
		return randomRequest(rng, ids)
	}
}
