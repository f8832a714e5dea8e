package fake

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/secret"
)

func userInfo(t *testing.T, p *Provider, token secret.Text) error {
	t.Helper()
	_, err := p.UserInfo(t.Context(), providers.Ticket{AccessToken: token})
	return err
}

func refreshed(t *testing.T, p *Provider, s providers.Session) (providers.Session, error) {
	t.Helper()
	return p.Refresh(t.Context(), s.RefreshToken, s.AccessToken)
}

func families(t *testing.T, p *Provider) int {
	t.Helper()
	n, err := p.sessions.Count(t.Context(), crud.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLoginNames(t *testing.T) {
	p, _ := open(t, nil)
	mustCreate(t, p, ada())
	impostor := bob()
	impostor.Username, impostor.Password = "ada@example.com", secret.New("the impostor's")
	mustCreate(t, p, impostor)
	for _, name := range []string{"ada", "ADA", "ada@example.com", "Ada@Example.COM"} {
		session, err := p.Login(t.Context(), name, secret.New(password))
		if err != nil {
			t.Errorf("Login as %q: %v", name, err)
			continue
		}
		if err := userInfo(t, p, session.AccessToken); err != nil {
			t.Errorf("UserInfo of %q: %v", name, err)
		}
	}
	_, err := p.Login(t.Context(), "ada@example.com", impostor.Password)
	wantRefusal(t, err, 401, "Wrong email or password.")
}

func TestLoginRefuses(t *testing.T) {
	long := bob()
	long.Password = secret.New(strings.Repeat("x", 72))
	blocked := providers.NewAccount{Key: "66e19957f72ba7349eb7b7b4", Username: "carol", Password: secret.New(password), Blocked: true}
	tests := map[string]struct{ name, password, message string }{
		"a wrong password":                          {"ada", "wrong", "Wrong email or password."},
		"an unknown name":                           {"nobody", password, "Wrong email or password."},
		"the right password and more than is read":  {"bob", strings.Repeat("x", 73), "Wrong email or password."},
		"a password that bcrypt takes for the same": {"ada", password + "\x00" + password, "Wrong email or password."},
		"a blocked account":                         {"carol", password, "user is blocked"},
		"a blocked account with a wrong password":   {"carol", "wrong", "Wrong email or password."},
	}
	p, _ := open(t, nil)
	for _, a := range []providers.NewAccount{ada(), long, blocked} {
		mustCreate(t, p, a)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := p.Login(t.Context(), test.name, secret.New(test.password))
			wantRefusal(t, err, 401, test.message)
			if n := families(t, p); n != 0 {
				t.Errorf("%d sessions, want none", n)
			}
		})
	}
}

func TestSessionsOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	local, closeStore := storeAt(t, path, nil)
	before, _ := openOn(t, nil, local)
	mustCreate(t, before, ada())
	session := mustLogin(t, before, "ada")
	closeStore()

	local, closeStore = storeAt(t, path, nil)
	defer closeStore()
	after, _ := openOn(t, nil, local)
	if err := userInfo(t, after, session.AccessToken); err != nil {
		t.Errorf("UserInfo: %v", err)
	}
	if _, err := refreshed(t, after, session); err != nil {
		t.Errorf("Refresh: %v", err)
	}
	mustLogin(t, after, "ada")
}

func TestOneSigningKeyIsMade(t *testing.T) {
	local := store(t)
	first, _ := openOn(t, nil, local)
	mustCreate(t, first, ada())
	all := make([]*Provider, 8)
	sessions := make([]providers.Session, len(all)) // each written by one goroutine only
	var group sync.WaitGroup
	for i := range all {
		all[i], _ = openOn(t, nil, local)
		group.Go(func() {
			session, err := all[i].Login(t.Context(), "ada", secret.New(password))
			if err != nil {
				t.Errorf("Login: %v", err)
			}
			sessions[i] = session
		})
	}
	group.Wait()
	for i, p := range all {
		for j, session := range sessions {
			if err := userInfo(t, p, session.AccessToken); err != nil {
				t.Errorf("provider %d does not know the token of provider %d: %v", i, j, err)
			}
		}
	}
}

