package auth0client_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"user-manager/providers"
	"user-manager/providers/auth0client/facadetest"
	"user-manager/secret"
	"user-manager/upstream"
)

const tokensBody = `{"refreshToken":"r","accessToken":"a","idToken":"i","expireAt":"2021-07-16T08:28:24.568365226Z"}`

// TestSessionOfAnswer: what is a session, and what is none.
func TestSessionOfAnswer(t *testing.T) {
	const sid, other = "sid=a.b.c; max-age=86400; HttpOnly;Secure; path=/", "lb=1; Path=/"
	cookies := func(lines ...string) http.Header { return http.Header{"Set-Cookie": lines} }
	tokens := &providers.Session{
		AccessToken: secret.New("a"), RefreshToken: secret.New("r"), ExpireAt: time.Date(2021, 7, 16, 8, 28, 24, 568365226, time.UTC),
	}
	tests := map[string]struct {
		header http.Header
		body   string
		want   *providers.Session // nil: the answer cannot be used
		lines  []string           // of cookies
	}{
		"tokens":                           {nil, tokensBody, tokens, nil},
		"tokens, and a balancer's cookie":  {cookies(other), tokensBody, tokens, nil},
		"a cookie":                         {cookies(sid), "", &providers.Session{}, []string{sid}},
		"a cookie among others":            {cookies(other, sid), "\n", &providers.Session{}, []string{other, sid}},
		"cookies of any form":              {cookies(`lb={"node":1}; Path=/`, `sid="a,b c"; Path=/`), "", &providers.Session{}, []string{`lb={"node":1}; Path=/`, `sid="a,b c"; Path=/`}},
		"a cookie of something else":       {cookies(other), "", nil, nil},
		"a cookie that is taken back":      {cookies("sid=; Path=/"), "", nil, nil},
		"nothing":                          {nil, "", nil, nil},
		"the answer of an old page":        {nil, `{"access_token":"a","id_token":"i","expires_in":86400}`, nil, nil},
		"that of another":                  {nil, `{"cookie_sid":"a"}`, nil, nil},
		"no access token":                  {nil, `{"refreshToken":"r","accessToken":"","expireAt":"2021-07-16T08:28:24Z"}`, nil, nil},
		"no end":                           {nil, `{"refreshToken":"r","accessToken":"a"}`, nil, nil},
		"an end that is none":              {nil, `{"refreshToken":"r","accessToken":"a","expireAt":"soon"}`, nil, nil},
		"a page":                           {cookies(sid), "<html>", nil, nil},
		"an empty object beside a session": {cookies(sid), "{}", nil, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, _ := answering(200, test.header, test.body)
			got, err := opened(t, h, nil).Login(t.Context(), "ada", secret.New("x"))
			if test.want == nil {
				if !errors.Is(err, upstream.ErrAnswer) || upstream.Refused(err) || upstream.Status(err) != 0 {
					t.Errorf("error %v, want an answer that cannot be used", err)
				}
				return
			}
			var lines []string
			for _, cookie := range got.Cookies {
				lines = append(lines, cookie.Raw)
			}
			got.Cookies = nil
			if diff := cmp.Diff(*test.want, got, cmpopts.EquateComparable(secret.Text{})); diff != "" || err != nil {
				t.Errorf("error %v, session (-want +got):\n%s", err, diff)
			}
			if diff := cmp.Diff(test.lines, lines); diff != "" {
				t.Errorf("cookies (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoginIsAForm(t *testing.T) {
	for connection, want := range map[string][]string{"": nil, "people": {"people"}} {
		h, last := answering(200, nil, tokensBody)
		p := opened(t, h, map[string]string{"AUTH_CONNECTION": connection})
		if connection == "" {
			want = []string{"Username-Password-Authentication"} // of the tests' environment
		}
		if _, err := p.Login(t.Context(), "ada@example.com", secret.New("a&b=c d")); err != nil {
			t.Fatal(err)
		}
		form, err := url.ParseQuery(last.body)
		if err != nil || last.call != "POST /oauth/token" || last.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("%s with %q (%v)", last.call, last.header, err)
		}
		sent := url.Values{"grant_type": {"password"}, "username": {"ada@example.com"}, "password": {"a&b=c d"}, "connection": want}
		if diff := cmp.Diff(sent, form); diff != "" {
			t.Errorf("form (-want +got):\n%s", diff)
		}
	}
}

// TestBlame: who is to blame for a status of the calls about sessions.
func TestBlame(t *testing.T) {
	named := upstream.Caller{Header: http.Header{"Client-Type": {"web"}}}
	keyed := upstream.Caller{Provider: http.Header{"Cookie": {"theme=dark; client-key=k"}}}
	session := upstream.Caller{Provider: http.Header{"Cookie": {"sid=x"}}}
	login := func(p providers.Provider, t *testing.T, c upstream.Caller) error {
		_, err := p.Login(upstream.WithCaller(t.Context(), c), "ada", secret.New("x"))
		return err
	}
	refresh := func(p providers.Provider, t *testing.T, c upstream.Caller) error {
		_, err := p.Refresh(upstream.WithCaller(t.Context(), c), secret.New("r"), secret.New("a"))
		return err
	}
	info := func(p providers.Provider, t *testing.T, c upstream.Caller) error {
		_, err := p.UserInfo(upstream.WithCaller(t.Context(), c), providers.Ticket{AccessToken: secret.New("a")})
		return err
	}
	tests := map[string]struct {
		call   func(providers.Provider, *testing.T, upstream.Caller) error
		status int
		caller upstream.Caller
		want   error // nil: nobody
	}{
		"login: a wrong password":               {login, 403, upstream.Caller{}, providers.ErrUnauthorized},
		"login: a client that the caller named": {login, 401, named, providers.ErrUnauthorized},
		"login: one named by a key":             {login, 401, keyed, providers.ErrUnauthorized},
		"login: no client was named":            {login, 401, session, providers.ErrMisconfigured},
		"login: something else":                 {login, 400, named, providers.ErrMisconfigured},
		"login: no such route":                  {login, 404, upstream.Caller{}, providers.ErrMisconfigured},
		"login: too many":                       {login, 429, upstream.Caller{}, nil},
		"login: it fails":                       {login, 500, upstream.Caller{}, nil},
		"login: it leads elsewhere":             {login, 302, upstream.Caller{}, nil},
		"refresh: bad":                          {refresh, 400, upstream.Caller{}, providers.ErrUnauthorized},
		"refresh: no session":                   {refresh, 401, upstream.Caller{}, providers.ErrUnauthorized},
		"refresh: refused":                      {refresh, 403, upstream.Caller{}, providers.ErrUnauthorized},
		"refresh: no such route":                {refresh, 404, upstream.Caller{}, nil},
		"refresh: it fails":                     {refresh, 500, upstream.Caller{}, nil},
		"user info: no session":                 {info, 401, upstream.Caller{}, providers.ErrUnauthorized},
		"user info: refused":                    {info, 403, upstream.Caller{}, providers.ErrUnauthorized},
		"user info: bad":                        {info, 400, upstream.Caller{}, nil},
		"user info: it fails":                   {info, 500, upstream.Caller{}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, last := answering(test.status, http.Header{"Retry-After": {"7"}}, `{"statusCode":1,"error":"No","message":"its words"}`)
				err := test.call(opened(t, h, nil), t, test.caller)
				failed, ok := errors.AsType[*upstream.Error](err)
				if !ok || failed.Err != test.want || failed.Status != test.status || failed.Message != "its words" || failed.RetryAfter != 7*time.Second {
					t.Errorf("error %+v, want cause %v", failed, test.want)
				}
				if last.times != 1 {
					t.Errorf("%d requests, want 1", last.times)
				}
			})
		})
	}
}

