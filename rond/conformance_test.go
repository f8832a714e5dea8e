package rond_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/rond"
	"user-manager/rond/rondtest"
	"user-manager/upstream"
)

// A sent request is what Rönd sees of it.
type sent struct {
	Method, Path, ContentType string
	Body                      map[string]any
}

// tap writes down the requests that go through it.
type tap struct {
	next    http.RoundTripper
	seen    []sent
	headers []http.Header
}

func (w *tap) RoundTrip(req *http.Request) (*http.Response, error) {
	encoded, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	s := sent{Method: req.Method, Path: req.URL.EscapedPath(), ContentType: req.Header.Get("Content-Type")}
	if err := json.Unmarshal(encoded, &s.Body); err != nil {
		return nil, err
	}
	w.seen, w.headers = append(w.seen, s), append(w.headers, req.Header)
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(bytes.NewReader(encoded))
	return w.next.RoundTrip(req)
}

// recorded returns the grants and revokes of a recording that name subjects and no group, and
// the headers of each.
func recorded(t *testing.T, name string) (requests []sent, headers []http.Header) {
	t.Helper()
	var rec struct {
		Steps []struct {
			Request struct {
				Method, Path string
				Headers      map[string]string
				Body         any
			}
			Repeat int
		}
	}
	text, err := os.ReadFile("rondtest/testdata/" + name + ".json")
	if err == nil {
		err = json.Unmarshal(text, &rec)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range rec.Steps {
		body, _ := st.Request.Body.(map[string]any)
		if body["subjects"] == nil || body["groups"] != nil {
			continue
		}
		header := http.Header{}
		for name, value := range st.Request.Headers {
			header.Set(name, value)
		}
		for range max(st.Repeat, 1) {
			requests = append(requests, sent{st.Request.Method, st.Request.Path, header.Get("Content-Type"), body})
			headers = append(headers, header)
		}
	}
	return requests, headers
}

// TestRequestsAreThoseOfTheRecordings: the client asks for the same in the same words. Where a
// recording has one revoke the client makes another, to see that nothing is left.
func TestRequestsAreThoseOfTheRecordings(t *testing.T) {
	for name, test := range map[string]struct {
		resourceType, resourceID string // of the recording
		do                       func(context.Context, *rond.Client) []error
		allRevokes               bool // the recording has the last one too
	}{
		"upstream-requests": {do: func(ctx context.Context, c *rond.Client) []error {
			return []error{c.Grant(ctx, ada, []string{"editor"}), c.Revoke(ctx, ada)}
		}},
		"replace-roles": {do: func(ctx context.Context, c *rond.Client) []error {
			return []error{c.Grant(ctx, ada, []string{"editor"}), c.Revoke(ctx, ada), c.Grant(ctx, ada, []string{"viewer", "auditor"})}
		}},
		"two-hundred-bindings": {allRevokes: true, do: func(ctx context.Context, c *rond.Client) []error {
			var errs []error
			for range 250 {
				errs = append(errs, c.Grant(ctx, ada, []string{"editor"}))
			}
			return append(errs, c.Revoke(ctx, ada))
		}},
		"crud-unreachable": {resourceType: "project", resourceID: "p1", do: func(ctx context.Context, c *rond.Client) []error {
			return []error{c.Grant(ctx, ada, []string{"editor"}), c.Revoke(ctx, ada)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			want, _ := recorded(t, name)
			want = slices.DeleteFunc(want, func(s sent) bool {
				return strings.Contains(s.Path, "/resource/") != (test.resourceType != "") || name == "upstream-requests" && s.Body["subjects"].([]any)[0] != ada
			})
			w := &tap{next: crud.InProcess(rondtest.New(rondtest.Config{}))}
			for _, err := range test.do(t.Context(), client(t, w, test.resourceType)) {
				if err != nil {
					t.Error(err)
				}
			}
			got := w.seen
			if !test.allRevokes {
				got = slices.CompactFunc(got, func(a, b sent) bool { return cmp.Equal(a, b) })
			}
			if diff := cmp.Diff(ofOurs(t, want, test.resourceID), got); diff != "" || len(want) == 0 {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// ofOurs puts ada's id in place of a resource's: our bindings are on the user itself.
func ofOurs(t *testing.T, requests []sent, resourceID string) []sent {
	t.Helper()
	for _, r := range requests {
		if resourceID == "" {
			continue
		}
		switch {
		case r.Body["resourceId"] == resourceID:
			r.Body["resourceId"] = ada
		case cmp.Equal(r.Body["resourceIds"], []any{resourceID}):
			r.Body["resourceIds"] = []any{ada}
		default:
			t.Fatalf("%s %s is not on %s", r.Method, r.Path, resourceID)
		}
	}
	return requests
}

// TestHeaders: what the platform passes on goes along, and nothing that is for others.
func TestHeaders(t *testing.T) {
	_, headers := recorded(t, "upstream-requests")
	in := httptest.NewRequest("POST", "/users", nil)
	in.Header = headers[0].Clone()
	in.Header.Set("X-Idempotency-Key", "k1")
	in.Header.Set("Accept-Encoding", "gzip")
	in.Header.Set("Client-Key", "of the provider")
	caller := upstream.Forwarding{
		UserIDKey: "miauserid", GroupsKey: "miausergroups", ClientTypeKey: "client-type", Additional: []string{"X-Idempotency-Key", "Accept-Encoding"},
	}.Caller(in, "req-1")

	w := &tap{next: crud.InProcess(rondtest.New(rondtest.Config{}))}
	c := client(t, w, "")
	ctx := upstream.WithCaller(t.Context(), caller)
	if err := c.Grant(ctx, ada, []string{"editor"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Revoke(ctx, ada); err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Content-Type":      {"application/json"},
		"Miauserid":         {"auth0|65f0c0ffee0000000000ad01"},
		"Miausergroups":     {"admin"},
		"Client-Type":       {"cms"},
		"X-Request-Id":      {"req-1"},
		"X-Forwarded-For":   {"10.0.0.1"},
		"X-Forwarded-Proto": {"https"},
		"X-Forwarded-Host":  {"example.com"},
		"x-idempotency-key": {"k1"}, // so that net/http makes no second call of it
	}
	for i, got := range w.headers {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("headers of %s (-want +got):\n%s", w.seen[i].Path, diff)
		}
	}
}
