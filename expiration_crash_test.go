package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/rond/rondtest"
	"user-manager/timer/timertest"
)

// A killedNeighbour is the built service with Rönd, and with a Timer Service or its own
// timers, killed and started again and again.
type killedNeighbour struct {
	*killedService
	rond  *rondtest.Rond
	timer *timertest.Service // nil: its own timers

	mu sync.Mutex
	at *url.URL // of the process; guarded by mu
}

// newKilledNeighbour starts the service; its Rönd and its Timer Service outlive it, and it
// is always called at the same address.
func newKilledNeighbour(t *testing.T, remote bool) *killedNeighbour {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and kills the service")
	}
	s := &killedNeighbour{killedService: &killedService{t: t, binary: build(t), store: newLasting(t)}, rond: rondtest.New(rondtest.Config{})}
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	s.env = append(s.store.env, "RANDOM_PWD_GEN=false", "ROND_ENABLED=true", "ROND_SERVICE="+serve(s.rond))
	if remote {
		s.timer = timertest.New(timertest.Config{})
		front := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(s.address()) }}
		front.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
		s.env = append(s.env, "TIMER_SERVICE="+serve(s.timer), "TIMER_CALLBACK_URL="+serve(front), "TIMER_CALLBACK_SECRET="+testSecret)
	}
	s.begin()
	return s
}

// begin starts the service, where its timers find it.
func (s *killedNeighbour) begin() {
	s.t.Helper()
	s.start()
	at, err := url.Parse(s.p.url)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = at
}

func (s *killedNeighbour) address() *url.URL {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// fire makes the calls of timers that are due until stop is closed.
func (s *killedNeighbour) fire(stop <-chan struct{}) {
	for s.timer != nil {
		select {
		case <-stop:
			return
		case <-time.After(betweenLooks):
			s.timer.Fire(s.t.Context(), http.DefaultTransport, time.Now())
		}
	}
}

// TestKilledWhileUsersExpire kills the service while users with roles and dates are made,
// changed and deleted, and expire. After the last start everybody has the roles that it is to
// have, whoever has a date is blocked when that has come, and nobody else is.
func TestKilledWhileUsersExpire(t *testing.T) {
	for name, remote := range map[string]bool{"by its own timers": false, "by a Timer Service": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newKilledNeighbour(t, remote)
			stop := make(chan struct{})
			var firing sync.WaitGroup
			firing.Go(func() { s.fire(stop) })
			interrupted := 0
			for round := range amount(12, 3, 0) {
				s.workUntilKilled(uint64(round))
				interrupted += s.store.left()
				s.begin()
			}
			if interrupted == 0 {
				t.Error("no kill interrupted an operation: the test shows nothing")
			}
			s.p.awaitSettled(t)
			s.awaitExpired()
			close(stop)
			firing.Wait()
			if err := s.p.stop(syscall.SIGTERM); err != nil {
				t.Errorf("exit after SIGTERM: %v\n%s", err, s.p.out)
			}
			s.store.checkPairs(1)
			s.checkExpired()
		})
	}
}

// workUntilKilled has clients make requests for users of their own until the service is
// killed, at some moment.
func (s *killedNeighbour) workUntilKilled(round uint64) {
	s.t.Helper()
	s.rng = rand.New(rand.NewPCG(round, 41))
	until := int64(40 + s.rng.IntN(120))
	var done atomic.Int64
	var clients errgroup.Group
	for client := range 12 {
		rng := rand.New(rand.NewPCG(round, uint64(client)+400))
		clients.Go(func() error {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%s-%d-%d-%d", []string{"lasting", "dated"}[client%2], round, client, i)
				if err := s.lifeOf(name, client%2 == 1, rng, func() {
					if done.Add(1) == until {
						_ = s.p.cmd.Process.Kill()
					}
				}); err != nil {
					return nil // killed
				}
			}
		})
	}
	_ = clients.Wait()
	s.kill()
}

// lifeOf makes a user, changes it a few times, and deletes it perhaps. An error is a service
// that is gone.
func (s *killedNeighbour) lifeOf(name string, dated bool, rng *rand.Rand, each func()) error {
	var made struct {
		ID string `json:"_id"`
	}
	body := `{"userGroup":"customers","password":"correct horse","username":"` + name + `","email":"` + name + `@example.com",` + neighbourFields(dated, rng) + `}`
	if _, err := s.ask("POST", "/users/?sendResetPwdEmail=false", strings.NewReader(body), "application/json", &made); err != nil {
		return err
	}
	each()
	for range rng.IntN(4) {
		var user map[string]any
		status, err := s.ask("PATCH", "/users/"+made.ID, strings.NewReader(`{`+neighbourFields(dated, rng)+`}`), "application/json", &user)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			s.t.Errorf("patch = %d %v", status, user)
		}
		each()
	}
	if rng.IntN(3) > 0 {
		return nil
	}
	if _, err := s.ask("DELETE", "/users/"+made.ID, nil, "", new(json.RawMessage)); err != nil && err != io.EOF { // there is no content
		return err
	}
	each()
	return nil
}

// neighbourFields are roles and, for some, a date that is soon.
func neighbourFields(dated bool, rng *rand.Rand) string {
	roles := `"roles":` + []string{`[]`, `["editor"]`, `["editor","reader"]`, `["boss"]`}[rng.IntN(4)]
	if !dated {
		return roles
	}
	in := 500*time.Millisecond + time.Duration(rng.IntN(3500))*time.Millisecond
	return roles + `,"expirationDate":"` + time.Now().Add(in).UTC().Format("2006-01-02T15:04:05.000Z") + `"`
}

// awaitExpired waits until everybody is blocked who has a date.
func (s *killedNeighbour) awaitExpired() {
	s.t.Helper()
	path := "/users/count?" + url.Values{"_q": {`{"expirationDate":{"$exists":true},"blocked":{"$ne":true}}`}}.Encode()
	n := -1
	for deadline := time.Now().Add(depending(time.Minute, 4*time.Minute)); n != 0; <-time.After(betweenLooks) {
		if status, err := s.ask("GET", path, nil, "", &n); status != 200 || err != nil {
			s.t.Fatalf("GET %s = %d, %v", path, status, err)
		}
		if time.Now().After(deadline) {
			s.t.Errorf("%d users have a date and are not blocked", n)
			return
		}
	}
}

// checkExpired holds users and accounts of the service, which does not run, against dates and
// roles.
func (s *killedNeighbour) checkExpired() {
	s.t.Helper()
	h, done := s.store.open()
	defer done()
	h.rond = s.rond
	h.checkGrants()
	if err := h.failClosed(false); err != nil {
		s.t.Error(err)
	}
	for _, user := range h.all("/users") {
		name, _ := user["username"].(string)
		if dated := strings.HasPrefix(name, "dated"); (user["blocked"] == true) != dated {
			s.t.Errorf("%s with the date %v is blocked: %v", name, user["expirationDate"], user["blocked"])
		}
	}
	for _, account := range h.accounts() {
		name, _ := account["username"].(string)
		if dated := strings.HasPrefix(name, "dated"); (account["blocked"] == true) != dated {
			s.t.Errorf("the account of %s is blocked: %v", name, account["blocked"])
		}
	}
}
