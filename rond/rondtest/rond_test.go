package rondtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/rond/rondtest"
	"user-manager/upstream/faults"
)

func post(t *testing.T, h http.Handler, path, body string) int {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", path, strings.NewReader(body)))
	return w.Code
}

func TestRoles(t *testing.T) {
	r := rondtest.New(rondtest.Config{})
	r.Put(rondtest.Binding{Subjects: []string{"a", "b"}, Roles: []string{"viewer", "editor"}})
	r.Put(rondtest.Binding{Subjects: []string{"a"}, Roles: []string{"auditor", "editor"}, Resource: &rondtest.Resource{Type: "user", ID: "a"}})
	r.Put(rondtest.Binding{Subjects: []string{"a"}, Roles: []string{"drafted"}, State: "DRAFT"})
	r.Put(rondtest.Binding{Groups: []string{"a"}, Roles: []string{"of-a-group"}})
	for subject, want := range map[string][]string{"a": {"auditor", "editor", "viewer"}, "b": {"editor", "viewer"}, "A": nil} {
		if diff := cmp.Diff(want, r.Roles(subject)); diff != "" {
			t.Errorf("roles of %s (-want +got):\n%s", subject, diff)
		}
	}
}

// TestSeveralAtOnce: bindings that are nobody else's come and go without touching others.
func TestSeveralAtOnce(t *testing.T) {
	r := rondtest.New(rondtest.Config{})
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			for range 20 {
				post(t, r, "/grant/bindings", fmt.Sprintf(`{"subjects":["s%d"],"roles":["r"]}`, i))
			}
			if i%2 == 0 {
				post(t, r, "/revoke/bindings", fmt.Sprintf(`{"subjects":["s%d"]}`, i))
			}
			r.Roles("s1")
		})
	}
	group.Wait()
	if got := len(r.Bindings()); got != 8*20 {
		t.Errorf("%d bindings, want %d", got, 8*20)
	}
}

// TestResourcesAlone: an empty list of resources matches none, and ids without subjects are of
// everybody.
func TestResourcesAlone(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		left int
	}{
		"no resources in the list":   {`{"subjects":["a"],"resourceIds":[]}`, 2},
		"a subject on its resource":  {`{"subjects":["a"],"resourceIds":["x"]}`, 1},
		"a resource and nobody":      {`{"resourceIds":["x"]}`, 0},
		"a resource and empty lists": {`{"resourceIds":["x"],"subjects":[],"groups":[]}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := rondtest.New(rondtest.Config{})
			for _, subject := range []string{"a", "b"} {
				r.Put(rondtest.Binding{Subjects: []string{subject}, Roles: []string{"r"}, Resource: &rondtest.Resource{Type: "user", ID: "x"}})
			}
			if status := post(t, r, "/revoke/bindings/resource/user", test.body); status != 200 || len(r.Bindings()) != test.left {
				t.Errorf("status %d, %d bindings are left, want %d", status, len(r.Bindings()), test.left)
			}
		})
	}
}

func TestNamesOfCalls(t *testing.T) {
	plan := faults.NewPlan()
	transport := rondtest.NewFaulty(crud.InProcess(rondtest.New(rondtest.Config{})), plan)
	for _, path := range []string{"/grant/bindings", "/revoke/bindings/resource/user", "/-/rbac-ready"} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "http://rond-service"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	want := []string{"Rond POST /grant/bindings", "Rond POST /revoke/bindings/resource/:resourceType", "Rond POST /-/rbac-ready"}
	if diff := cmp.Diff(want, plan.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
