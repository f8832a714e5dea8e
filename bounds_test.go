package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// standardConfig is what holds when nothing is set.
func standardConfig(t *testing.T) config {
	t.Helper()
	cfg, err := loadConfig(environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// patient answers when it is told to, after it has read the body.
type patient struct {
	release chan struct{}
	began   chan string
}

func newPatient() *patient { return &patient{make(chan struct{}), make(chan string, 1000)} }

func (p *patient) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if wrong, ok := errors.AsType[*requestError](err); ok {
		writeFailure(w, wrong.status, wrong.message)
		return
	}
	p.began <- r.URL.Path
	<-p.release
	fmt.Fprintf(w, "%d", len(text))
}

// small makes a configuration with little room.
func small(t *testing.T, requests int, bodies int64) config {
	cfg := standardConfig(t)
	cfg.http.maxRequests, cfg.http.maxBodies = requests, bodies
	return cfg
}

const overloaded = `503 Service Unavailable {"statusCode":503,"error":"Service Unavailable","message":"too many requests are under way; try again"}`

// TestRequestsAtOnce: those beyond are refused at once, without a look at their bodies, and
// have a place when one is free again.
func TestRequestsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := newPatient()
		b := newBounds(small(t, 2, 1<<20), nil)
		ln := boundedServer(100).served(t, b.bounded(1<<20, slow))
		first, second := connect(t, ln), connect(t, ln)
		io.WriteString(first, goodRequest)
		io.WriteString(second, goodRequest)
		synctest.Wait()
		for range 3 {
			p := connect(t, ln)
			io.WriteString(p, "POST / HTTP/1.1\r\nHost: service\r\nContent-Length: 5\r\n\r\n") // without its body
			res, err := http.ReadResponse(p.answers, nil)
			if err != nil || res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" {
				t.Fatalf("%v, %v", res, err)
			}
		}
		close(slow.release)
		for _, p := range []peer{first, second, connect(t, ln)} {
			if p != first && p != second {
				go io.WriteString(p, goodRequest)
			}
			if got, err := p.answer(); got != "200 OK 0" {
				t.Errorf("%q, %v", got, err)
			}
		}
		if n := len(b.requests.taken); n != 0 {
			t.Errorf("%d places are taken", n)
		}
	})
}

// TestBodiesThatArriveTakeNoPlace: those who send slowly keep nobody out; when they have sent
// all they wait a moment for a place.
func TestBodiesThatArriveTakeNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := newPatient()
		b := newBounds(small(t, 1, 1<<20), nil)
		ln := boundedServer(100).served(t, b.bounded(1<<20, slow))
		var senders []peer
		for range 50 {
			p := connect(t, ln)
			io.WriteString(p, "POST /slow HTTP/1.1\r\nHost: service\r\nContent-Length: 2\r\n\r\n1")
			synctest.Wait() // it had a place until its body was asked for
			senders = append(senders, p)
		}
		good := connect(t, ln)
		io.WriteString(good, strings.Replace(goodRequest, "/", "/good", 1))
		synctest.Wait()
		if got := <-slow.began; got != "/good" {
			t.Errorf("%s was worked on", got)
		}
		start := time.Now()
		got, err := senders[0].ask("2")
		if want := overloaded; got != want || time.Since(start) != roomTime {
			t.Errorf("%q (%v) after %v, want %q after %v", got, err, time.Since(start), want, roomTime)
		}
		go io.WriteString(senders[1], "2")
		time.Sleep(roomTime / 2)
		close(slow.release)
		for _, p := range []peer{good, senders[1]} {
			if got, err := p.answer(); !strings.HasPrefix(got, "200 ") {
				t.Errorf("%q, %v", got, err)
			}
		}
	})
}

// TestRoomForBodies: large bodies wait a moment for room and are refused then; small ones are
// not kept out by them; and what took room gives it back.
func TestRoomForBodies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const large = 600 << 10
		slow := newPatient()
		b := newBounds(small(t, 10, 1<<20), nil)
		ln := boundedServer(100).served(t, b.bounded(large, slow))
		post := func(size int) peer {
			p := connect(t, ln)
			go fmt.Fprintf(p, "POST /%d HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\n%s", size, size, strings.Repeat("x", size))
			return p
		}
		first := post(large)
		synctest.Wait()
		start := time.Now()
		if got, err := post(large).answer(); got != overloaded || time.Since(start) != roomTime {
			t.Errorf("a second one: %q (%v) after %v", got, err, time.Since(start))
		}
		chunked := connect(t, ln)
		go fmt.Fprintf(chunked, "POST /chunked HTTP/1.1\r\nHost: service\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", smallBody+1, strings.Repeat("x", smallBody+1))
		if got, err := chunked.answer(); got != overloaded {
			t.Errorf("one of unknown size: %q (%v)", got, err)
		}
		if other := post(smallBody); true {
			synctest.Wait()
			<-slow.began
			if got := <-slow.began; got != fmt.Sprintf("/%d", smallBody) {
				t.Errorf("%s was worked on", got)
			}
			next := post(large)
			time.Sleep(roomTime / 2)
			close(slow.release)
			for p, want := range map[peer]string{first: fmt.Sprint("200 OK ", large), other: fmt.Sprint("200 OK ", smallBody), next: fmt.Sprint("200 OK ", large)} {
				if got, err := p.answer(); got != want {
					t.Errorf("%q (%v), want %q", got, err, want)
				}
			}
		}
		synctest.Wait()
		if !b.room.free.TryAcquire(b.room.most) || len(b.requests.taken) != 0 {
			t.Error("not all places and room were given back")
		}
	})
}

