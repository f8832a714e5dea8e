package upstream_test

import (
	"testing"
	"testing/synctest"

	"user-manager/upstream"
)

// TestDoubt: a change that came to be at a second try may be made once more, unless the
// first surely did nothing or to do it twice is nothing.
func TestDoubt(t *testing.T) {
	for name, test := range map[string]struct {
		method string
		first  try
		want   bool
	}{
		"a change, no answer":           {"PATCH*", reset, true},
		"a change, unavailable":         {"PATCH*", answered(503), true},
		"a change, too many requests":   {"PATCH*", answered(429), false},
		"a change, not sent":            {"PATCH*", unsent, false},
		"a change, done at once":        {"PATCH*", ok200, false},
		"a deletion, no answer":         {"DELETE*", reset, false},
		"a read, no answer":             {"GET", reset, false},
		"a change that is not repeated": {"POST", reset, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := network(t, &scripted{script: []try{test.first, ok200}})
				ctx, doubt := upstream.WithDoubt(t.Context())
				if res, err := n.RoundTrip(request(ctx, t, test.method)); err == nil {
					res.Body.Close()
				}
				if doubt.Raised() != test.want {
					t.Errorf("doubt: %v, want %v", doubt.Raised(), test.want)
				}
			})
		})
	}
}
