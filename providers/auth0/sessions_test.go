package auth0

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/secret"
	"user-manager/upstream"
)

// ada is an account to be made.
func ada() providers.NewAccount {
	return providers.NewAccount{Key: "0123456789abcdef01234567", Username: "ada", Email: "ada@example.com", Password: secret.New(password)}
}

func create(t *testing.T, p *Provider, a providers.NewAccount) providers.Account {
	t.Helper()
	made, err := p.Create(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func login(t *testing.T, p *Provider, name string) providers.Session {
	t.Helper()
	session, err := p.Login(t.Context(), name, secret.New(password))
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// says answers every call that is not for a token of the management application alike.
func says(status int, kind, body string) roundTrip {
	return func(req *http.Request) (*http.Response, error) {
		h := http.Header{}
		if kind != "" {
			h.Set("Content-Type", kind)
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	}
}

// TestRefusedGrants: who is to blame for a login that the tenant refuses, in its words.
func TestRefusedGrants(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		cause  error
		words  string
	}{
		"wrong password":                {403, `{"error":"invalid_grant","error_description":"Wrong email or password."}`, providers.ErrUnauthorized, "Wrong email or password."},
		"wrong password, as documented": {403, `{"error":"invalid_user_password","error_description":"Wrong email or password."}`, providers.ErrUnauthorized, "Wrong email or password."},
		"blocked":                       {401, `{"error":"unauthorized","error_description":"user is blocked"}`, providers.ErrUnauthorized, "user is blocked"},
		"blocked, other words":          {403, `{"error":"access_denied","error_description":"user is blocked"}`, providers.ErrUnauthorized, "user is blocked"},
		"kept out by a rule":            {403, `{"error":"access_denied","error_description":"Only on weekdays."}`, providers.ErrUnauthorized, "Only on weekdays."},
		"too many attempts":             {429, `{"error":"too_many_attempts","error_description":"Your account has been blocked."}`, providers.ErrUnauthorized, "Your account has been blocked."},
		"leaked password":               {401, `{"error":"password_leaked","error_description":"It has been leaked."}`, providers.ErrUnauthorized, "It has been leaked."},
		"second factor":                 {403, `{"error":"mfa_required","error_description":"Multifactor authentication required","mfa_token":"Fe26.2"}`, providers.ErrUnauthorized, "Multifactor authentication required"},
		"wrong secret":                  {401, `{"error":"access_denied","error_description":"Unauthorized"}`, providers.ErrMisconfigured, "Unauthorized"},
		"wrong secret, as documented":   {401, `{"error":"invalid_client","error_description":"Client authentication failed"}`, providers.ErrMisconfigured, "Client authentication failed"},
		"no such grant":                 {403, `{"error":"unauthorized_client","error_description":"Grant type 'x' not allowed for the client.","error_uri":"y"}`, providers.ErrMisconfigured, "Grant type 'x' not allowed for the client."},
		"wrong audience":                {400, `{"error":"invalid_request","error_description":"invalid audience specified for password grant exchange"}`, providers.ErrMisconfigured, "invalid audience specified for password grant exchange"},
		"no such API":                   {403, `{"error":"access_denied","error_description":"Service not enabled within domain: x"}`, providers.ErrMisconfigured, "Service not enabled within domain: x"},
		"no directory":                  {500, `{"error":"server_error","error_description":"Authorization server not configured with default connection."}`, providers.ErrMisconfigured, "Authorization server not configured with default connection."},
		"another server error":          {500, `{"error":"server_error","error_description":"Something broke."}`, nil, "Something broke."},
		"a grant that is unknown":       {501, `{"error":"unsupported_grant_type","error_description":"Unsupported grant type: x"}`, providers.ErrMisconfigured, "Unsupported grant type: x"},
		"unavailable":                   {503, `{"error":"temporarily_unavailable"}`, nil, "temporarily_unavailable"},
		"a gateway":                     {502, `<html>`, nil, ""},
		"words with the name":           {403, `{"error":"invalid_grant","error_description":"ADA@example.com is unknown"}`, providers.ErrUnauthorized, "*** is unknown"},
		"words that are none":           {403, `{"error":"invalid_grant","error_description":{"a":1}}`, providers.ErrUnauthorized, "invalid_grant"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, says(test.status, "application/json", test.body), nil)
				_, err := p.Login(t.Context(), "ada@example.com", secret.New(password))
				failed, ok := errors.AsType[*upstream.Error](err)
				if !ok || failed.Status != test.status || failed.Message != test.words || !errors.Is(err, test.cause) && test.cause != nil || failed.Err != test.cause {
					t.Errorf("status %d, words %q, cause %v; want %d, %q, %v", failed.Status, failed.Message, failed.Err, test.status, test.words, test.cause)
				}
			})
		})
	}
}

