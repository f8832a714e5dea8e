package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlowBodiesTakeNoRoom: a large body that does not go on to come, or trickles, makes room
// for others; one that comes steadily keeps it.
func TestSlowBodiesTakeNoRoom(t *testing.T) {
	t.Parallel()
	const large = 600 << 10
	for what, test := range map[string]struct {
		length string
		piece  int // a second
		first  string
		second string
	}{
		"stands still":                  {fmt.Sprint("Content-Length: ", large), 0, overloaded, "200 OK 614400"},
		"stands still, of any size":     {"Transfer-Encoding: chunked", 0, overloaded, "200 OK 614400"},
		"trickles":                      {fmt.Sprint("Content-Length: ", large), slowBody / 8, overloaded, "200 OK 614400"},
		"comes slowly, but fast enough": {fmt.Sprint("Content-Length: ", large), 2 * slowBody, "200 OK 614400", overloaded},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				eager := newPatient()
				close(eager.release)
				b := newBounds(small(t, 10, 1<<20), nil)
				ln := boundedServer(100).served(t, b.bounded(large, eager))
				slow, fast := connect(t, ln), connect(t, ln)
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					fmt.Fprintf(slow, "POST / HTTP/1.1\r\nHost: service\r\n%s\r\n\r\n", test.length)
					n, err := fmt.Fprintf(slow, "%x\r\n%s", large, strings.Repeat("x", 2*smallBody)) // the size is of a chunk, or a part of the body
					for ; n < large && err == nil && test.piece > 0; n += test.piece {
						time.Sleep(time.Second)
						_, err = io.WriteString(slow, strings.Repeat("x", min(large-n, test.piece)))
					}
				}()
				time.Sleep(3500 * time.Millisecond)
				got, err := fast.ask(fmt.Sprintf("POST / HTTP/1.1\r\nHost: service\r\nContent-Length: %d\r\n\r\n%s", large, strings.Repeat("x", large)))
				if got != test.second {
					t.Errorf("the next one: %q (%v), want %q", got, err, test.second)
				}
				if got, err := slow.answer(); got != test.first {
					t.Errorf("the first one: %q (%v), want %q", got, err, test.first)
				}
				slow.Close()
				<-sent
				if synctest.Wait(); !b.room.free.TryAcquire(b.room.most) || len(b.room.arriving) != 0 || len(b.requests.taken) != 0 {
					t.Error("not all places and room were given back")
				}
			})
		})
	}
}

// TestSlowBodiesOfTheStore take no places, and are told when there is none in the end.
func TestSlowBodiesOfTheStore(t *testing.T) {
	t.Parallel()
	h := newHarness(t, map[string]string{"HTTP_MAX_REQUESTS": "1"})
	store := h.api.embedded
	synctest.Test(t, func(t *testing.T) {
		b := newBounds(small(t, 1, 1<<20), nil)
		ln := boundedServer(100).served(t, b.store(store))
		var senders []peer
		for range 5 {
			p := connect(t, ln)
			io.WriteString(p, "POST /users/ HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{")
			synctest.Wait()
			senders = append(senders, p)
		}
		b.requests.taken <- struct{}{} // by another
		if got, err := senders[0].ask("}"); !strings.HasPrefix(got, "503 ") || !strings.Contains(got, b.requests.full) {
			t.Errorf("%q, %v", got, err)
		}
		b.requests.leave()
		if got, err := senders[1].ask("}"); !strings.HasPrefix(got, "400 ") {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// TestBodiesThatNobodyReads: what is answered without a look at the body does not wait for it,
// and a large answer does not keep its place for it.
func TestBodiesThatNobodyReads(t *testing.T) {
	t.Parallel()
	h := newHarness(t, map[string]string{"API_KEYS": "a-key-of-the-test-0123456789"})
	own := newHarness(t, nil)
	own.api.browsers = &browsers{origins: http.NewCrossOriginProtection()}
	large := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, writePiece)) })
	for what, test := range map[string]struct {
		request string
		handler http.Handler
		want    string
	}{
		"a refusal without a key": {"POST /users/", h.api.handler(), "401 "},
		"one of a foreign page":   {"POST /users/", own.api.handler(), "403 "},
		"no route":                {"POST /nowhere", h.api.handler(), "404 "},
		"no such method":          {"POST /users/count", h.api.handler(), "405 "},
		"a large answer to a GET": {"GET /", large, "200 "},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, start := connect(t, boundedServer(10).served(t, test.handler)), time.Now()
				got, err := p.ask(test.request + " HTTP/1.1\r\nHost: service\r\nContent-Length: 5\r\n\r\n")
				if !strings.HasPrefix(got, test.want) || time.Since(start) != 0 {
					t.Errorf("%.80q (%v) after %v", got, err, time.Since(start))
				}
			})
		})
	}
}

// TestBodiesThatDoNotArrive are told as such, without the words of the connection, which have
// both of its addresses.
func TestBodiesThatDoNotArrive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln := boundedServer(10).served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := readText(r)
			writeFailure(w, http.StatusBadRequest, err.Error())
		}))
		got, err := connect(t, ln).ask("POST / HTTP/1.1\r\nHost: service\r\nContent-Length: 5\r\n\r\n1")
		if want := `400 Bad Request {"statusCode":400,"error":"Bad Request","message":"body: did not arrive to its end"}`; got != want {
			t.Errorf("%q (%v), want %q", got, err, want)
		}
	})
}