func TestSigningKeyMadeBesideAnother(t *testing.T) {
	transport := &beside{}
	local := storeThrough(t, func(rt http.RoundTripper) http.RoundTripper { transport.RoundTripper = rt; return transport })
	first, _ := openOn(t, nil, local)
	second, _ := openOn(t, nil, local)
	mustCreate(t, first, ada())
	var quicker providers.Session
	transport.before = func(r *http.Request) {
		if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, settingsPath) {
			transport.before = nil
			quicker = mustLogin(t, second, "ada")
		}
	}
	slower := mustLogin(t, first, "ada")
	for name, token := range map[string]secret.Text{"quicker": quicker.AccessToken, "slower": slower.AccessToken} {
		for _, p := range []*Provider{first, second} {
			if err := userInfo(t, p, token); err != nil {
				t.Errorf("UserInfo with the token of the %s: %v", name, err)
			}
		}
	}
}

func TestAccessTokenExpires(t *testing.T) {
	p, c := open(t, env{"FAKE_TOKEN_TTL": "90s"})
	mustCreate(t, p, ada())
	session := mustLogin(t, p, "ada")
	if left := session.ExpireAt.Sub(p.now()); left < 89*time.Second || left > 91*time.Second {
		t.Errorf("the token lasts %v, want about 90s", left)
	}
	c.advance(88 * time.Second)
	if err := userInfo(t, p, session.AccessToken); err != nil {
		t.Errorf("UserInfo after 88s: %v", err)
	}
	c.advance(4 * time.Second)
	wantRefusal(t, userInfo(t, p, session.AccessToken), 401, "Unauthorized")
}

func TestForgedTokens(t *testing.T) {
	p, _ := open(t, nil)
	a := accountOf(crud.Document{keyField: ada().Key, generationField: 1.0})
	mustCreate(t, p, ada())
	key, err := p.key(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	good := func() claims {
		return claims{Generation: 1, Family: "family", RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Subject: a.id(), ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}}
	}
	sign := func(method jwt.SigningMethod, key any, change func(*claims)) secret.Text {
		said := good()
		if change != nil {
			change(&said)
		}
		token, err := jwt.NewWithClaims(method, said).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return secret.New(token)
	}
	if err := userInfo(t, p, sign(jwt.SigningMethodHS256, key, nil)); err != nil {
		t.Fatalf("UserInfo with a good token: %v", err)
	}
	for name, token := range map[string]secret.Text{
		"no signature":       sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"another key":        sign(jwt.SigningMethodHS256, []byte("another key of thirty-two bytes.."), nil),
		"another algorithm":  sign(jwt.SigningMethodHS512, key, nil),
		"another issuer":     sign(jwt.SigningMethodHS256, key, func(c *claims) { c.Issuer = "forger" }),
		"no expiry":          sign(jwt.SigningMethodHS256, key, func(c *claims) { c.ExpiresAt = nil }),
		"expired":            sign(jwt.SigningMethodHS256, key, func(c *claims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Second)) }),
		"another generation": sign(jwt.SigningMethodHS256, key, func(c *claims) { c.Generation = 2 }),
		"another account":    sign(jwt.SigningMethodHS256, key, func(c *claims) { c.Subject = "fake|66e19957f72ba7349eb7b7bf" }),
		"another scheme":     sign(jwt.SigningMethodHS256, key, func(c *claims) { c.Subject = ada().Key }),
	} {
		if status, _ := refusalOf(userInfo(t, p, token)); status != 401 {
			t.Errorf("a token with %s is answered with %d, want 401", name, status)
		}
	}
}

func TestReuseKillsTheFamily(t *testing.T) {
	p, _ := open(t, nil)
	mustCreate(t, p, ada())
	first, other := mustLogin(t, p, "ada"), mustLogin(t, p, "ada")
	second, err := refreshed(t, p, first)
	if err != nil {
		t.Fatal(err)
	}
	_, err = refreshed(t, p, first)
	wantRefusal(t, err, 401, "Unknown or invalid refresh token.")
	_, err = refreshed(t, p, second)
	wantRefusal(t, err, 401, "Unknown or invalid refresh token.")
	if _, err := refreshed(t, p, other); err != nil {
		t.Errorf("another session of the account is dead too: %v", err)
	}
}

