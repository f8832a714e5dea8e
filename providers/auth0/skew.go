package auth0

import (
	"net/http"
	"time"
)

// skew is how far the tenant's clock is ahead of ours, as far as the Date of its answers
// shows it: a Date is cut to whole seconds, and the answer was under way for a while. Each
// answer may narrow it. The zero value knows nothing.
type skew struct {
	known bool
	ahead time.Duration // the tenant's clock is ahead by this at least
	most  time.Duration // and by this at most
}

// see takes the Date of an answer to a call that was sent and answered at the given times.
func (s *skew) see(h http.Header, sent, answered time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	ahead, most := date.Sub(answered), date.Add(time.Second).Sub(sent)
	if !s.known || ahead > s.most || most < s.ahead { // a clock was set
		*s = skew{known: true, ahead: ahead, most: most}
		return
	}
	s.ahead, s.most = max(s.ahead, ahead), min(s.most, most)
}

// local returns an instant of the tenant's clock on ours: the same unless the answers rule
// that out, and then late rather than early.
func (s *skew) local(at time.Time) time.Time {
	if !s.known || s.ahead <= 0 && s.most >= 0 {
		return at
	}
	return at.Add(-s.ahead)
}
