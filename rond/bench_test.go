package rond_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"user-manager/rond"
)

// BenchmarkClient compares calls of the client with the same requests by a bare one, over the
// same connection. A revoke that takes something is two requests, and the one measured here
// finds nothing.
func BenchmarkClient(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"bindingId":"0b0b7e0c-37f8-4fd0-a5e5-5c2d3f0f3a51","deletedBindings":0,"modifiedBindings":0}`)
	}))
	b.Cleanup(server.Close)
	c, err := rond.New(rond.Config{URL: server.URL, Transport: http.DefaultTransport, Timeout: timeout})
	if err != nil {
		b.Fatal(err)
	}
	run := func(name string, do func(*testing.B) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := do(b); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	bare := func(path, body string) func(*testing.B) error {
		return func(b *testing.B) error {
			req, err := http.NewRequestWithContext(b.Context(), "POST", server.URL+path, strings.NewReader(body))
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			var answer map[string]any
			return json.NewDecoder(res.Body).Decode(&answer)
		}
	}
	run("grant", func(b *testing.B) error { return c.Grant(b.Context(), ada, []string{"editor"}) })
	run("grant, bare", bare("/grant/bindings", `{"subjects":["`+ada+`"],"roles":["editor"]}`))
	run("revoke", func(b *testing.B) error { return c.Revoke(b.Context(), ada) })
	run("revoke, bare", bare("/revoke/bindings", `{"subjects":["`+ada+`"]}`))
}