// TestBodyLargerThanAllRoom: it has the room for itself.
func TestBodyLargerThanAllRoom(t *testing.T) {
	t.Parallel()
	cfg := small(t, 10, 1<<20)
	h := newHarness(t, map[string]string{"HTTP_MAX_BODIES_BYTES": "1048576"})
	h.api.bounds = newBounds(cfg, nil)
	body := `{"users":[` + strings.Repeat(" ", 3<<20) + `]}`
	if got := h.call("POST", "/jobs/change-password/bulk", body); got.status != 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestPlacesOfRoutes: imports and streams have places of their own, the store's too, and the
// status routes need none.
func TestPlacesOfRoutes(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	b := h.api.bounds
	take := func(p places) {
		for range cap(p.taken) {
			p.taken <- struct{}{}
		}
	}
	take(b.requests)
	take(b.imports)
	take(b.streams)
	multipart := "Content-Type: " + multipartMedia
	want := map[string]string{
		"GET /users/":                             "1",
		"POST /oauth/token":                       "1",
		"GET /nowhere":                            "404",
		"GET /-/healthz":                          "200",
		"GET /-/ready":                            "200",
		"GET /-/check-up":                         "200",
		"PATCH /users/import":                     "30",
		"GET /jobs/bulk-activation/1/events":      "30",
		"GET /jobs/change-password/bulk/1/events": "30",
	}
	got := map[string]string{}
	for request := range want {
		method, path, _ := strings.Cut(request, " ")
		answer := h.call(method, path, "", multipart)
		got[request] = fmt.Sprint(answer.status)
		if answer.status == 503 {
			got[request] = answer.header.Get("Retry-After")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestBodiesThatAnybodyMaySend are small.
func TestBodiesThatAnybodyMaySend(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	for _, route := range []string{"POST /oauth/token", "POST /refreshtoken"} {
		method, path, _ := strings.Cut(route, " ")
		for size, status := range map[int]int{smallBody - 2: 400, smallBody: 413} {
			if got := h.call(method, path, `""`+strings.Repeat(" ", size)); got.status != status {
				t.Errorf("%s with %d bytes: %d %s, want %d", route, size+2, got.status, got.body, status)
			}
		}
	}
}

// TestDeepJSON: a body may be nested as deep as the setting says, and no deeper.
func TestDeepJSON(t *testing.T) {
	t.Parallel()
	h := newHarness(t, map[string]string{"HTTP_MAX_JSON_DEPTH": "10"})
	deep := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	for _, route := range []string{
		"POST /oauth/token", "POST /refreshtoken", "POST /users/", "POST /users/with-id", "POST /users/register",
		"POST /users/change-password", "POST /users/validate", "POST /users/bulk", "PATCH /users/bulk", "POST /users/state",
		"PATCH /users/6b02244848366609af0a0001", "POST /users/6b02244848366609af0a0001/state",
		"POST /jobs/bulk-activation", "POST /jobs/change-password/bulk",
	} {
		method, path, _ := strings.Cut(route, " ")
		for levels, deeper := range map[int]bool{10: false, 11: true, 100_000: true} {
			if levels > 1000 && strings.Contains(path, "token") {
				continue // that is too large
			}
			got := h.call(method, path, deep(levels))
			if strings.Contains(got.body, `"message":"body: is nested deeper than 10 levels"`) != deeper || deeper && got.status != 400 {
				t.Errorf("%s with %d levels: %d %s", route, levels, got.status, got.body)
			}
		}
	}
	if got := h.call("POST", "/oauth/token", "username="+strings.Repeat("[", 20)+"&password=x", "Content-Type: application/x-www-form-urlencoded"); strings.Contains(got.body, "nested") {
		t.Errorf("a form: %d %s", got.status, got.body)
	}
}