func TestRefreshWantsAnAccessTokenOfTheAccount(t *testing.T) {
	p, c := open(t, nil)
	mustCreate(t, p, ada())
	mustCreate(t, p, bob())
	adas, bobs := mustLogin(t, p, "ada"), mustLogin(t, p, "bob")
	for name, access := range map[string]secret.Text{
		"another account's": bobs.AccessToken,
		"none":              {},
		"a forged one":      secret.New(adas.AccessToken.Reveal() + "x"),
	} {
		_, err := p.Refresh(t.Context(), adas.RefreshToken, access)
		if status, _ := refusalOf(err); status != 401 {
			t.Errorf("with %s: %v, want a refusal", name, err)
		}
	}
	if _, err := p.Refresh(t.Context(), secret.Text{}, adas.AccessToken); err == nil {
		t.Error("a session of tokens is refreshed without a refresh token")
	}
	c.advance(2 * time.Hour)
	if _, err := refreshed(t, p, adas); err != nil {
		t.Errorf("the refresh token is lost: %v", err)
	}
}

func TestRefreshTokenExpires(t *testing.T) {
	p, c := open(t, env{"FAKE_REFRESH_TOKEN_TTL": "2h"})
	mustCreate(t, p, ada())
	session := mustLogin(t, p, "ada")
	c.advance(90 * time.Minute)
	session, err := refreshed(t, p, session)
	if err != nil {
		t.Fatalf("Refresh after 90m: %v", err)
	}
	c.advance(2*time.Hour - 10*time.Second)
	mustLogin(t, p, "ada") // removes what is expired, and not again for a while
	c.advance(20 * time.Second)
	_, err = refreshed(t, p, session)
	wantRefusal(t, err, 401, "Unknown or invalid refresh token.")
}

func TestExpiredSessionsAreRemoved(t *testing.T) {
	p, c := open(t, env{"FAKE_REFRESH_TOKEN_TTL": "2h"})
	mustCreate(t, p, ada())
	for range 5 {
		mustLogin(t, p, "ada")
	}
	c.advance(time.Hour)
	mustLogin(t, p, "ada")
	if n := families(t, p); n != 6 {
		t.Errorf("%d sessions, want 6", n)
	}
	c.advance(61 * time.Minute)
	mustLogin(t, p, "ada")
	if n := families(t, p); n != 2 {
		t.Errorf("%d sessions once five are expired, want 2", n)
	}
}

func TestEndedSessionsAreRemoved(t *testing.T) {
	tests := map[string]func(*testing.T, *Provider, string) error{
		"block": func(t *testing.T, p *Provider, id string) error {
			_, err := p.Update(t.Context(), id, providers.Change{Blocked: new(true)})
			return err
		},
		"delete": func(t *testing.T, p *Provider, id string) error { return p.Delete(t.Context(), id) },
		"new password": func(t *testing.T, p *Provider, id string) error {
			setPasswordByMail(t, p, id, "another password")
			return nil
		},
	}
	for name, end := range tests {
		t.Run(name, func(t *testing.T) {
			p, _ := open(t, nil)
			mustCreate(t, p, bob())
			mustLogin(t, p, "bob")
			id := mustCreate(t, p, ada()).ID
			session := mustLogin(t, p, "ada")
			if err := end(t, p, id); err != nil {
				t.Fatal(err)
			}
			wantRefusal(t, userInfo(t, p, session.AccessToken), 401, "Unauthorized")
			_, err := refreshed(t, p, session)
			wantRefusal(t, err, 401, "Unknown or invalid refresh token.")
			if n := families(t, p); n != 1 {
				t.Errorf("%d sessions, want bob's only", n)
			}
		})
	}
}

