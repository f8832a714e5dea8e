package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/crud/crudtest"
	"user-manager/crud/embedded"
	"user-manager/providers"
	"user-manager/providers/fake"
)

// copies are several copies of the service on one store over the network and one
// provider.
type copies struct {
	*harness // what looks at store and provider, beside the copies
	store    *crudtest.Server
	members  []*member
	// What stands between a copy and its upstreams; nil: nothing more.
	toStore    func(copy int, next http.RoundTripper) http.RoundTripper
	toProvider func(copy int, next providers.Provider) providers.Provider
	// neighbours completes those of a copy; nil: there are no more.
	neighbours func(cfg config, n *neighbours)
	called     func(copy int, r *http.Request) // by a timer of its own; nil: no matter
}

// A member is one of the copies.
type member struct {
	*harness
	stop context.CancelFunc
	work errgroup.Group // what the process does besides answering
	dead *atomic.Bool   // it reaches nobody any more, as if it had been killed
}

var errDead = errors.New("this copy was killed")

// mortal is a member's way to the store.
type mortal struct {
	next http.RoundTripper
	dead *atomic.Bool
}

func (m mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	if m.dead.Load() {
		return nil, errDead
	}
	res, err := m.next.RoundTrip(r)
	if m.dead.Load() && err == nil {
		res.Body.Close()
		return nil, errDead
	}
	return res, err
}

// slowProvider takes some time for each call that changes something, so that operations of
// several copies come between each other.
type slowProvider struct {
	providers.Provider
	pause func()
	dead  *atomic.Bool
}

func mortally[T any](p slowProvider, call func() (T, error)) (T, error) {
	var none T
	if p.pause(); p.dead.Load() {
		return none, errDead
	}
	answer, err := call()
	if p.pause(); p.dead.Load() {
		return none, errDead
	}
	return answer, err
}

func (p slowProvider) Create(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	return mortally(p, func() (providers.Account, error) { return p.Provider.Create(ctx, a) })
}

func (p slowProvider) Update(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
	return mortally(p, func() (providers.Account, error) { return p.Provider.Update(ctx, id, c) })
}

func (p slowProvider) Delete(ctx context.Context, id string) error {
	_, err := mortally(p, func() (struct{}, error) { return struct{}{}, p.Provider.Delete(ctx, id) })
	return err
}

// A jitter is a latency by chance. It may be used by several goroutines.
type jitter struct {
	mu  sync.Mutex
	rng *rand.Rand // guarded by mu
}

func (j *jitter) latency() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return time.Duration(j.rng.IntN(5000)) * time.Microsecond
}

// newCopies starts n copies in a bubble. The store has fixed schemas, and a latency by
// chance.
func newCopies(t *testing.T, n int, seed uint64) *copies {
	t.Helper()
	c := &copies{}
	c.start(t, n, seed)
	return c
}

