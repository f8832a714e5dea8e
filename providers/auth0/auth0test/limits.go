package auth0test

import (
	"net/http"
	"strconv"
	"time"
)

// A Limit is the size of a bucket and how it fills again: Refill more every Every, all of them
// at the end of that time. The zero value is no limit.
type Limit struct {
	Size   int
	Refill int
	Every  time.Duration
}

// Limits are a tenant's. The zero value has none, and then no x-ratelimit headers either.
type Limits struct {
	Management     Limit // all of the Management API
	Authentication Limit // all of the Authentication API
	Token          Limit // POST /oauth/token
	UserInfo       Limit // GET /userinfo, each user
	ChangePassword Limit // POST /dbconnections/change_password, each email address and IP
	JWKS           Limit // GET /.well-known/jwks.json
	Account        Limit // logins to one account from one IP
	Address        Limit // failed logins from one IP; its headers are on all answers to logins
	SignUp         Limit // sign-ups from one IP
	// Continuous fills buckets with one at a time rather than in whole windows.
	Continuous bool
	// ByTheClock begins windows at whole multiples of their time rather than when something is
	// taken from a full bucket.
	ByTheClock bool
	// ResetsWhenMore lets x-ratelimit-reset say when there is more, as documented, rather than
	// when the bucket is full again, as recorded.
	ResetsWhenMore bool
}

// Free returns the limits of the free plan as Auth0 documented them in 2026 ("Rate Limit
// Configurations", "Rate Limit Policy"), and those of attack protection as it is recorded with
// its defaults ("Suspicious IP Throttling": 100 failed logins a day, 50 sign-ups a minute).
func Free() Limits {
	return Limits{
		Management:     Limit{2, 2, time.Second},
		Authentication: Limit{300, 300, time.Minute},
		Token:          Limit{30, 30, time.Second},
		UserInfo:       Limit{10, 5, time.Minute},
		ChangePassword: Limit{10, 1, time.Minute},
		JWKS:           Limit{20, 20, time.Second},
		Account:        Limit{20, 10, time.Minute},
		Address:        Limit{100, 1, 864 * time.Second},
		SignUp:         Limit{50, 1, 1200 * time.Millisecond},
	}
}

// A bucketKey names a bucket, and whose it is.
type bucketKey struct{ name, whose string }

// A bucket is what is left of a limit. A window begins when something is first taken from a
// full bucket.
type bucket struct {
	limit Limit
	left  int
	since time.Time // when the window began; of no meaning while the bucket is full
}

func (b *bucket) fill(now time.Time) {
	if b.left >= b.limit.Size || now.Before(b.since) {
		return
	}
	windows := int(now.Sub(b.since) / b.limit.Every)
	b.left = min(b.limit.Size, b.left+windows*b.limit.Refill)
	b.since = b.since.Add(time.Duration(windows) * b.limit.Every)
}

// take takes one and reports whether there was one.
func (b *bucket) take(now time.Time, byTheClock bool) bool {
	b.fill(now)
	if b.left == 0 {
		return false
	}
	if b.left == b.limit.Size {
		b.since = now
		if byTheClock {
			b.since = now.Truncate(b.limit.Every)
		}
	}
	b.left--
	return true
}

// headers describes b. It is reset when it is full again, as in recordings (three logins of
// a hundred: in 2592 seconds, one coming back in 864), or when there is more, as documented.
func (b *bucket) headers(now time.Time, whenMore bool) http.Header {
	reset := now.Add(b.limit.Every)
	if taken := b.limit.Size - b.left; taken > 0 {
		windows := (taken + b.limit.Refill - 1) / b.limit.Refill
		if whenMore {
			windows = 1
		}
		reset = b.since.Add(time.Duration(windows) * b.limit.Every)
	}
	return limitHeaders(b.limit.Size, b.left, reset)
}

// limitHeaders writes reset in whole seconds, up rather than down: by then it is so.
func limitHeaders(size, left int, reset time.Time) http.Header {
	seconds := reset.Unix()
	if reset.Nanosecond() > 0 {
		seconds++
	}
	h := http.Header{}
	h.Set("X-Ratelimit-Limit", strconv.Itoa(size))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(left))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(seconds, 10))
	return h
}

// charge takes one from a bucket, whose headers the answer then has. If it is empty the error
// is the refusal.
func (c *call) charge(name, whose string, l Limit) error {
	if l.Size == 0 {
		return nil
	}
	if c.tenant.cfg.Limits.Continuous && l.Refill > 1 {
		l.Every, l.Refill = l.Every/time.Duration(l.Refill), 1
	}
	key := bucketKey{name, whose}
	b := c.tenant.buckets[key]
	if b == nil {
		b = &bucket{limit: l, left: l.Size}
		c.tenant.buckets[key] = b
	}
	c.bucket = b
	if b.take(c.now, c.tenant.cfg.Limits.ByTheClock) {
		return nil
	}
	c.tenant.stats.Limited[name]++
	return c.route.exhausted()
}

// chargeRoute takes from the bucket of the API, then from that of the endpoint.
func (c *call) chargeRoute() error {
	limits := c.tenant.cfg.Limits
	if c.route.api == managementAPI {
		return c.charge("management", "", limits.Management)
	}
	if err := c.charge("authentication", "", limits.Authentication); err != nil {
		return err
	}
	switch c.route.pattern {
	case tokenRoute:
		return c.charge("token", "", limits.Token)
	case keysRoute:
		return c.charge("jwks", "", limits.JWKS)
	}
	return nil
}
