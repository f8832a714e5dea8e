package crud

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/internal/logtest"
	"user-manager/upstream"
)

// forwarding serves what a store answers at /users/, over sockets on both sides, and
// keeps the error of the last request.
func forwarding(t *testing.T, store http.HandlerFunc) (url string, failed *atomic.Value) {
	t.Helper()
	behind := httptest.NewServer(store)
	t.Cleanup(behind.Close)
	client, err := New(behind.URL, Network(nil, 4, time.Minute, logtest.Logger(t), upstream.Observer{}), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	failed = &atomic.Value{}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := client.Collection("/users").Forward(w, r, r.URL.Path); err != nil {
			failed.Store(err)
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(front.Close)
	return front.URL, failed
}

func request(t *testing.T, method, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// TestForwardLeavesAnswersAsTheyAre: status, headers and body.
func TestForwardLeavesAnswersAsTheyAre(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method string
		status int
		header http.Header
		body   string
		length int64 // as the client sees it
	}{
		"a list in chunks":   {"GET", 200, http.Header{"Content-Type": {"application/json"}}, "[\n{}\n]\n", -1},
		"a count":            {"GET", 200, http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Content-Length": {"2"}}, "17", 2},
		"the head of a list": {"HEAD", 200, http.Header{"Content-Type": {"application/json"}}, "", -1},
		"that of a count":    {"HEAD", 200, http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Content-Length": {"2"}}, "", 2},
		"a refusal":          {"GET", 400, http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Content-Length": {"16"}}, `{"message":"no"}`, 16},
		"what is compressed": {"GET", 200, http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}, "Content-Length": {"4"}}, "\x1f\x8b\x08\x00", 4},
		"other headers":      {"GET", 200, http.Header{"Content-Type": {"application/json"}, "Content-Length": {"2"}, "X-Total": {"3"}, "Cache-Control": {"no-store"}}, "[]", 2},
		"a failure":          {"GET", 500, http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Content-Length": {"16"}}, `{"message":"no"}`, 16},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, failed := forwarding(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Encoding") != "" {
					t.Errorf("Accept-Encoding: %q, want none", r.Header.Get("Accept-Encoding"))
				}
				for name, values := range test.header {
					w.Header()[name] = values
				}
				w.Header()["Date"] = nil
				w.WriteHeader(test.status)
				_ = http.NewResponseController(w).Flush()
				_, _ = io.WriteString(w, test.body)
			})
			res := request(t, test.method, url+"/?_l=25")
			body, err := io.ReadAll(res.Body)
			if err != nil || failed.Load() != nil {
				t.Fatal(err, failed.Load())
			}
			res.Header.Del("Date")
			if diff := cmp.Diff(test.header, res.Header); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			if string(body) != test.body || res.StatusCode != test.status || res.ContentLength != test.length {
				t.Errorf("%d, %d bytes, %q; want %d, %d, %q", res.StatusCode, res.ContentLength, body, test.status, test.length, test.body)
			}
		})
	}
}

// TestForwardStreams: the first bytes arrive before the last are made, and a list takes no
// memory for its length. It runs alone, for the memory.
func TestForwardStreams(t *testing.T) {
	const pieces, size = 1024, 32 << 10
	piece := strings.Repeat("x", size-1) + "\n"
	arrived := make(chan struct{})
	url, _ := forwarding(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "[\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-arrived:
		case <-r.Context().Done():
			t.Error("the first bytes were kept back")
		}
		for range pieces {
			_, _ = io.WriteString(w, piece)
		}
	})
	res := request(t, "GET", url+"/")
	lines := bufio.NewReaderSize(res.Body, size)
	if first, err := lines.ReadString('\n'); first != "[\n" || err != nil {
		t.Fatalf("first line %q, %v", first, err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	close(arrived)
	n, err := io.Copy(io.Discard, lines)
	runtime.ReadMemStats(&after)
	if n != pieces*size || err != nil {
		t.Errorf("%d bytes, %v; want %d", n, err, pieces*size)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > pieces*size/8 {
		t.Errorf("%d bytes of memory for %d that passed through", took, pieces*size)
	}
}

// TestForwardOfAnAnswerThatBreaksOff: the client sees that it does.
func TestForwardOfAnAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	url, failed := forwarding(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		_, _ = io.WriteString(w, "[\n{}")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	res := request(t, "GET", url+"/")
	body, err := io.ReadAll(res.Body)
	if string(body) != "[\n{}" || !errors.Is(err, io.ErrUnexpectedEOF) || calls.Load() != 1 || failed.Load() != nil {
		t.Errorf("%q, %v after %d calls, returned %v; want half a list and its error, after one", body, err, calls.Load(), failed.Load())
	}
}

// played answers one request after the other by the status of its turn; 0 is no answer.
type played struct{ turns []int }

func (p *played) RoundTrip(r *http.Request) (*http.Response, error) {
	status := p.turns[0]
	p.turns = p.turns[1:]
	if status == 0 {
		return nil, io.EOF
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(fmt.Sprint(status)))}, nil
}

// TestForwardTriesAgain: until there is an answer to hand on.
func TestForwardTriesAgain(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method string
		turns  []int
		want   int // 0: an error
		left   int // of turns
	}{
		"an answer at once":      {"GET", []int{200, 200}, 200, 1},
		"no answer, then one":    {"GET", []int{0, 503, 200}, 200, 0},
		"of a head too":          {"HEAD", []int{0, 200}, 200, 0},
		"no answer at all":       {"GET", []int{0, 0, 0, 200}, 0, 1},
		"never ready":            {"GET", []int{503, 503, 503, 200}, 503, 1},
		"busy, then ready":       {"GET", []int{429, 200}, 200, 0},
		"a failure is an answer": {"GET", []int{500, 200}, 500, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &played{test.turns}
				network := upstream.NewNetwork(upstream.NetworkConfig{Service: Service, Timeout: time.Minute, Log: logtest.Logger(t), Base: store})
				w := httptest.NewRecorder()
				err := usersOn(t, network).Forward(w, httptest.NewRequestWithContext(t.Context(), test.method, "/", nil), "/")
				got := w.Code
				if err != nil {
					got = upstream.Status(err)
				}
				if got != test.want || (err != nil) != (test.want == 0) || len(store.turns) != test.left {
					t.Errorf("%d, %v, %d turns left; want %d, %d left", w.Code, err, len(store.turns), test.want, test.left)
				}
			})
		})
	}
}

// slowStore never answers.
type slowStore struct{}

func (slowStore) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestForwardToAStoreThatIsGone: each call ends in its time; after five the store is left
// alone, and that is told.
func TestForwardToAStoreThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := upstream.NewNetwork(upstream.NetworkConfig{Service: Service, Timeout: 10 * time.Second, Log: logtest.Logger(t), Base: slowStore{}})
		users := usersOn(t, network)
		forward := func(ctx context.Context) error {
			return users.Forward(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil), "/")
		}
		for range 5 {
			start := time.Now()
			if err := forward(t.Context()); err == nil || time.Since(start) != 10*time.Second {
				t.Fatalf("%v after %v, want an error after 10 s", err, time.Since(start))
			}
		}
		start := time.Now()
		err := forward(t.Context())
		if !upstream.Unreached(err) || time.Now() != start || !strings.HasPrefix(err.Error(), "CRUD GET /users/ could not be reached: CRUD is not called for now") {
			t.Errorf("%v after %v, want one that says that the store is not called, at once", err, time.Since(start))
		}
	})
}