// start starts n copies by what is set up in c.
func (c *copies) start(t *testing.T, n int, seed uint64) {
	t.Helper()
	db, err := embedded.Open(t.Context(), embedded.Config{Path: ":memory:", Collections: append(fake.Collections(),
		embedded.Users("/users"), embedded.Groups("/ums-config"), embedded.Roles("/roles"), embedded.Journal("/journal"), embedded.Jobs("/jobs"), embedded.Timers("/timers"))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	beside, err := crud.New("http://embedded", crud.InProcess(db), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	chance := &jitter{rng: rand.New(rand.NewPCG(seed, 5))}
	c.store = &crudtest.Server{Store: db, Latency: func(string) time.Duration { return chance.latency() }}
	c.store.ListenInMemory()
	t.Cleanup(func() { c.store.Close() })
	provider, err := providers.Open(t.Context(), "fake", providers.Settings{Getenv: func(string) string { return "" }, Log: testLog(t), Local: beside})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { provider.(io.Closer).Close() })
	c.harness = &harness{t: t, client: beside, provider: provider, seen: newPlaceholders()}
	groups, err := readGroups(strings.NewReader(string(demoGroups)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := beside.Collection("/ums-config").InsertAll(t.Context(), groups); err != nil {
		t.Fatal(err)
	}
	for range n {
		dead := new(atomic.Bool)
		c.join(slowProvider{provider, func() { <-time.After(chance.latency()) }, dead}, dead)
	}
}

// join starts one more copy.
func (c *copies) join(provider providers.Provider, dead *atomic.Bool) {
	c.t.Helper()
	i := len(c.members)
	env := environment(map[string]string{
		"CRUD_SERVICE": c.store.URL, "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/ums-config",
		"ROLES_CRUD_ENDPOINT": "/roles", "JOURNAL_CRUD_ENDPOINT": "/journal", "JOBS_CRUD_ENDPOINT": "/jobs", "RANDOM_PWD_GEN": "false",
	})
	cfg, err := loadConfig(env)
	if err != nil {
		c.t.Fatal(err)
	}
	transport := &http.Transport{DialContext: c.store.Dial, MaxIdleConnsPerHost: 64}
	c.t.Cleanup(transport.CloseIdleConnections)
	way := http.RoundTripper(mortal{transport, dead})
	if c.toStore != nil {
		way = c.toStore(i, way)
	}
	if c.toProvider != nil {
		provider = c.toProvider(i, provider)
	}
	s, err := newStore(cfg, c.store.URL, way)
	if err != nil {
		c.t.Fatal(err)
	}
	log := testLog(c.t).With("copy", i)
	m := &member{dead: dead, harness: &harness{t: c.t, client: c.client, provider: c.provider, seen: c.seen}}
	n := neighbours{store: s, provider: provider}
	if c.neighbours != nil {
		c.neighbours(cfg, &n)
	}
	m.api = newAPI(cfg, n, log)
	m.handler = m.api.handler()
	if err := m.api.users.Recover(c.t.Context()); err != nil {
		c.t.Log(err) // Run tries again
	}
	ctx, stop := context.WithCancel(c.t.Context())
	m.stop = stop
	m.work.Go(func() error { return m.api.users.Run(ctx) })
	m.work.Go(func() error { return m.api.jobs.Run(ctx) })
	m.work.Go(func() error { return m.api.timers.run(ctx, c.watch(i, m.handler)) })
	c.members = append(c.members, m)
}

// watch returns the handler of a copy as its own timers call it.
func (c *copies) watch(i int, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.called != nil {
			c.called(i, r)
		}
		h.ServeHTTP(w, r)
	})
}

// close stops the copies, and waits for them.
func (c *copies) close() {
	c.t.Helper()
	for _, m := range c.members {
		m.stop()
		if err := m.work.Wait(); err != nil {
			c.t.Error(err)
		}
	}
}

// checkTogether reports users and accounts that do not belong together or do not say the
// same.
func (c *copies) checkTogether() {
	c.t.Helper()
	if err := c.failClosed(false); err != nil {
		c.t.Error(err)
	}
	accounts := map[string]crud.Document{}
	for _, account := range c.all("/fake/accounts") {
		accounts[accountID(account)] = account
	}
	owners := map[string]int{}
	for _, user := range c.all("/users") {
		id, linked := user["authUserId"].(string)
		account := accounts[id]
		if linked && account == nil && user["__STATE__"] != "DELETED" {
			c.t.Errorf("a user in %v has the authUserId %s, of no account", user["__STATE__"], id)
		}
		if account == nil {
			continue
		}
		owners[id]++
		if account["email"] != user["email"] || (account["blocked"] == true) != (user["blocked"] == true || user["__STATE__"] != "PUBLIC") {
			c.t.Errorf("the user %v (%v, blocked %v) has the account %v (blocked %v)", user["email"], user["__STATE__"], user["blocked"], account["email"], account["blocked"])
		}
	}
	for id := range accounts {
		if owners[id] != 1 {
			c.t.Errorf("account %s has %d users", id, owners[id])
		}
	}
}

// settled waits until no copy has anything left to settle and no job runs, and long enough
// for notes to be closed.
func (c *copies) settled() {
	c.t.Helper()
	<-time.After(10 * time.Minute)
	for _, note := range c.all("/journal") {
		if note["kind"] != "process" {
			c.t.Errorf("the journal still has %v", note)
		}
	}
	for _, job := range c.all("/jobs") {
		if status := job["status"]; job["type"] == "job" && status != "completed" && status != "failed" {
			c.t.Errorf("a job is still %v", status)
		}
	}
}

// TestTwoCopies has two copies of the service take random requests for the same few users,
// with jobs and an import among them. In the end nobody can log in who must not, users and
// accounts belong together and say the same, and no request was answered with a mistake of
// the service's own.
func TestTwoCopies(t *testing.T) {
	overConnectionsAnyway(t)
	t.Parallel()
	for seed := range amount(40, 15, 4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { twoCopies(t, uint64(seed)) })
		})
	}
}

