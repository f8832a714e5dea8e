package auth0client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
	"user-manager/providers/auth0client"
	"user-manager/providers/auth0client/facadetest"
	"user-manager/secret"
	"user-manager/upstream"
)

// TestForwardedHeaders: what goes along with each call.
func TestForwardedHeaders(t *testing.T) {
	everywhere := upstream.Caller{
		Header:   http.Header{"Client-Type": {"web"}, "X-Forwarded-Host": {"example.com"}, "X-Request-Id": {"r1"}, "Accept-Encoding": {"gzip"}, "Idempotency-Key": {"i"}},
		ACL:      http.Header{"Acl_rows": {`{"a":1}`}},
		Provider: http.Header{"Client-Key": {"k"}, "Secret": {"s"}, "Cookie": {"sid=old; client-key=k"}},
	}
	configured := upstream.Caller{
		Header:   http.Header{"Cookie": {"theme=dark; sid=old; client-key=k"}, "Authorization": {"Bearer other"}},
		Provider: http.Header{"Cookie": {"sid=old; client-key=k"}},
	}
	quoted := upstream.Caller{Provider: http.Header{"Cookie": {`sid="a,b c"; client-key=k`}}}
	base := func(h http.Header) http.Header {
		for name, value := range map[string]string{"Client-Type": "web", "X-Forwarded-Host": "example.com", "X-Request-Id": "r1", "idempotency-key": "i"} {
			h[name] = []string{value}
		}
		return h
	}
	own := func(h http.Header) http.Header {
		h.Set("Client-Key", "k")
		h.Set("Secret", "s")
		return base(h)
	}
	const form, jsonType = "application/x-www-form-urlencoded", "application/json"
	tests := map[string]struct {
		call   func(context.Context, *auth0client.Provider)
		caller upstream.Caller
		want   http.Header
	}{
		"login": {login, everywhere, own(http.Header{"Cookie": {"sid=old; client-key=k"}, "Content-Type": {form}})},
		"refresh by token": {refreshBy("r"), everywhere,
			own(http.Header{"Cookie": {"client-key=k"}, "Authorization": {"Bearer a"}, "Content-Type": {jsonType}})},
		"refresh by cookie": {refreshBy(""), everywhere, own(http.Header{"Cookie": {"client-key=k; sid=a"}, "Content-Type": {jsonType}})},
		"user info by token": {infoBy(providers.Ticket{AccessToken: secret.New("a"), SessionID: secret.New("old")}), everywhere,
			own(http.Header{"Cookie": {"client-key=k"}, "Authorization": {"Bearer a"}})},
		"user info by cookie":    {infoBy(providers.Ticket{SessionID: secret.New("s")}), everywhere, own(http.Header{"Cookie": {"client-key=k; sid=s"}})},
		"an account":             {account, everywhere, base(http.Header{"Content-Type": {jsonType}})},
		"nobody":                 {account, upstream.Caller{}, http.Header{"Content-Type": {jsonType}}},
		"nobody, with a session": {infoBy(providers.Ticket{SessionID: secret.New("s")}), upstream.Caller{}, http.Header{"Cookie": {"sid=s"}}},
		"all cookies are forwarded: login": {login, configured,
			http.Header{"Cookie": {"theme=dark; sid=old; client-key=k"}, "Authorization": {"Bearer other"}, "Content-Type": {form}}},
		"all cookies are forwarded: user info by cookie": {infoBy(providers.Ticket{SessionID: secret.New("s")}), configured,
			http.Header{"Cookie": {"theme=dark; client-key=k; sid=s"}}},
		"a cookie as it came": {infoBy(providers.Ticket{SessionID: secret.New("a,b c")}), quoted,
			http.Header{"Cookie": {`client-key=k; sid="a,b c"`}}},
		"a refresh token beside a cookie": {func(ctx context.Context, p *auth0client.Provider) {
			_, _ = p.Refresh(ctx, secret.New("r"), secret.New("old"))
		}, everywhere, own(http.Header{"Cookie": {"client-key=k; sid=old"}, "Content-Type": {jsonType}})},
		"all cookies are forwarded: user info by token": {infoBy(providers.Ticket{AccessToken: secret.New("a")}), configured,
			http.Header{"Cookie": {"theme=dark; client-key=k"}, "Authorization": {"Bearer a"}}},
		"all cookies are forwarded: an account": {account, configured,
			http.Header{"Cookie": {"theme=dark; sid=old; client-key=k"}, "Authorization": {"Bearer other"}, "Content-Type": {jsonType}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, last := answering(200, nil, tokensBody)
			test.call(upstream.WithCaller(t.Context(), test.caller), opened(t, h, nil))
			if diff := cmp.Diff(test.want, last.header); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
}

func login(ctx context.Context, p *auth0client.Provider) { _, _ = p.Login(ctx, "ada", password) }

func account(ctx context.Context, p *auth0client.Provider) { _, _ = p.Account(ctx, "auth0|1") }

func refreshBy(token string) func(context.Context, *auth0client.Provider) {
	return func(ctx context.Context, p *auth0client.Provider) {
		_, _ = p.Refresh(ctx, secret.New(token), secret.New("a"))
	}
}

func infoBy(t providers.Ticket) func(context.Context, *auth0client.Provider) {
	return func(ctx context.Context, p *auth0client.Provider) { _, _ = p.UserInfo(ctx, t) }
}

// TestClientsOfCallers: the client that a caller names, by itself or by its key, decides what
// a login answers with.
func TestClientsOfCallers(t *testing.T) {
	facade := facadetest.New(facadetest.Config{
		Tenant: newTenant(), Clients: map[string]facadetest.Client{"app": {}, "site": {Website: true}, "broken": {ID: "x", Secret: "y"}},
		DefaultClient: "app", Keys: map[string]string{"key-of-site": "site"},
	})
	p := opened(t, facade, nil)
	created(t, p, "ada")
	header := func(name, value string) http.Header { return http.Header{name: {value}} }
	tests := map[string]struct {
		caller  upstream.Caller
		cookies int
		err     error
	}{
		"nobody":            {upstream.Caller{}, 0, nil},
		"a client":          {upstream.Caller{Header: header("Client-Type", "site")}, 1, nil},
		"another":           {upstream.Caller{Header: header("Client-Type", "app")}, 0, nil},
		"a key":             {upstream.Caller{Provider: header("Client-Key", "key-of-site")}, 1, nil},
		"a secret":          {upstream.Caller{Provider: header("Secret", "key-of-site")}, 1, nil},
		"a cookie":          {upstream.Caller{Provider: header("Cookie", "client-key=key-of-site")}, 1, nil},
		"an unknown client": {upstream.Caller{Header: header("Client-Type", "sight")}, 0, providers.ErrUnauthorized},
		"an unknown key":    {upstream.Caller{Provider: header("Client-Key", "x")}, 0, providers.ErrUnauthorized},
		"a broken client":   {upstream.Caller{Header: header("Client-Type", "broken")}, 0, providers.ErrUnauthorized},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			session, err := p.Login(upstream.WithCaller(t.Context(), test.caller), "ada", password)
			if len(session.Cookies) != test.cookies || !isCause(err, test.err) {
				t.Errorf("%d cookies, error %v; want %d, %v", len(session.Cookies), err, test.cookies, test.err)
			}
		})
	}
	without := opened(t, facadetest.New(facadetest.Config{Tenant: newTenant(), Clients: website}), nil)
	if _, err := without.Login(t.Context(), "ada", password); !isCause(err, providers.ErrMisconfigured) {
		t.Errorf("nobody, without a default: %v, want that the settings are refused", err)
	}
	elsewhere := opened(t, facade, map[string]string{"AUTH_CONNECTION": "elsewhere"})
	if _, err := elsewhere.Login(t.Context(), "ada", password); !isCause(err, providers.ErrMisconfigured) {
		t.Errorf("another connection: %v, want that the settings are refused", err)
	}
	if _, err := elsewhere.Create(t.Context(), newAccount("bob")); !isCause(err, providers.ErrMisconfigured) {
		t.Errorf("an account in another connection: %v, want that the settings are refused", err)
	}
}

// isCause reports whether want is the cause of err; nil: there is no error.
func isCause(err, want error) bool {
	if want == nil {
		return err == nil
	}
	failed, ok := errors.AsType[*upstream.Error](err)
	return ok && failed.Err == want
}
