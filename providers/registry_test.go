package providers

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/upstream"
)

// registered fills the registry for one test.
func registered(t *testing.T, those map[string]Driver) {
	t.Helper()
	before := drivers
	t.Cleanup(func() { drivers = before })
	drivers = map[string]Driver{}
	for name, d := range those {
		Register(name, d)
	}
}

type named struct {
	Provider
	name string
}

func opens(name string) Driver {
	return Driver{
		Check: func(func(string) string) error { return nil },
		Open:  func(context.Context, Settings) (Provider, error) { return named{name: name}, nil },
	}
}

func TestOpen(t *testing.T) {
	wrong := errors.New("DEMO_URL is missing")
	broken, failing := opens("wrong"), opens("failing")
	broken.Check = func(func(string) string) error { return wrong }
	failing.Open = func(context.Context, Settings) (Provider, error) { return nil, wrong }
	registered(t, map[string]Driver{"demo": opens("demo"), "other": opens("other"), "wrong": broken, "failing": failing})
	tests := map[string]struct{ name, opened, problem string }{
		"a known one":           {"demo", "demo", ""},
		"another known one":     {"other", "other", ""},
		"one with a wrong name": {"dmeo", "", `open provider: AUTH_MODULE: no provider is named "dmeo"; known are demo, failing, other, wrong`},
		"one in capitals":       {"Demo", "", `open provider: AUTH_MODULE: no provider is named "Demo"; known are demo, failing, other, wrong`},
		"none":                  {"", "", `open provider: AUTH_MODULE: no provider is named ""; known are demo, failing, other, wrong`},
		"one with a problem":    {"wrong", "", "open provider: DEMO_URL is missing"},
		"one that fails":        {"failing", "", "open provider failing: DEMO_URL is missing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Open(t.Context(), test.name, Settings{})
			if fmt.Sprint(err) != test.problem && !(err == nil && test.problem == "") {
				t.Errorf("error: %v, want %q", err, test.problem)
			}
			if got, _ := p.(named); got.name != test.opened {
				t.Errorf("opened %q, want %q", got.name, test.opened)
			}
		})
	}
	if _, err := Open(t.Context(), "wrong", Settings{}); !errors.Is(err, wrong) {
		t.Errorf("error: %v, want one that wraps the driver's", err)
	}
}

func TestOpenHandsTheSettingsOn(t *testing.T) {
	var got string
	demo := opens("demo")
	demo.Open = func(_ context.Context, s Settings) (Provider, error) {
		got = s.Getenv("DEMO_URL")
		return named{}, nil
	}
	registered(t, map[string]Driver{"demo": demo})
	if _, err := Open(t.Context(), "demo", Settings{Getenv: func(name string) string { return "value of " + name }}); err != nil {
		t.Fatal(err)
	}
	if want := "value of DEMO_URL"; got != want {
		t.Errorf("the driver read %q, want %q", got, want)
	}
}

func TestNamesAreSorted(t *testing.T) {
	registered(t, map[string]Driver{"b": opens("b"), "c": opens("c"), "a": opens("a")})
	if diff := cmp.Diff([]string{"a", "b", "c"}, Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestRegisterTwicePanics(t *testing.T) {
	registered(t, map[string]Driver{"demo": opens("demo")})
	defer func() {
		if recover() == nil {
			t.Error("the second driver of one name does not panic")
		}
	}()
	Register("demo", opens("demo"))
}

func TestRefuse(t *testing.T) {
	for reason, status := range map[error]int{ErrInvalid: 400, ErrUnauthorized: 401, ErrNotFound: 404, ErrConflict: 409} {
		err := fmt.Errorf("register user: %w", Refuse("POST /users", reason, "no"))
		if !errors.Is(err, reason) {
			t.Errorf("%v: errors.Is does not find the reason", reason)
		}
		got, _ := errors.AsType[*upstream.Error](err)
		want := &upstream.Error{Service: "Auth", Route: "POST /users", Status: status, Message: "no", Err: reason}
		if diff := cmp.Diff(*want, *got, cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
			t.Errorf("%v (-want +got):\n%s", reason, diff)
		}
		if !upstream.Refused(err) {
			t.Errorf("%v is no refusal", reason)
		}
	}
}