// shareUsers makes a few users, some of them without an account, and returns their ids.
func (c *copies) shareUsers(postponed func(i int) bool) (ids []string) {
	c.t.Helper()
	for i := range 4 {
		ids = append(ids, c.newUser(fmt.Sprintf(`"email":"u%d@example.com","password":"correct horse"`, i), postponed(i)))
	}
	return ids
}

func twoCopies(t *testing.T, seed uint64) {
	c := newCopies(t, 2, seed)
	defer c.close()
	rng := rand.New(rand.NewPCG(seed, 7))
	ids := c.shareUsers(func(int) bool { return rng.IntN(2) == 0 })
	var clients errgroup.Group
	for client := range 6 {
		m, rng := c.members[client%2], rand.New(rand.NewPCG(seed, uint64(client)+100))
		clients.Go(func() error {
			for range 8 {
				method, path, body, header := randomRequest(rng, ids)
				got := m.call(method, path, body, header...)
				refused := strings.Contains(got.body, "404 status code") || strings.Contains(got.body, "E11000")
				if got.status >= 500 && !refused {
					t.Errorf("%s %s %s = %d %s", method, path, body, got.status, got.body)
				}
			}
			return nil
		})
	}
	_ = clients.Wait()
	c.settled()
	c.checkTogether()
}

// randomRequest makes a request of any kind for one of the users, or some.
func randomRequest(rng *rand.Rand, ids []string) (method, path, body string, header []string) {
	n := rng.IntN(len(ids))
	id, email := ids[n], fmt.Sprintf("u%d@example.com", n)
	state := []string{"PUBLIC", "DRAFT", "TRASH"}[rng.IntN(3)]
	switch rng.IntN(12) {
	case 0, 1:
		return "PATCH", "/users/" + id, `{"blocked":true}`, nil
	case 2, 3:
		return "PATCH", "/users/" + id, `{"blocked":false}`, nil
	case 4:
		return "PATCH", "/users/" + id, fmt.Sprintf(`{"email":"x%d@example.com"}`, rng.IntN(100)), nil
	case 5:
		return "POST", "/users/state", `[{"filter":{"_id":"` + id + `"},"stateTo":"` + state + `"}]`, nil
	case 6:
		return "POST", "/users/register", `{"_id":"` + id + `"}`, nil
	case 7:
		if rng.IntN(3) == 0 {
			return "DELETE", "/users/" + id, "", nil
		}
		return "POST", "/users/" + id + "/soft-delete", "", nil
	case 8:
		return "POST", "/users/", `{"userGroup":"customers","email":"` + email + `"}`, nil
	case 9, 10:
		var list []string
		for _, id := range ids {
			list = append(list, `{"filter":{"userId":"`+id+`"}}`)
		}
		return "POST", "/jobs/bulk-activation", "[" + strings.Join(list, ",") + "]", nil
	default:
		var rows strings.Builder
		rows.WriteString("_id,blocked,name\n")
		for _, id := range slices.Backward(ids) {
			fmt.Fprintf(&rows, "%s,%v,Row\n", id, rng.IntN(2) == 0)
		}
		return "PATCH", "/users/import", csvForm(rows.String()), []string{"Content-Type: multipart/form-data; boundary=b"}
	}
}

// TestCopyGone kills one of two copies in the middle of operations and jobs. The other
// settles what it left: a minute or two later every user can be changed again, and in the
// end users and accounts belong together.
func TestCopyGone(t *testing.T) {
	overConnectionsAnyway(t)
	t.Parallel()
	var interrupted atomic.Int64
	t.Cleanup(func() {
		if interrupted.Load() == 0 && !testing.Short() {
			t.Error("no kill interrupted an operation: the test shows nothing")
		}
	})
	for seed := range amount(40, 15, 4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { copyGone(t, uint64(seed), &interrupted) })
		})
	}
}

