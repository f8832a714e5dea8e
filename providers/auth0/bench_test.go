package auth0

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/secret"
)

// answers is a tenant over a socket that says the same each time.
func answers(b *testing.B) *httptest.Server {
	b.Helper()
	const user = `{"user_id":"auth0|0123456789abcdef01234567","email":"ada@example.com","username":"ada","identities":[{"connection":"` + auth0test.Connection +
		`","provider":"auth0","user_id":"0123456789abcdef01234567"}],"created_at":"2026-01-25T19:00:26.187Z","name":"Ada","blocked":false}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Ratelimit-Limit", "1000000")
		w.Header().Set("X-Ratelimit-Remaining", "999999")
		w.Header().Set("X-Ratelimit-Reset", "4000000000")
		if strings.HasPrefix(r.URL.Path, "/oauth/") {
			_, _ = io.WriteString(w, `{"access_token":"a","refresh_token":"r","expires_in":86400,"token_type":"Bearer"}`)
			return
		}
		_, _ = io.WriteString(w, user)
	}))
	b.Cleanup(server.Close)
	return server
}

// BenchmarkDriver compares calls of the driver with the same requests by a bare client,
// over the same connection.
func BenchmarkDriver(b *testing.B) {
	server := answers(b)
	p, err := Open(b.Context(), providers.Settings{Timeout: 10 * time.Second, Log: slog.New(slog.DiscardHandler), Getenv: func(name string) string {
		return map[string]string{"AUTH0_DOMAIN": server.URL, "AUTH0_CLIENT_ID": "id", "AUTH0_CLIENT_SECRET": "secret"}[name]
	}})
	if err != nil {
		b.Fatal(err)
	}
	bare := func(b *testing.B, method, path, body string) {
		for b.Loop() {
			req, err := http.NewRequestWithContext(b.Context(), method, server.URL+path, strings.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			var doc map[string]any
			err = json.NewDecoder(res.Body).Decode(&doc)
			res.Body.Close()
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("read an account", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Account(b.Context(), "auth0|0123456789abcdef01234567"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read an account, bare", func(b *testing.B) {
		b.ReportAllocs()
		bare(b, "GET", "/api/v2/users/auth0%7C0123456789abcdef01234567", "")
	})
	b.Run("log in", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Login(b.Context(), "ada", secret.New("Correct-Horse-7")); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("log in, bare", func(b *testing.B) {
		b.ReportAllocs()
		bare(b, "POST", "/oauth/token", "grant_type=password&username=ada&password=Correct-Horse-7")
	})
}