// TestRefreshByCookie: a session of cookies is renewed by its cookie.
func TestRefreshByCookie(t *testing.T) {
	h, last := answering(200, http.Header{"Set-Cookie": {"sid=new"}}, "")
	session, err := opened(t, h, nil).Refresh(t.Context(), secret.Text{}, secret.New("old"))
	if err != nil || len(session.Cookies) != 1 || session.Cookies[0].Raw != "sid=new" {
		t.Errorf("session %+v, error %v", session, err)
	}
	if last.call != "POST /refreshtoken" || last.header.Get("Cookie") != "sid=old" || last.header.Get("Authorization") != "" || last.body != "{}" {
		t.Errorf("%s with %v and %q", last.call, last.header, last.body)
	}
}

func TestRefreshByToken(t *testing.T) {
	h, last := answering(200, nil, tokensBody)
	if _, err := opened(t, h, nil).Refresh(t.Context(), secret.New("r"), secret.New("a")); err != nil {
		t.Fatal(err)
	}
	if last.header.Get("Authorization") != "Bearer a" || last.header.Get("Content-Type") != "application/json" || last.body != `{"refresh_token":"r"}` {
		t.Errorf("%s with %v and %q", last.call, last.header, last.body)
	}
}

// TestWithoutASession: nobody is asked.
func TestWithoutASession(t *testing.T) {
	h, last := answering(200, nil, tokensBody)
	p := opened(t, h, nil)
	for name, call := range map[string]func() error{
		"login without a name":          func() error { _, err := p.Login(t.Context(), "", secret.New("x")); return err },
		"login without a password":      func() error { _, err := p.Login(t.Context(), "ada", secret.Text{}); return err },
		"refresh without anything":      func() error { _, err := p.Refresh(t.Context(), secret.Text{}, secret.Text{}); return err },
		"refresh without a session":     func() error { _, err := p.Refresh(t.Context(), secret.New("r"), secret.Text{}); return err },
		"refresh by more than a cookie": func() error { _, err := p.Refresh(t.Context(), secret.Text{}, secret.New("a; b=c")); return err },
		"user info without anything":    func() error { _, err := p.UserInfo(t.Context(), providers.Ticket{}); return err },
		"user info by more than a cookie": func() error {
			_, err := p.UserInfo(t.Context(), providers.Ticket{SessionID: secret.New("a;b")})
			return err
		},
	} {
		if err := call(); !errors.Is(err, providers.ErrUnauthorized) || !upstream.Refused(err) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	if last.times != 0 {
		t.Errorf("%d requests, want none", last.times)
	}
}

// TestUserInfoAsItComes: claims of any name and form.
func TestUserInfoAsItComes(t *testing.T) {
	tests := map[string]struct{ body, want string }{
		"claims":     {`{"sub":"auth0|1","https://example.com/app_metadata":{"groups":["a"]},"groups":["a"]}`, `{"sub":"auth0|1","https://example.com/app_metadata":{"groups":["a"]},"groups":["a"]}`},
		"none":       {`{}`, `{}`},
		"no object":  {`["sub"]`, ""},
		"null":       {`null`, ""},
		"no JSON":    {`Unauthorized`, ""},
		"not a word": {``, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, _ := answering(200, nil, test.body)
			got, err := opened(t, h, nil).UserInfo(t.Context(), providers.Ticket{SessionID: secret.New("s")})
			if test.want == "" {
				if !errors.Is(err, upstream.ErrAnswer) {
					t.Errorf("error %v, want an answer that cannot be used", err)
				}
				return
			}
			if diff := cmp.Diff(decoded(t, test.want), got); diff != "" || err != nil {
				t.Errorf("error %v, info (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestExpiredTokenIsRenewed: by an Auth0 Client that does so.
func TestExpiredTokenIsRenewed(t *testing.T) {
	for name, cfg := range map[string]facadetest.Config{
		"tokens": {RenewsTokens: true}, "cookies": {Clients: website, DefaultClient: "site", SessionDuration: 100 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg.Tenant = newTenant()
				cfg.Claims = map[string]any{"https://example.com/groups": []any{"a"}}
				p := opened(t, facadetest.New(cfg), nil)
				id := created(t, p, "ada")
				session, err := p.Login(t.Context(), "ada", password)
				if err != nil {
					t.Fatal(err)
				}
				ticket := providers.Ticket{AccessToken: session.AccessToken}
				if len(session.Cookies) > 0 {
					ticket = providers.Ticket{SessionID: secret.New(session.Cookies[0].Value)}
				}
				time.Sleep(25 * time.Hour)
				info, err := p.UserInfo(t.Context(), ticket)
				if err != nil || info["sub"] != id || !cmp.Equal(info["https://example.com/groups"], cfg.Claims["https://example.com/groups"]) {
					t.Errorf("user info %v, error %v", info, err)
				}
			})
		})
	}
}