func copyGone(t *testing.T, seed uint64, interrupted *atomic.Int64) {
	c := newCopies(t, 2, seed)
	defer c.close()
	rng := rand.New(rand.NewPCG(seed, 9))
	ids := c.shareUsers(func(i int) bool { return i%2 == 0 })
	var clients errgroup.Group
	for client := range 6 {
		m, rng := c.members[client%2], rand.New(rand.NewPCG(seed, uint64(client)+200))
		clients.Go(func() error {
			for range 6 {
				method, path, body, header := randomRequest(rng, ids)
				m.call(method, path, body, header...)
			}
			return nil
		})
	}
	<-time.After(time.Duration(20+rng.IntN(150)) * time.Millisecond)
	killed := c.members[0]
	killed.dead.Store(true)
	killed.stop()
	_ = clients.Wait()
	interrupted.Add(int64(len(c.all("/journal")) - len(c.members)))
	<-time.After(2 * time.Minute)
	for _, user := range c.all("/users") {
		got := c.members[1].call("PATCH", fmt.Sprintf("/users/%s?_st=PUBLIC,DRAFT,TRASH,DELETED", user["_id"]), `{"blocked":true}`)
		if got.status != http.StatusOK {
			t.Errorf("two minutes later a change of %v = %d %s", user, got.status, got.body)
		}
	}
	c.settled()
	c.checkTogether()
}

// pairTries is how many times two requests meet, each time with other latencies.
func pairTries() int { return amount(100, 4, 2) }

// TestTwoCopiesMeet has each of two copies make a request for the same user at the same
// time, for every pair of requests, whether the user has an account or not.
func TestTwoCopiesMeet(t *testing.T) {
	overConnectionsAnyway(t)
	t.Parallel()
	requests := map[string]func(m *member, id string) reply{
		"block":   func(m *member, id string) reply { return m.call("PATCH", "/users/"+id, `{"blocked":true}`) },
		"unblock": func(m *member, id string) reply { return m.call("PATCH", "/users/"+id, `{"blocked":false}`) },
		"rename": func(m *member, id string) reply {
			return m.call("PATCH", "/users/"+id, `{"email":"`+id+`@example.org"}`)
		},
		"to TRASH":    func(m *member, id string) reply { return m.state(id, "TRASH") },
		"to PUBLIC":   func(m *member, id string) reply { return m.state(id, "PUBLIC") },
		"soft-delete": func(m *member, id string) reply { return m.call("POST", "/users/"+id+"/soft-delete", "") },
		"delete":      func(m *member, id string) reply { return m.call("DELETE", "/users/"+id, "") },
		"register":    func(m *member, id string) reply { return m.call("POST", "/users/register", `{"_id":"`+id+`"}`) },
		"activate": func(m *member, id string) reply {
			return m.call("POST", "/jobs/bulk-activation", `[{"filter":{"userId":"`+id+`"}}]`)
		},
		"import": func(m *member, id string) reply {
			return m.call("PATCH", "/users/import", csvForm("_id,blocked\n"+id+",true\n"), "Content-Type: multipart/form-data; boundary=b")
		},
	}
	names := slices.Sorted(maps.Keys(requests))
	for i, one := range names {
		for j, other := range names[i:] {
			if testing.Short() && (i+j)%5 != 0 {
				continue
			}
			t.Run(one+" and "+other, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { meet(t, uint64(i), requests[one], requests[other]) })
			})
		}
	}
}

func (m *member) state(id, to string) reply {
	return m.call("POST", "/users/state", `[{"filter":{"_id":"`+id+`"},"stateTo":"`+to+`"}]`)
}

// meet makes both requests at once, for one user after the other.
func meet(t *testing.T, seed uint64, one, other func(m *member, id string) reply) {
	c := newCopies(t, 2, seed)
	defer c.close()
	for i := range pairTries() {
		id := c.newUser(fmt.Sprintf(`"email":"u%d@example.com"`, i), i%3 != 0)
		if i%3 == 1 {
			c.members[0].must("PATCH", "/users/"+id, `{"blocked":true}`)
		}
		var both errgroup.Group
		for m, request := range []func(*member, string) reply{one, other} {
			both.Go(func() error {
				if got := request(c.members[m], id); got.status >= 500 && !strings.Contains(got.body, "404 status code") {
					t.Errorf("%d %s", got.status, got.body)
				}
				return nil
			})
		}
		_ = both.Wait()
		<-time.After(time.Second) // jobs
	}
	c.settled()
	c.checkTogether()
}

// csvForm is an upload of a CSV file, between boundaries "b".
func csvForm(file string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"u.csv\"\r\nContent-Type: text/csv\r\n\r\n" + file + "\r\n--b--\r\n"
}