func TestUnblockedAccountHasNoOldSessions(t *testing.T) {
	p, _ := open(t, nil)
	id := mustCreate(t, p, ada()).ID
	session := mustLogin(t, p, "ada")
	for _, blocked := range []bool{true, false} {
		if _, err := p.Update(t.Context(), id, providers.Change{Blocked: &blocked}); err != nil {
			t.Fatal(err)
		}
	}
	wantRefusal(t, userInfo(t, p, session.AccessToken), 401, "Unauthorized")
	_, err := refreshed(t, p, session)
	wantRefusal(t, err, 401, "Unknown or invalid refresh token.")
}

// beside is a transport that lets something happen just before a request is made.
type beside struct {
	http.RoundTripper
	before func(*http.Request)
}

func (b *beside) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.before != nil {
		b.before(r)
	}
	return b.RoundTripper.RoundTrip(r)
}

// TestEndedBesideALogin ends an account's sessions between two steps of a login and
// of a refresh, at every step there is: none leaves a living session behind.
func TestEndedBesideALogin(t *testing.T) {
	ends := map[string]func(*testing.T, *Provider, string){
		"block": func(t *testing.T, p *Provider, id string) {
			if _, err := p.Update(t.Context(), id, providers.Change{Blocked: new(true)}); err != nil {
				t.Errorf("Update: %v", err)
			}
		},
		"block and unblock": func(t *testing.T, p *Provider, id string) {
			for _, blocked := range []bool{true, false} {
				if _, err := p.Update(t.Context(), id, providers.Change{Blocked: &blocked}); err != nil {
					t.Errorf("Update: %v", err)
				}
			}
		},
		"delete": func(t *testing.T, p *Provider, id string) {
			if err := p.Delete(t.Context(), id); err != nil {
				t.Errorf("Delete: %v", err)
			}
		},
		"new password": func(t *testing.T, p *Provider, id string) { setPasswordByMail(t, p, id, "another password") },
	}
	logins := map[string]func(*testing.T, *Provider, providers.Session) (providers.Session, error){
		"login": func(t *testing.T, p *Provider, _ providers.Session) (providers.Session, error) {
			return p.Login(t.Context(), "ada", secret.New(password))
		},
		"refresh": refreshed,
	}
	for endName, end := range ends {
		for loginName, login := range logins {
			t.Run(endName+" beside "+loginName, func(t *testing.T) {
				step := 2 // the first one only reads
				for endBeside(t, step, end, login) >= step {
					step++
				}
				if step < 4 {
					t.Errorf("only %d steps", step-1)
				}
			})
		}
	}
}

// endBeside ends ada's sessions just before the given step of a login and returns
// how many steps there were.
func endBeside(t *testing.T, step int, end func(*testing.T, *Provider, string), login func(*testing.T, *Provider, providers.Session) (providers.Session, error)) int {
	t.Helper()
	transport := &beside{}
	local := storeThrough(t, func(rt http.RoundTripper) http.RoundTripper { transport.RoundTripper = rt; return transport })
	p, _ := openOn(t, nil, local)
	id := mustCreate(t, p, ada()).ID
	before := mustLogin(t, p, "ada")
	if _, err := p.key(t.Context()); err != nil {
		t.Fatal(err)
	}
	steps, nested := 0, false
	transport.before = func(*http.Request) {
		if nested {
			return
		}
		if steps++; steps == step {
			nested = true
			end(t, p, id)
			nested = false
		}
	}
	session, err := login(t, p, before)
	transport.before = nil
	if err != nil {
		if status, _ := refusalOf(err); status != 401 {
			t.Errorf("step %d: %v, want a refusal", step, err)
		}
		return steps
	}
	if steps < step {
		return steps // nothing came between
	}
	if userInfo(t, p, session.AccessToken) == nil {
		t.Errorf("step %d: the access token is alive", step)
	}
	if _, err := refreshed(t, p, session); err == nil {
		t.Errorf("step %d: the refresh token is alive", step)
	}
	return steps
}