// TestLongWords: what is cut off a refusal does not keep a value from being masked.
func TestLongWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		words := strings.Repeat("x", 1<<10-6) + " ada@example.com is unknown"
		p := open(t, says(403, "application/json", `{"error":"invalid_grant","error_description":"`+words+`"}`), nil)
		_, err := p.Login(t.Context(), "ada@example.com", secret.New(password))
		if failed, ok := errors.AsType[*upstream.Error](err); !ok || strings.Contains(failed.Message, "ada") {
			t.Errorf("%#v, want no part of the name in its words", err)
		}
	})
}

// TestRefusedMails: who is to blame for a mail that the tenant does not send.
func TestRefusedMails(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"deleted meanwhile":     {404, `{"error":"User not found."}`, providers.ErrNotFound},
		"unknown connection":    {400, `{"error":"connection not found"}`, providers.ErrMisconfigured},
		"unknown application":   {400, `{"name":"BadRequestError","description":"unknown client: x","statusCode":400}`, providers.ErrMisconfigured},
		"failure of the tenant": {500, `oops`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tenant := crud.InProcess(auth0test.New(auth0test.Config{}))
				p := open(t, roundTrip(func(req *http.Request) (*http.Response, error) {
					if req.URL.Path == "/dbconnections/change_password" {
						return says(test.status, "", test.body)(req)
					}
					return tenant.RoundTrip(req)
				}), nil)
				err := p.ChangePassword(t.Context(), create(t, p, ada()).ID)
				wantCause(t, "ChangePassword", err, test.want)
			})
		})
	}
}

// TestUserInfoOfOthers: a token that is refused, in all the forms that a tenant says so.
func TestUserInfoOfOthers(t *testing.T) {
	for name, test := range map[string]struct{ kind, body, words string }{
		"a word":           {"", "Unauthorized", "Unauthorized"},
		"an error in JSON": {"application/json", `{"error":"invalid_token","error_description":"It is over."}`, "It is over."},
		"nothing":          {"", "", "Unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, says(401, test.kind, test.body), nil)
				_, err := p.UserInfo(t.Context(), providers.Ticket{AccessToken: secret.New("token")})
				failed, ok := errors.AsType[*upstream.Error](err)
				if !ok || !errors.Is(err, providers.ErrUnauthorized) || failed.Message != test.words {
					t.Errorf("%#v, want unauthorized in the words %q", err, test.words)
				}
			})
		})
	}
}

// TestGlobalLimitInside: a login that meets the Management API's limit inside is no failure.
func TestGlobalLimitInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		p := open(t, roundTrip(func(req *http.Request) (*http.Response, error) {
			if tries++; tries < 4 {
				return says(500, "application/json", `{"error":"access_denied","error_description":"Global limit has been reached"}`)(req)
			}
			return says(200, "application/json", `{"access_token":"a","expires_in":60}`)(req)
		}), nil)
		if _, err := p.Login(t.Context(), "ada", secret.New(password)); err != nil || tries != 4 {
			t.Errorf("%v after %d tries, want a session after 4", err, tries)
		}
	})
}

