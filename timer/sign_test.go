package timer_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"user-manager/secret"
	"user-manager/timer"
)

var at = time.Date(2026, 7, 1, 12, 30, 0, 250_000_000, time.UTC)

// config is that of a client which sends its calls to handle.
func config(handle http.RoundTripper) timer.Config {
	return timer.Config{
		URL: "http://timer-service", Transport: handle, Timeout: 10 * time.Second,
		Callback: "http://user-manager:3000/base%20path", Secret: secret.New("correct horse battery staple"),
	}
}

func newClient(t *testing.T, cfg timer.Config) *timer.Client {
	t.Helper()
	c, err := timer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// scheduledCall returns the call of a timer for the user.
func scheduledCall(t *testing.T, cfg timer.Config, userID string, at time.Time) timer.Call {
	t.Helper()
	s := &recorder{body: `{"expirationId":"1"}`}
	cfg.Transport = s
	if _, err := newClient(t, cfg).Schedule(t.Context(), userID, at); err != nil {
		t.Fatal(err)
	}
	var sent struct{ Payload timer.Call }
	if err := json.Unmarshal(s.sent[0].body, &sent); err != nil {
		t.Fatal(err)
	}
	return sent.Payload
}

func TestVerify(t *testing.T) {
	call := scheduledCall(t, config(nil), "ada", at)
	otherKey := config(nil)
	otherKey.Secret = secret.New("another secret that is long")
	changed := func(change func(*timer.Call)) timer.Call {
		c := call
		change(&c)
		return c
	}
	last := call.Signature[len(call.Signature)-1:]
	for name, test := range map[string]struct {
		userID string
		call   timer.Call
		ok     bool
	}{
		"as scheduled":              {"ada", call, true},
		"another user":              {"bob", call, false},
		"another date":              {"ada", changed(func(c *timer.Call) { c.ExpirationDate = "2026-07-01T12:30:00.251Z" }), false},
		"the same date otherwise":   {"ada", changed(func(c *timer.Call) { c.ExpirationDate = "2026-07-01T12:30:00.25Z" }), false},
		"characters that moved":     {"ada2", changed(func(c *timer.Call) { c.ExpirationDate = c.ExpirationDate[1:] }), false},
		"another secret":            {"ada", scheduledCall(t, otherKey, "ada", at), false},
		"another version":           {"ada", changed(func(c *timer.Call) { c.Signature = "v2" + c.Signature[2:] }), false},
		"no version":                {"ada", changed(func(c *timer.Call) { c.Signature = c.Signature[3:] }), false},
		"a signature that is cut":   {"ada", changed(func(c *timer.Call) { c.Signature = c.Signature[:20] }), false},
		"a signature that goes on":  {"ada", changed(func(c *timer.Call) { c.Signature += "A" }), false},
		"another last character":    {"ada", changed(func(c *timer.Call) { c.Signature = strings.TrimSuffix(c.Signature, last) + next(last) }), false},
		"no signature":              {"ada", timer.Call{ExpirationDate: call.ExpirationDate}, false},
		"nothing":                   {"", timer.Call{}, false},
		"signed by us, but no date": {"ada", timer.Call{Signature: call.Signature}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := newClient(t, config(nil)).Verify(test.userID, test.call)
			if ok != test.ok {
				t.Errorf("ok: %v, want %v", ok, test.ok)
			}
			if test.ok && !got.Equal(at) {
				t.Errorf("time: %v, want %v", got, at)
			}
		})
	}
}

// next returns the base64 digit behind the given one: with it a signature may stand for the
// same bytes, since not all bits of its last digit are used.
func next(digit string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_A"
	i := strings.Index(digits, digit)
	return digits[i+1 : i+2]
}

// TestSignaturesDiffer: of user and date it matters which character belongs to which, and
// milliseconds count, but not what is behind them, nor the zone.
func TestSignaturesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, user := range []string{"ada", "ada2", "", "ad", "9:ada"} {
		for _, date := range []time.Time{at, at.Add(time.Millisecond)} {
			seen[scheduledCall(t, config(nil), user, date).Signature] = true
		}
	}
	if len(seen) != 10 {
		t.Errorf("%d signatures of 10 calls", len(seen))
	}
	same := scheduledCall(t, config(nil), "ada", at.Add(time.Microsecond).In(time.FixedZone("east", 3600)))
	if want := scheduledCall(t, config(nil), "ada", at); same != want {
		t.Errorf("call: %v, want %v", same, want)
	}
}