func TestLoginSaysWhatHappenedBesideIt(t *testing.T) {
	tests := map[string]struct {
		happens func(*testing.T, *Provider, string)
		message string
	}{
		"a block": {func(t *testing.T, p *Provider, id string) {
			if _, err := p.Update(t.Context(), id, providers.Change{Blocked: new(true)}); err != nil {
				t.Errorf("Update: %v", err)
			}
		}, "user is blocked"},
		"a delete": {func(t *testing.T, p *Provider, id string) {
			if err := p.Delete(t.Context(), id); err != nil {
				t.Errorf("Delete: %v", err)
			}
		}, "Wrong email or password."},
		"a new password": {func(t *testing.T, p *Provider, id string) { setPasswordByMail(t, p, id, "another password") },
			"Wrong email or password."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			transport := &beside{}
			local := storeThrough(t, func(rt http.RoundTripper) http.RoundTripper { transport.RoundTripper = rt; return transport })
			p, _ := openOn(t, nil, local)
			id := mustCreate(t, p, ada()).ID
			transport.before = func(r *http.Request) {
				if r.Method == http.MethodPatch {
					transport.before = nil
					test.happens(t, p, id)
				}
			}
			_, err := p.Login(t.Context(), "ada", secret.New(password))
			wantRefusal(t, err, 401, test.message)
			if n := families(t, p); n != 0 {
				t.Errorf("%d sessions, want none", n)
			}
		})
	}
}

func TestWebsiteSession(t *testing.T) {
	p, c := open(t, env{"FAKE_WEBSITE_SCOPE": "true", "FAKE_TOKEN_TTL": "30m", "FAKE_REFRESH_TOKEN_TTL": "2h"})
	mustCreate(t, p, ada())
	session := mustLogin(t, p, "ada")
	if !session.AccessToken.IsZero() || !session.RefreshToken.IsZero() || len(session.Cookies) != 1 {
		t.Fatalf("session: %d cookies, tokens %q %q; want one cookie and no tokens", len(session.Cookies), session.AccessToken, session.RefreshToken)
	}
	cookie := *session.Cookies[0]
	sid := secret.New(cookie.Value)
	cookie.Value = "value"
	if diff := cmp.Diff("sid=value; Path=/; Max-Age=7200; HttpOnly; SameSite=Lax", cookie.String()); diff != "" {
		t.Errorf("cookie (-want +got):\n%s", diff)
	}
	if _, err := p.UserInfo(t.Context(), providers.Ticket{SessionID: sid}); err != nil {
		t.Errorf("UserInfo by cookie: %v", err)
	}
	if err := userInfo(t, p, sid); err != nil {
		t.Errorf("UserInfo by the cookie's value as access token: %v", err)
	}

	c.advance(time.Hour)
	next, err := p.Refresh(t.Context(), secret.Text{}, sid)
	if err != nil {
		t.Fatalf("Refresh by an expired cookie: %v", err)
	}
	if len(next.Cookies) != 1 || next.Cookies[0].Value == sid.Reveal() {
		t.Fatalf("Refresh returned %d cookies, want a new one", len(next.Cookies))
	}
	nextSID := secret.New(next.Cookies[0].Value)
	if _, err := p.Refresh(t.Context(), nextSID, nextSID); err != nil {
		t.Errorf("Refresh with the cookie in both places: %v", err)
	}
	_, err = p.Refresh(t.Context(), secret.Text{}, sid)
	wantRefusal(t, err, 401, "Unknown or invalid refresh token.")
}

func TestOnlyHashesOfRefreshTokensAreStored(t *testing.T) {
	p, _ := open(t, nil)
	mustCreate(t, p, ada())
	session := mustLogin(t, p, "ada")
	_, opaque, _ := strings.Cut(session.RefreshToken.Reveal(), ".")
	docs, err := p.sessions.List(t.Context(), crud.Query{})
	if err != nil || len(docs) != 1 {
		t.Fatalf("%d sessions (%v), want 1", len(docs), err)
	}
	for field, value := range docs[0] {
		if s, _ := value.(string); strings.Contains(s, opaque) || strings.Contains(s, session.AccessToken.Reveal()) {
			t.Errorf("the token is stored in %q", field)
		}
	}
	if text(docs[0], currentField) != hashToken(session.RefreshToken) {
		t.Error("the stored hash is not that of the token")
	}
}
