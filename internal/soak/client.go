package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// callTimeout is how long a client waits: longer than the service lets anything take.
const callTimeout = 45 * time.Second

// A client makes one request after the other. The users that it makes are its own.
type client struct {
	*world
	number int
	rng    *rand.Rand
	http   *http.Client
	people []*person // alive ones, as far as is known
	made   int
}

func newClient(w *world, number int) *client {
	transport := &http.Transport{MaxIdleConnsPerHost: 4, DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext}
	return &client{
		world: w, number: number, rng: rand.New(rand.NewPCG(w.o.seed, uint64(number)+1000)),
		http: &http.Client{Transport: transport, Timeout: callTimeout},
	}
}

// An answer is what came of a request.
type answer struct {
	status int // 0: no answer
	body   []byte
	began  time.Time
	text   string // what was asked for, for who reads of a problem
}

// done: the request was acknowledged.
func (a answer) done() bool { return a.status >= 200 && a.status < 300 }

// refused: it was not done, and will not be.
func (a answer) refused() bool { return a.status >= 400 && a.status < 500 || a.missing() }

// missingForm is how a 500 says that there is no such user, as is documented.
var missingForm = regexp.MustCompile(`CRUD [A-Z]+ /users/:id responded with a 404`)

// missing: there is no such user.
func (a answer) missing() bool {
	return a.status == http.StatusNotFound || a.status == http.StatusInternalServerError && missingForm.Match(a.body)
}

func (a answer) String() string {
	body, text := a.body, a.text
	if len(body) > 250 {
		body = body[:250]
	}
	if len(text) > 200 {
		text = text[:200]
	}
	return fmt.Sprintf("%s = %d %s", text, a.status, body)
}

// into decodes an answer that was acknowledged; what is no such JSON is wrong.
func (c *client) into(a answer, v any) bool {
	if err := json.Unmarshal(a.body, v); err != nil {
		c.book.wrong("%v: %v", a, err)
		return false
	}
	return true
}

// call makes a request with a JSON body, or none when that is nil, to any copy.
func (c *client) call(ctx context.Context, action, method, path string, body any) answer {
	var sent []byte
	if body != nil {
		sent, _ = json.Marshal(body) // texts, numbers, lists and maps of them
	}
	return c.send(ctx, action, method, path, sent, "Content-Type", "application/json")
}

// send makes a request with header lines in pairs.
func (c *client) send(ctx context.Context, action, method, path string, body []byte, header ...string) answer {
	a := answer{text: method + " " + path, began: time.Now()}
	if len(body) > 0 && len(body) < 300 {
		a.text += " " + string(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.pick(c.rng).url()+path, bytes.NewReader(body))
	if err != nil {
		c.book.wrong("%s: %v", a.text, err)
		return a
	}
	req.Header.Set("client-key", apiKey)
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", c.rng.IntN(256), c.rng.IntN(256), c.rng.IntN(256)))
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.http.Do(req)
	if err == nil {
		a.body, err = io.ReadAll(res.Body)
		res.Body.Close()
		if a.status = res.StatusCode; err != nil {
			a.status = 0 // cut short
		}
	}
	if ctx.Err() == nil || a.status != 0 {
		c.book.request(action, a.status, time.Since(a.began))
	}
	c.rest(ctx, a, res)
	return a
}

// rest waits a little before the next request when the service is busy or gone.
func (c *client) rest(ctx context.Context, a answer, res *http.Response) {
	switch {
	case a.status == 0:
		wait(ctx, 50*time.Millisecond)
	case a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		wait(ctx, min(time.Duration(seconds)*time.Second, 300*time.Millisecond))
	}
}

// run makes requests until ctx is done.
func (c *client) run(ctx context.Context) {
	defer c.http.CloseIdleConnections()
	for ctx.Err() == nil {
		c.step(ctx)
	}
}

// anyState is the part of a query that finds users in all states.
const anyState = "_st=PUBLIC,DRAFT,TRASH,DELETED"

// byIDs is the query of users by their ids.
func byIDs(ids []string) string {
	return "_q=" + url.QueryEscape(`{"_id":{"$in":["`+strings.Join(ids, `","`)+`"]}}`)
}
