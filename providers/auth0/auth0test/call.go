package auth0test

import (
	"errors"
	"net"
	"net/http"
	"time"
)

// A call is one request while it is worked on.
type call struct {
	*http.Request
	tenant  *Tenant
	route   route
	body    []byte
	now     time.Time
	bucket  *bucket  // whose headers the answer has; nil for none
	refund  bool     // what was taken from the bucket goes back once the answer is made
	granted []string // scopes of the Management API's token
	caller  string   // id of the client that has the Management API's token
}

// do works on a request, alone.
func (t *Tenant) do(rt route, r *http.Request, body []byte) *reply {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &call{Request: r, tenant: t, route: rt, body: body, now: time.Now()}
	t.advance(c.now)
	t.stats.Requests[rt.pattern]++
	answer, err := c.run()
	if err != nil {
		refusal, ok := errors.AsType[*reply](err)
		if !ok {
			panic(err) // handlers return nothing else
		}
		answer = refusal
	}
	return c.finish(answer)
}

func (c *call) run() (*reply, error) {
	if err := c.chargeRoute(); err != nil {
		return nil, err
	}
	if c.route.api == managementAPI {
		if err := c.authorize(); err != nil {
			return nil, err
		}
	}
	if err := c.checkSize(); err != nil {
		return nil, err
	}
	return c.route.handle(c)
}

func (c *call) checkSize() error {
	switch {
	case int64(len(c.body)) <= c.route.maxBody():
		return nil
	case c.route.api == authenticationAPI:
		return deny(http.StatusRequestEntityTooLarge, "invalid_request", "request entity too large")
	case c.route.pattern == importRoute:
		return refuse(http.StatusRequestEntityTooLarge, "", "Payload content length greater than maximum allowed: 512000.")
	}
	return refuse(http.StatusRequestEntityTooLarge, "", "Payload content length greater than maximum allowed: 1048576.")
}

// finish adds the headers of limits: the Management API has them on what it did and on 429,
// the Authentication API on every answer.
func (c *call) finish(answer *reply) *reply {
	if c.bucket == nil || c.route.api == managementAPI && answer.status >= 300 && answer.status != http.StatusTooManyRequests {
		return answer
	}
	limited := *answer // some refusals are shared
	limited.header = answer.header.Clone()
	for name, values := range c.bucket.headers(c.now, c.tenant.cfg.Limits.ResetsWhenMore) {
		limited.set(name, values[0])
	}
	if c.refund {
		c.bucket.left = min(c.bucket.left+1, c.bucket.limit.Size)
	}
	return &limited
}

// address is where the request comes from: for an application with a secret what it says of
// its user, else the peer.
func (c *call) address(trusted bool) string {
	if forwarded := c.Header.Get("Auth0-Forwarded-For"); trusted && forwarded != "" {
		return forwarded
	}
	host, _, err := net.SplitHostPort(c.RemoteAddr)
	if err != nil {
		return c.RemoteAddr
	}
	return host
}