// TestAttackProtection: a login that would have to wait for a quarter of an hour is refused,
// and says so.
func TestAttackProtection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := auth0test.Free()
		limits.Address.Size = 1
		p := front(t, auth0test.New(auth0test.Config{Limits: limits}))
		create(t, p, ada())
		if _, err := p.Login(t.Context(), "ada", secret.New("wrong")); !errors.Is(err, providers.ErrUnauthorized) {
			t.Errorf("Login with a wrong password: %v", err)
		}
		_, err := p.Login(t.Context(), "ada", secret.New(password))
		if wait := upstream.RetryAfter(err); upstream.Status(err) != 429 || wait < 14*time.Minute || wait > 15*time.Minute || errors.Is(err, providers.ErrUnauthorized) {
			t.Errorf("%v, to come again after %v; want status 429 and about 864 seconds", err, wait)
		}
	})
}

// TestPanic: a call that panics leaves nothing behind.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, roundTrip(func(*http.Request) (*http.Response, error) { panic("secret words") }), nil)
		for range 3 {
			if _, err := p.Login(t.Context(), "ada", secret.New(password)); err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want an error that shows nothing", err)
			}
		}
		p.transport.limiter.wantIdle(t)
	})
}

// TestGrantIsNotRepeated: a login or refresh that got no answer may have been carried out.
func TestGrantIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		p := open(t, roundTrip(func(*http.Request) (*http.Response, error) {
			tries++
			return nil, errors.New("connection lost")
		}), nil)
		_, err := p.Login(t.Context(), "ada", secret.New(password))
		_, err2 := p.Refresh(t.Context(), secret.New("token"), secret.Text{})
		if tries != 2 || upstream.Refused(err) || upstream.Refused(err2) {
			t.Errorf("%d tries, %v, %v; want one each, of open outcome", tries, err, err2)
		}
	})
}

// TestWhatALoginSays: the form of the request, and for whom it is.
func TestWhatALoginSays(t *testing.T) {
	tests := map[string]struct{ forwarded, want string }{
		"nobody's":             {"", ""},
		"one address":          {"192.0.2.7", "192.0.2.7"},
		"the first of several": {" 2001:db8::1 , 10.0.0.1", "2001:db8::1"},
		"what is no address":   {"unknown, 10.0.0.1", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got http.Header
				var form string
				p := open(t, roundTrip(func(req *http.Request) (*http.Response, error) {
					body, err := io.ReadAll(req.Body)
					got, form = req.Header, string(body)
					if err != nil {
						return nil, err
					}
					return says(200, "application/json", `{"access_token":"a","refresh_token":"r","expires_in":60}`)(req)
				}), map[string]string{"AUTH0_AUDIENCE": "https://api", "AUTH0_SCOPE": "openid"})
				caller := upstream.Caller{Header: http.Header{}}
				if test.forwarded != "" {
					caller.Header.Set("X-Forwarded-For", test.forwarded)
				}
				s, err := p.Login(upstream.WithCaller(t.Context(), caller), "ada&x", secret.New(password))
				want := providers.Session{AccessToken: secret.New("a"), RefreshToken: secret.New("r"), ExpireAt: time.Now().Add(time.Minute)}
				if err != nil || s.AccessToken != want.AccessToken || s.RefreshToken != want.RefreshToken || !s.ExpireAt.Equal(want.ExpireAt) {
					t.Errorf("%v, %+v", err, s)
				}
				if got.Get("Auth0-Forwarded-For") != test.want {
					t.Errorf("auth0-forwarded-for is %q, want %q", got.Get("Auth0-Forwarded-For"), test.want)
				}
				if want := "audience=https%3A%2F%2Fapi&client_id=user-manager&client_secret=user-manager-secret&" +
					"grant_type=http%3A%2F%2Fauth0.com%2Foauth%2Fgrant-type%2Fpassword-realm&password=Correct-Horse-7-Battery&" +
					"realm=Username-Password-Authentication&scope=openid&username=ada%26x"; form != want {
					t.Errorf("form is\n%s, want\n%s", form, want)
				}
			})
		})
	}
}

// TestFixedRefreshToken: without rotation the old refresh token goes on.
func TestFixedRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := front(t, auth0test.New(auth0test.Config{FixedRefreshTokens: true}))
		create(t, p, ada())
		first := login(t, p, "ada")
		for range 2 {
			next, err := p.Refresh(t.Context(), first.RefreshToken, first.AccessToken)
			if err != nil || next.RefreshToken != first.RefreshToken || next.AccessToken == first.AccessToken {
				t.Errorf("%v, want a session with the old refresh token", err)
			}
		}
	})
}

