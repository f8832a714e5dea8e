package upstream

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// maxRetryAfter bounds what an upstream may ask for: one that wants more is as good as
// gone, and may be mistaken.
const maxRetryAfter = time.Hour

// ParseRetryAfter returns how long the value of a Retry-After header asks to wait: a
// number of seconds, or an HTTP date as seen from now. It is an hour at most, and 0 for
// a date that is past and for a value that is neither.
func ParseRetryAfter(header string, now time.Time) time.Duration {
	seconds, err := strconv.ParseUint(header, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) { // seconds are the most there are, then
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	date, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(date.Sub(now), 0), maxRetryAfter)
}
