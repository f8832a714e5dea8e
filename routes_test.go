package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/apidoc/conform"
	"user-manager/metrics"
)

// TestEveryRouteIsDescribed holds the route table against the API description, both
// ways.
func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()
	checker, err := conform.New()
	if err != nil {
		t.Fatal(err)
	}
	var described, served []string
	for _, r := range checker.Routes() {
		described = append(described, strings.TrimSuffix(r, "/"))
	}
	a := &api{neighbours: neighbours{metrics: metrics.New("")}}
	for _, r := range append(a.routes(), a.statusRoutes()...) {
		served = append(served, r.method+" "+strings.NewReplacer("{", ":", "}", "").Replace(r.path))
	}
	slices.Sort(described)
	slices.Sort(served)
	if diff := cmp.Diff(described, served); diff != "" {
		t.Errorf("described but not served (-), served but not described (+):\n%s", diff)
	}
}

// TestServiceDoesNotLinkTesting keeps test support out of the binary.
func TestServiceDoesNotLinkTesting(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, unwanted := range []string{"testing", "user-manager/providers/providertest", "user-manager/crud/crudtest", "user-manager/rond/rondtest", "user-manager/timer/timertest", "user-manager/apidoc/conform", "user-manager/upstream/faults"} {
		if slices.Contains(strings.Fields(string(out)), unwanted) {
			t.Errorf("the service links %s", unwanted)
		}
	}
}

// FuzzDecodeBody: whatever is sent as a body, it is decoded or refused with a 4xx
// that says something.
func FuzzDecodeBody(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `"x"`, `{"_id":"a"}`, `{"_id":5}`, `{"_id":"a","x":1}`, `{"_id":"a"} x`, `{"_id":`, `{"_id":"a","_id":"b"}`,
		`{"filter":{},"stateTo":"TRASH"}`, `[{"filter":{},"stateTo":"TRASH"}]`, `[{"filter":null,"stateTo":5}]`, "\xff", `{"\ud800":1}`,
		strings.Repeat("[", 20000), `username=a&password=b`, `username=%zz`, "{\"a\":1e999}",
	} {
		f.Add([]byte(seed), "application/json")
		f.Add([]byte(seed), "application/x-www-form-urlencoded")
	}
	type register struct {
		ID       string      `json:"_id" validate:"required"`
		Password secretField `json:"password"`
	}
	type change struct {
		Filter  map[string]any `json:"filter" validate:"required"`
		StateTo string         `json:"stateTo" validate:"required,oneof=PUBLIC DRAFT"`
	}
	f.Fuzz(func(t *testing.T, body []byte, media string) {
		for what, decode := range map[string]func(*http.Request) error{
			"struct":      func(r *http.Request) error { _, err := decode[register](r); return err },
			"slice":       func(r *http.Request) error { _, err := decode[[]change](r); return err },
			"object":      func(r *http.Request) error { _, err := decodeObject(r); return err },
			"one or more": func(r *http.Request) error { _, err := decodeOneOrMore[change](r); return err },
			"list":        func(r *http.Request) error { _, err := (&api{bulkLimit: 2}).decodeList(r, "send fewer"); return err },
			"form":        func(r *http.Request) error { _, err := decodeForm[register](r); return err },
		} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
			r.Header.Set("Content-Type", media)
			err := decode(r)
			if err == nil {
				continue
			}
			status, message := (&api{}).classify(err)
			if status < 400 || status > 499 || message == "" {
				t.Errorf("%s of %q = %d %q, from %v", what, body, status, message, err)
			}
		}
	})
}
