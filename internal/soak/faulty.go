package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"
)

// A mischief is what goes wrong with one call of an upstream.
type mischief string

const (
	slow        mischief = "slow"
	tooMany     mischief = "429"
	broken      mischief = "500"
	unavailable mischief = "503"
	dropBefore  mischief = "dropped before the work"
	dropAfter   mischief = "answer lost"
	cutShort    mischief = "answer cut short"
	silence     mischief = "no answer in time"
	late        mischief = "work done late"
	outage      mischief = "in an outage"
)

// mischiefs are how often each comes, beside the others. An outage is no matter of chance.
var mischiefs = []struct {
	what  mischief
	parts int
}{
	{slow, 30}, {tooMany, 10}, {broken, 10}, {unavailable, 12}, {dropBefore, 12}, {dropAfter, 12}, {cutShort, 8}, {silence, 3}, {late, 3},
}

// upstreamTimeout is how long the service waits for an answer: what is silent or late goes
// beyond it.
const upstreamTimeout = 3 * time.Second

// A faulty is a stand-in of an upstream with faults in front of it, an [http.Handler]. It is
// safe for use by several goroutines.
type faulty struct {
	name string
	next http.Handler

	mu      sync.Mutex
	rng     *rand.Rand // guarded by mu, as all below
	rate    float64    // of calls that something happens to
	down    time.Time  // until when there is an outage
	calls   int
	counted map[mischief]int
}

func newFaulty(name string, next http.Handler, rate float64, seed uint64) *faulty {
	return &faulty{name: name, next: next, rate: rate, rng: rand.New(rand.NewPCG(seed, nameSeed(name))), counted: map[mischief]int{}}
}

// nameSeed makes a number of a name, so that each has a sequence of its own.
func nameSeed(name string) (n uint64) {
	for _, b := range []byte(name) {
		n = n*131 + uint64(b)
	}
	return n
}

// heal ends all faults for good.
func (f *faulty) heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rate, f.down = 0, time.Time{}
}

// fail begins an outage.
func (f *faulty) fail(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rate > 0 {
		f.down = time.Now().Add(d)
	}
}

// counts returns the calls so far, and what went wrong with them.
func (f *faulty) counts() (int, map[mischief]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls, maps.Clone(f.counted)
}

// draw says what happens to the next call, "" for nothing, and draws a chance for the rest.
func (f *faulty) draw() (mischief, float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	what, chance := f.pick(), f.rng.Float64()
	if what != "" {
		f.counted[what]++
	}
	return what, chance
}

// pick is draw without its counts; mu is held.
func (f *faulty) pick() mischief {
	if time.Now().Before(f.down) {
		return outage
	}
	if f.rng.Float64() >= f.rate {
		return ""
	}
	all := 0
	for _, m := range mischiefs {
		all += m.parts
	}
	at := f.rng.IntN(all)
	for _, m := range mischiefs {
		if at -= m.parts; at < 0 {
			return m.what
		}
	}
	return ""
}

// ServeHTTP implements [http.Handler].
func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch what, chance := f.draw(); what {
	case "":
		f.next.ServeHTTP(w, r)
	case slow:
		time.Sleep(20*time.Millisecond + time.Duration(chance*chance*float64(1500*time.Millisecond)))
		f.next.ServeHTTP(w, r)
	case tooMany:
		h := w.Header()
		h.Set("Retry-After", "1")
		h.Set("x-ratelimit-limit", "1")
		h.Set("x-ratelimit-remaining", "0")
		h.Set("x-ratelimit-reset", strconv.FormatInt(time.Now().Unix()+1, 10))
		refuse(w, http.StatusTooManyRequests)
	case broken:
		refuse(w, http.StatusInternalServerError)
	case unavailable:
		refuse(w, http.StatusServiceUnavailable)
	case silence:
		time.Sleep(upstreamTimeout + time.Second)
		hangUp()
	case late:
		time.Sleep(upstreamTimeout + time.Duration(chance*float64(5*time.Second)))
		f.work(r)
		hangUp()
	case dropAfter:
		f.work(r)
		hangUp()
	case cutShort:
		cut(w, f.work(r))
	default: // dropBefore, outage
		hangUp()
	}
}

// work has the work of a call done and returns the answer.
func (f *faulty) work(r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	f.next.ServeHTTP(answer, r)
	return answer
}

// refuse answers as services of the platform do.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"statusCode":%d,"error":%q,"message":"soak"}`, status, http.StatusText(status))
}

// cut sends the first half of an answer, which says that it is longer.
func cut(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	body := answer.Body.Bytes()
	maps.Copy(w.Header(), answer.Header())
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body[:len(body)/2]) // nobody may be there any more
	if len(body) > 0 {
		_ = http.NewResponseController(w).Flush()
	}
	hangUp()
}

// hangUp closes the connection of a call without an answer, or in the middle of it.
func hangUp() { panic(http.ErrAbortHandler) }
