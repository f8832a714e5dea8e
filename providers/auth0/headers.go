package auth0

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"user-manager/upstream"
)

// mostOfOne is the largest limit that is one user's or one address's. On answers of the
// Authentication API the x-ratelimit headers are mostly of such a limit (recorded: 10 a
// user at userinfo, 10 an address for mails, 50 and 100 for one IP), which says nothing of
// the tenant's; the smallest that is documented for a tenant is 300.
const mostOfOne = 100

// mostLimit is a limit that is as good as any larger one.
const mostLimit = 1_000_000

// limits are what an answer says of a bucket.
type limits struct {
	limit, left int
	reset       time.Time // on our clock
	asked       bool      // to come back at reset, and not before
}

// limitsOf returns what an answer says of limits, its times by our clock as far as clock knows
// the tenant's. A Retry-After goes before x-ratelimit-reset.
func limitsOf(a *answer, clock skew) (limits, bool) {
	if a.header.Get("X-Ratelimit-Limit") == "" {
		return limits{}, false
	}
	limit, err := strconv.Atoi(a.header.Get("X-Ratelimit-Limit"))
	left, err2 := strconv.Atoi(a.header.Get("X-Ratelimit-Remaining"))
	reset, err3 := strconv.ParseInt(a.header.Get("X-Ratelimit-Reset"), 10, 64)
	if err != nil || err2 != nil || err3 != nil || limit < 1 || left < 0 {
		return limits{}, false
	}
	limit = min(limit, mostLimit)
	s := limits{limit: limit, left: min(left, limit), reset: clock.local(time.Unix(reset, 0))}
	s.reset = a.got.Add(s.reset.Sub(a.got)) // even if our clock is set
	if asked := upstream.ParseRetryAfter(a.header.Get("Retry-After"), a.got); asked > 0 && a.status == http.StatusTooManyRequests {
		s.reset, s.asked = a.got.Add(asked), true
	}
	return s, true
}

// whose returns the bucket that an answer's headers are about, or nil for one of a single
// user or address, or for one that is larger than what calls were refused for. Of POST
// /oauth/token's own limit speak the answers to those grants that no user's limit is looked at
// for.
func (l *limiter) whose(r *request, said limits, refused bool) *bucket {
	switch {
	case r.kind == manages:
		return l.management
	case said.limit > mostOfOne:
		if refused {
			l.proved = said.limit
		} else if l.proved > 0 && said.limit > l.proved {
			return nil
		}
		return l.authentication
	case r.kind == renewsToken, r.kind == grantsToken && said.limit == l.token.limit:
		return l.token
	case r.kind == mails && l.mails.shared(r.owner, refused):
		return l.mail
	}
	return nil
}

// suspicion finds out whether the limit of mails is each address's own, as documented, or
// one for all: then it refuses mails to one address and another, and lets none through in
// between. The zero value trusts the documentation.
type suspicion struct {
	refused string // the owner of the last mail, if that was refused
	proved  bool
}

func (s *suspicion) shared(owner string, refused bool) bool {
	if refused && s.refused != "" && s.refused != owner {
		s.proved = true
	}
	s.refused = ""
	if refused {
		s.refused = owner
	}
	return s.proved
}

// isLimit reports whether an answer refuses a call for a limit that passes. An
// Authentication call that meets the Management API's limit inside was seen as status 500.
// Too many failed logins are no such limit.
func isLimit(r *request, a *answer) bool {
	if r.kind == manages {
		return a.status == http.StatusTooManyRequests && (r.excused == nil || !r.excused(a))
	}
	switch a.status {
	case http.StatusTooManyRequests:
		return saidError(a.body).Code != "too_many_attempts"
	case http.StatusInternalServerError:
		return saidError(a.body).Code == "access_denied" && bytes.Contains(a.body, []byte("limit has been reached"))
	}
	return false
}

// saidError returns the error of the Authentication API that body has.
func saidError(body []byte) oauthError {
	var e oauthError
	_ = json.Unmarshal(body, &e) // of another form: none
	return e
}

// An oauthError is an error body of the Authentication API.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}