// counted counts calls by method and path.
type counted struct {
	next http.RoundTripper
	mu   sync.Mutex
	seen map[string]int // guarded by mu
}

func count(next http.RoundTripper) *counted { return &counted{next: next, seen: map[string]int{}} }

func (c *counted) RoundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.seen[req.Method+" "+req.URL.EscapedPath()]++
	c.mu.Unlock()
	time.Sleep(time.Millisecond)
	return c.next.RoundTrip(req)
}

func (c *counted) of(call string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[call]
}

// TestStanding: an account is looked at for its access token, once in ten seconds, and
// again after a change.
func TestStanding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{})
		calls := count(crud.InProcess(tenant))
		p, other := open(t, calls, nil), front(t, tenant)
		id := create(t, p, ada()).ID
		session := login(t, p, "ada")
		const look = "GET /api/v2/users/auth0%7C0123456789abcdef01234567"
		info := func(want error) {
			t.Helper()
			var group sync.WaitGroup
			for range 20 {
				group.Go(func() {
					if _, err := p.UserInfo(t.Context(), providers.Ticket{AccessToken: session.AccessToken}); !errors.Is(err, want) {
						t.Errorf("UserInfo: %v, want %v", err, want)
					}
				})
			}
			group.Wait()
		}
		looks := func(want int) {
			t.Helper()
			if got := calls.of(look); got != want {
				t.Errorf("the account was looked at %d times, want %d", got, want)
			}
		}
		info(nil)
		info(nil)
		looks(1)
		time.Sleep(standingFor)
		info(nil)
		looks(2)
		if _, err := other.Update(t.Context(), id, providers.Change{Blocked: new(true)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(standingFor) // at most
		info(providers.ErrUnauthorized)
		if _, err := p.Update(t.Context(), id, providers.Change{Blocked: new(false)}); err != nil {
			t.Fatal(err)
		}
		info(nil)
		if _, err := p.Update(t.Context(), id, providers.Change{Blocked: new(true)}); err != nil {
			t.Fatal(err)
		}
		info(providers.ErrUnauthorized) // at once
		if err := p.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		info(providers.ErrUnauthorized)
	})
}

// TestLookBesideABlock: a look that began before a block does not count after it.
func TestLookBesideABlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := crud.InProcess(auth0test.New(auth0test.Config{}))
		var slow bool
		p := open(t, roundTrip(func(req *http.Request) (*http.Response, error) {
			res, err := tenant.RoundTrip(req)
			if slow && req.Method == http.MethodGet && strings.HasPrefix(req.URL.Path, "/api/v2/users/") {
				time.Sleep(time.Second) // of the answer
			}
			return res, err
		}), nil)
		id := create(t, p, ada()).ID
		shown := providers.Ticket{SessionID: login(t, p, "ada").AccessToken}
		slow = true
		var group sync.WaitGroup
		group.Go(func() { _, _ = p.UserInfo(t.Context(), shown) })
		synctest.Wait()
		if _, err := p.Update(t.Context(), id, providers.Change{Blocked: new(true)}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.UserInfo(t.Context(), shown); !errors.Is(err, providers.ErrUnauthorized) {
			t.Errorf("UserInfo after the block: %v", err)
		}
		group.Wait()
		if _, err := p.UserInfo(t.Context(), shown); !errors.Is(err, providers.ErrUnauthorized) {
			t.Errorf("UserInfo after the early look is over: %v", err)
		}
	})
}

func TestStandingsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s standings
		for i := range 3 * mostStandings {
			s.keep(strings.Repeat("x", i%7)+time.Duration(i).String(), time.Now(), 0)
		}
		if len(s.good) > mostStandings {
			t.Errorf("%d accounts are remembered, want %d at most", len(s.good), mostStandings)
		}
		s.keep("last", time.Now(), 0)
		if !s.isGood("last") {
			t.Error("the last is forgotten")
		}
		time.Sleep(standingFor)
		if s.isGood("last") {
			t.Error("the last is remembered for too long")
		}
	})
}
