package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"
)

// hostile are requests that must cost nothing and change nothing: each is answered with a
// status of 400 to 499.
var hostile = []struct{ method, path, body string }{
	{"POST", "/users/", `{"userGroup":"customers","email":`},
	{"POST", "/users/", `[]`},
	{"POST", "/users/", `{"userGroup":"customers","email":"a@` + domain + `","isAdmin":true}`},
	{"POST", "/users/", `{"userGroup":"customers","email":"a@` + domain + `","authUserId":"auth0|1"}`},
	{"POST", "/users/", strings.Repeat("[", 50_000)},
	{"POST", "/users/bulk", `[]`},
	{"PATCH", "/users/bulk", `[{"filter":{}}]`},
	{"PATCH", "/users/import", `--x`},
	{"GET", "/users/?_q=" + strings.Repeat("%7B%22%24and%22%3A%5B", 60), ""},
	{"GET", "/users/?_l=-1", ""},
	{"GET", "/users/..%2f..%2f-/check-up", ""},
	{"GET", "/users/%0d%0ax-header:%20y", ""},
	{"DELETE", "/users/", ""},
	{"POST", "/users/state", `[{"filter":{"_id":"x"},"stateTo":"HIDDEN"}]`},
	{"POST", "/jobs/bulk-activation", `[{"filter":{}}]`},
	{"GET", "/jobs/bulk-activation/none", ""},
	{"PUT", "/users/", `{}`},
	{"POST", "/-/expire/000000000000000000000000", `{"expirationDate":"2020-01-01T00:00:00.000Z","signature":"v1,AAAA"}`},
	{"GET", "/userinfo", ""},
	{"POST", "/refreshtoken", `{"refreshToken":"none"}`},
}

// beHostile makes a request that nobody means well with.
func (c *client) beHostile(ctx context.Context) {
	c.book.add(&c.book.hostile, 1)
	n := c.rng.IntN(len(hostile) + 3)
	var a answer
	switch n - len(hostile) {
	case 0: // too large
		a = c.send(ctx, "hostile", "POST", "/users/", []byte(`{"name":"`+strings.Repeat("x", 2<<20)+`"}`), "Content-Type", "application/json")
		if a.status == 0 {
			return // the connection is closed in the middle of it
		}
	case 1: // a wrong key
		a = c.send(ctx, "hostile", "GET", "/users/", nil, "client-key", "wrong")
		if a.status == 401 || a.status == 0 || a.status >= 500 {
			return
		}
	case 2: // a header that is too large
		a = c.send(ctx, "hostile", "GET", "/users/", nil, "X-Large", strings.Repeat("x", 100_000))
		if a.status == 0 {
			return
		}
	default:
		h := hostile[n]
		a = c.send(ctx, "hostile", h.method, h.path, []byte(h.body), "Content-Type", "application/json")
	}
	if a.done() || a.status == 500 && !a.missing() && c.o.faults == 0 {
		c.book.wrong("a hostile request is taken: %v", a)
	}
}

// occupy keeps connections that are slow, half open or silent, until ctx is done.
func (w *world) occupy(ctx context.Context) {
	var g sync.WaitGroup
	for n := range w.o.idlers {
		rng := rand.New(rand.NewPCG(w.o.seed, uint64(n)+5000))
		g.Go(func() {
			for ctx.Err() == nil {
				w.dawdle(ctx, rng)
				wait(ctx, time.Duration(rng.IntN(1000))*time.Millisecond)
			}
		})
	}
	g.Wait()
}

// dawdle keeps one connection for a while.
func (w *world) dawdle(ctx context.Context, rng *rand.Rand) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+w.pick(rng).port)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	switch rng.IntN(4) {
	case 0: // says nothing
		wait(ctx, 15*time.Second)
	case 1: // a header, letter by letter
		w.trickle(ctx, conn, "GET /users/ HTTP/1.1\r\nHost: x\r\nX-Slow: "+strings.Repeat("x", 60))
	case 2: // a body, letter by letter
		fmt.Fprintf(conn, "POST /users/ HTTP/1.1\r\nHost: x\r\nclient-key: %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n", apiKey)
		w.trickle(ctx, conn, `{"userGroup":"customers","name":"`+strings.Repeat("x", 60))
	default: // asks and does not read
		for range 20 {
			fmt.Fprintf(conn, "GET /users/?_l=200 HTTP/1.1\r\nHost: x\r\nclient-key: %s\r\n\r\n", apiKey)
		}
		wait(ctx, 10*time.Second)
	}
}

// trickle writes a letter at a time, until nobody takes them any more.
func (w *world) trickle(ctx context.Context, conn io.Writer, text string) {
	for i := range len(text) {
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil || ctx.Err() != nil {
			return
		}
		wait(ctx, 100*time.Millisecond)
	}
}
