package rond_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/rond"
	"user-manager/rond/rondtest"
	"user-manager/upstream"
)

const (
	ada = "auth0|65f0c0ffee00000000000a01"
	bob = "auth0|65f0c0ffee00000000000b02"

	timeout = 10 * time.Second // of a call in these tests
)

func client(t testing.TB, transport http.RoundTripper, resourceType string) *rond.Client {
	t.Helper()
	c, err := rond.New(rond.Config{URL: "http://rond-service", ResourceType: resourceType, Transport: transport, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// variants are the two ways to keep roles, by the resource type.
var variants = map[string]string{"by subject": "", "by a resource of our own": "user"}

func eachVariant(t *testing.T, test func(t *testing.T, resourceType string)) {
	for name, resourceType := range variants {
		t.Run(name, func(t *testing.T) { test(t, resourceType) })
	}
}

func wantRoles(t *testing.T, r *rondtest.Rond, subject string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, r.Roles(subject)); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
}

func TestGrantAndRevoke(t *testing.T) {
	eachVariant(t, func(t *testing.T, resourceType string) {
		r := rondtest.New(rondtest.Config{})
		c := client(t, crud.InProcess(r), resourceType)
		for _, subject := range []string{ada, bob} {
			if err := c.Grant(t.Context(), subject, []string{"viewer", "editor"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Grant(t.Context(), ada, []string{"auditor"}); err != nil {
			t.Fatal(err)
		}
		wantRoles(t, r, ada, "auditor", "editor", "viewer")

		if err := c.Revoke(t.Context(), ada); err != nil {
			t.Fatal(err)
		}
		wantRoles(t, r, ada)
		wantRoles(t, r, bob, "editor", "viewer")
		if err := c.Revoke(t.Context(), ada); err != nil {
			t.Errorf("nothing to revoke: %v", err)
		}
	})
}

// others puts bindings that somebody else has made there: of ada's on another resource, of a
// group, and one that ada shares with bob.
func others(r *rondtest.Rond) {
	r.Put(rondtest.Binding{Subjects: []string{ada}, Roles: []string{"plain"}})
	r.Put(rondtest.Binding{Subjects: []string{ada}, Roles: []string{"on-a-project"}, Resource: &rondtest.Resource{Type: "project", ID: "p1"}})
	r.Put(rondtest.Binding{Subjects: []string{ada, bob}, Roles: []string{"shared"}})
	r.Put(rondtest.Binding{Subjects: []string{bob}, Roles: []string{"on-bob"}, Resource: &rondtest.Resource{Type: "user", ID: bob}})
	r.Put(rondtest.Binding{Groups: []string{ada}, Roles: []string{"of-a-group"}})
}

func TestRevokeOfOthersBindings(t *testing.T) {
	for name, test := range map[string]struct {
		resourceType string
		left         []string // ada's roles after the revoke
	}{
		"by subject all of them go":                 {"", nil},
		"by a resource of our own all of them stay": {"user", []string{"on-a-project", "plain", "shared"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := rondtest.New(rondtest.Config{})
			others(r)
			c := client(t, crud.InProcess(r), test.resourceType)
			if err := c.Grant(t.Context(), ada, []string{"ours"}); err != nil {
				t.Fatal(err)
			}
			if err := c.Revoke(t.Context(), ada); err != nil {
				t.Fatal(err)
			}
			wantRoles(t, r, ada, test.left...)
			wantRoles(t, r, bob, "on-bob", "shared")
			if ofGroup := slices.ContainsFunc(r.Bindings(), func(b rondtest.Binding) bool { return len(b.Groups) > 0 }); !ofGroup {
				t.Error("the binding of a group is gone")
			}
		})
	}
}

// counting counts the requests that go through it.
type counting struct {
	next  http.RoundTripper
	calls int
}

func (c *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	c.calls++
	return c.next.RoundTrip(req)
}

func TestRevokeTakesAllOfMany(t *testing.T) {
	for name, test := range map[string]struct {
		bindings int
		shared   bool // with bob, who keeps them
		calls    int
	}{
		"none":                  {0, false, 1},
		"one":                   {1, false, 2},
		"one that is shared":    {1, true, 2},
		"a page":                {200, false, 2},
		"a page and one":        {201, false, 3},
		"two pages and a half":  {450, false, 4},
		"two pages, all shared": {400, true, 3},
		"as many as are taken":  {49 * 200, false, 50},
	} {
		t.Run(name, func(t *testing.T) {
			eachVariant(t, func(t *testing.T, resourceType string) {
				r := rondtest.New(rondtest.Config{})
				subjects, left := []string{ada}, 0
				if test.shared {
					subjects, left = append(subjects, bob), test.bindings
				}
				for range test.bindings {
					r.Put(rondtest.Binding{Subjects: subjects, Roles: []string{"editor"}, Resource: &rondtest.Resource{Type: "user", ID: ada}})
				}
				transport := &counting{next: crud.InProcess(r)}
				if err := client(t, transport, resourceType).Revoke(t.Context(), ada); err != nil {
					t.Error(err)
				}
				wantRoles(t, r, ada)
				if len(r.Bindings()) != left || transport.calls != test.calls {
					t.Errorf("%d bindings are left after %d calls, want %d after %d", len(r.Bindings()), transport.calls, left, test.calls)
				}
			})
		})
	}
}

func TestRevokeEnds(t *testing.T) {
	transport := &counting{next: crud.InProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"deletedBindings":1,"modifiedBindings":0}`))
	}))}
	err := client(t, transport, "").Revoke(t.Context(), ada)
	failed, ok := errors.AsType[*upstream.Error](err)
	if !ok || !failed.Partial || !errors.Is(err, upstream.ErrAnswer) || transport.calls != 50 {
		t.Errorf("after %d calls: %v, want an error after 50 that says that some is done", transport.calls, err)
	}
}

// TestMistakes: what would grant or revoke something else is not even asked for.
func TestMistakes(t *testing.T) {
	eachVariant(t, func(t *testing.T, resourceType string) {
		transport := &counting{next: crud.InProcess(rondtest.New(rondtest.Config{}))}
		c := client(t, transport, resourceType)
		for name, err := range map[string]error{
			"a grant to nobody":    c.Grant(t.Context(), "", []string{"editor"}),
			"a grant of nothing":   c.Grant(t.Context(), ada, nil),
			"a revoke of nobody's": c.Revoke(t.Context(), ""),
		} {
			if !upstream.Refused(err) || upstream.Unreached(err) {
				t.Errorf("%s: %v, want a refusal", name, err)
			}
		}
		if transport.calls > 0 {
			t.Errorf("%d calls were made", transport.calls)
		}
	})
}

func TestNew(t *testing.T) {
	for name, test := range map[string]struct {
		url, resourceType string
		words             string // in the error; "": there is none
	}{
		"a name of a service":            {"http://rond-service", "", ""},
		"a path in front":                {"https://example.com/rond/", "user-manager.user", ""},
		"no host":                        {"rond-service", "", "address of Rönd"},
		"no URL":                         {"http://rond service", "", "address of Rönd"},
		"a type with a space":            {"http://rond-service", "my users", "resource type"},
		"a type with a slash":            {"http://rond-service", "a/b", "resource type"},
		"a type that is escaped already": {"http://rond-service", "my%20users", "resource type"},
		"a type with an umlaut":          {"http://rond-service", "rönd", "resource type"},
		"a type that is a step":          {"http://rond-service", "..", "resource type"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rond.New(rond.Config{URL: test.url, ResourceType: test.resourceType})
			if test.words == "" && err != nil || test.words != "" && (err == nil || !strings.Contains(err.Error(), test.words)) {
				t.Errorf("got %v, want %q", err, test.words)
			}
		})
	}
}

func TestPing(t *testing.T) {
	for name, test := range map[string]struct {
		rond   http.Handler
		status int // of the error; 0: none
	}{
		"well":                      {rondtest.New(rondtest.Config{}), 0},
		"well, while nothing works": {rondtest.New(rondtest.Config{Store: rondtest.Gone()}), 0},
		"not ready yet":             {rondtest.New(rondtest.Config{Starting: true}), 0},
		"something else":            {http.NotFoundHandler(), 404},
	} {
		t.Run(name, func(t *testing.T) {
			err := client(t, crud.InProcess(test.rond), "").Ping(t.Context())
			if upstream.Status(err) != test.status || (err == nil) != (test.status == 0) {
				t.Errorf("got %v, want status %d", err, test.status)
			}
		})
	}
}
