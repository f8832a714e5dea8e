package embedded_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/crud/crudtest"
	store "user-manager/crud/embedded"
	"user-manager/internal/logtest"
	"user-manager/secret"
	"user-manager/timer"
	"user-manager/timer/embedded"
	"user-manager/upstream/faults"
)

// callTimeout is what clients give a call.
const callTimeout = 5 * time.Second

// A world is a collection of timers, and services on it, each its own process.
type world struct {
	t    testing.TB
	plan *faults.Plan    // of the services' calls of the store
	docs crud.Collection // with the plan
	// clean is docs without it.
	clean crud.Collection
	db    *store.Store
}

func newWorld(t testing.TB, path string) *world {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{
		Path: path, Sync: "normal", Collections: []store.Definition{store.Timers("/timers")}, Log: logtest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, plan: faults.NewPlan(), db: db}
	w.docs = w.collection(crudtest.NewFaulty(crud.InProcess(db), w.plan))
	w.clean = w.collection(crud.InProcess(db))
	return w
}

func (w *world) collection(transport http.RoundTripper) crud.Collection {
	w.t.Helper()
	client, err := crud.New("http://embedded", transport, callTimeout)
	if err != nil {
		w.t.Fatal(err)
	}
	return client.Collection("/timers")
}

// collectionAt returns a collection at a path where there may be none.
func (w *world) collectionAt(path string) crud.Collection {
	w.t.Helper()
	client, err := crud.New("http://embedded", crud.InProcess(w.db), callTimeout)
	if err != nil {
		w.t.Fatal(err)
	}
	return client.Collection(path)
}

// inBubble runs a test in a world whose clock is a fake one.
func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, ":memory:")) })
}

// service returns a service on w; what cfg leaves open is set for tests.
func (w *world) service(cfg embedded.Config) *embedded.Service {
	cfg.Timers = w.docs
	cfg.Log = logtest.Logger(w.t)
	return embedded.New(cfg)
}

// client returns a client of s.
func (w *world) client(s http.Handler) *timer.Client {
	w.t.Helper()
	c, err := timer.New(timer.Config{
		URL: "http://timers", Transport: crud.InProcess(s), Timeout: callTimeout,
		Callback: "http://user-manager", Secret: secret.New("correct horse battery staple"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// run runs s and returns what stops it and waits.
func (w *world) run(s *embedded.Service, deliver http.RoundTripper) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx, deliver); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	w.t.Cleanup(stop)
	return stop
}

func (w *world) schedule(s http.Handler, user string, at time.Time) string {
	w.t.Helper()
	id, err := w.client(s).Schedule(w.t.Context(), user, at)
	if err != nil {
		w.t.Fatalf("schedule: %v", err)
	}
	return id
}

// A stored is a timer as it is in the store.
type stored struct {
	Status       int
	FailureCount int
	DueAt        int64
	LeaseOwner   string
}

func (w *world) stored(id string) stored {
	w.t.Helper()
	doc, err := w.clean.Get(w.t.Context(), id, nil)
	if err != nil {
		w.t.Fatalf("timer %s: %v", id, err)
	}
	number := func(v any) int64 { f, _ := v.(float64); return int64(f) }
	status, _ := doc["expirationStatus"].(map[string]any)
	owner, _ := doc["leaseOwner"].(string)
	return stored{int(number(status["id"])), int(number(doc["failureCount"])), number(doc["dueAt"]), owner}
}

// A callee answers the calls of timers, and keeps when they came.
type callee struct {
	// answer returns the status, Retry-After and error of a call, the nth for its user; nil: 204.
	answer func(ctx context.Context, user string, nth int) (status int, retryAfter string, err error)

	after  func() // each call, under mu; nil: nothing
	each   func() // likewise, in a call
	forget bool   // when calls came

	mu    sync.Mutex
	calls map[string][]time.Time // by user; guarded by mu
	most  int                    // at once; guarded by mu
	now   int                    // under way; guarded by mu
}

func (c *callee) RoundTrip(req *http.Request) (*http.Response, error) {
	defer c.leave()
	user := req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]
	nth := c.enter(user)
	var body timer.Call
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil || body.Signature == "" {
		return nil, fmt.Errorf("call without its body: %v", err)
	}
	status, retryAfter, err := http.StatusNoContent, "", error(nil)
	if c.answer != nil {
		status, retryAfter, err = c.answer(req.Context(), user, nth)
	}
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	if retryAfter != "" {
		header.Set("Retry-After", retryAfter)
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("")), Request: req}, nil
}

func (c *callee) enter(user string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string][]time.Time{}
	}
	if c.each != nil {
		c.each()
	}
	if !c.forget {
		c.calls[user] = append(c.calls[user], time.Now())
	}
	c.now++
	c.most = max(c.most, c.now)
	return len(c.calls[user])
}

func (c *callee) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
	if c.after != nil {
		c.after()
	}
}

// times returns when a user's calls came, in seconds after start.
func (c *callee) times(user string, start time.Time) []float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	times := []float64{}
	for _, at := range c.calls[user] {
		times = append(times, at.Sub(start).Seconds())
	}
	return times
}

// byTimes returns how many users were called how often.
func (c *callee) byTimes() map[int]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := map[int]int{}
	for _, calls := range c.calls {
		counts[len(calls)]++
	}
	return counts
}

// A recorder answers all calls with 204, and keeps them.
type recorder struct{ calls []sent }

type sent struct {
	method, url string
	header      http.Header
	body        string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
	}
	r.calls = append(r.calls, sent{req.Method, req.URL.String(), req.Header, string(body)})
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
}
