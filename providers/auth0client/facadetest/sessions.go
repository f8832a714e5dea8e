package facadetest

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"user-manager/providers/auth0/auth0test"
)

// A session is a login, as it would be kept in redis.
type session struct {
	client  Client
	tokens  tokens
	expires time.Time // of the access token
	ends    time.Time // of a cookie; zero: it has no end of its own
	spent   bool      // its refresh token is used, or being used
}

// clientOf returns the client that a request is for.
func (f *Facade) clientOf(r *http.Request) (Client, bool) {
	name := r.Header.Get("Client-Type")
	if name == "" {
		name = f.cfg.Keys[keyOf(r)]
	}
	if name == "" && keyOf(r) == "" {
		name = f.cfg.DefaultClient
	}
	client, ok := f.cfg.Clients[name]
	return client, ok
}

// keyOf returns the API key that a gateway would find, "" for none.
func keyOf(r *http.Request) string {
	key := cmp.Or(r.Header.Get("Client-Key"), r.Header.Get("Secret"))
	for _, name := range []string{"client-key", "mia_client_key"} {
		if cookie, err := r.Cookie(name); err == nil {
			key = cmp.Or(key, cookie.Value)
		}
	}
	return key
}

// login handles POST /oauth/token.
func (f *Facade) login(w http.ResponseWriter, r *http.Request) {
	client, ok := f.clientOf(r)
	if !ok {
		say(w, http.StatusUnauthorized, "unknown client")
		return
	}
	connection := cmp.Or(r.PostFormValue("connection"), auth0test.Connection)
	switch {
	case r.PostFormValue("grant_type") != "password":
		say(w, http.StatusBadRequest, "grant_type must be password")
		return
	case connection != auth0test.Connection:
		say(w, http.StatusBadRequest, "the connection is not supported")
		return
	}
	granted := f.tenant.post(r.Context(), "/oauth/token", url.Values{
		"grant_type": {"http://auth0.com/oauth/grant-type/password-realm"}, "realm": {connection},
		"username": {r.PostFormValue("username")}, "password": {r.PostFormValue("password")},
		"client_id": {client.id()}, "client_secret": {client.secret()},
		"scope": {"openid profile email offline_access"}, "audience": {auth0test.Audience},
	})
	switch {
	case granted.ok():
		f.begin(w, session{client: client}, granted)
	case granted.status == http.StatusUnauthorized && strings.Contains(string(granted.body), `"access_denied"`):
		say(w, http.StatusUnauthorized, "misconfigured client")
	case granted.status == http.StatusUnauthorized, granted.status == http.StatusForbidden:
		say(w, http.StatusForbidden, granted.words())
	default:
		f.pass(w, granted)
	}
}

// begin keeps a new session and answers with it. Of what it is to go on from, it keeps the
// refresh token where the tenant gives no new one.
func (f *Facade) begin(w http.ResponseWriter, s session, granted reply) {
	if err := json.Unmarshal(granted.body, &s.tokens); err != nil {
		say(w, http.StatusInternalServerError, "access token is empty")
		return
	}
	now := time.Now()
	s.expires = now.Add(s.tokens.life())
	if !s.client.Website {
		f.put(s.tokens.AccessToken, s)
		writeJSON(w, http.StatusOK, map[string]any{
			"refreshToken": s.tokens.RefreshToken, "accessToken": s.tokens.AccessToken, "idToken": s.tokens.IDToken,
			"expireAt": s.expires.UTC().Format("2006-01-02T15:04:05.000000000Z07:00"),
		})
		return
	}
	s.ends = now.Add(f.cfg.SessionDuration)
	sid := rand.Text() + "." + rand.Text() + "." + rand.Text()
	f.put(sid, s)
	http.SetCookie(w, &http.Cookie{
		Name: "sid", Value: sid, Path: "/", MaxAge: int(f.cfg.SessionDuration.Seconds()), HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	})
}

func (f *Facade) put(key string, s session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions[key] = s
}

// sessionOf returns the session that a request is about, and its key.
func (f *Facade) sessionOf(r *http.Request) (key string, s session, ok bool) {
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if cookie, err := r.Cookie("sid"); err == nil && !isBearer {
		token = cookie.Value
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok = f.sessions[token]
	if ok && (!s.ends.IsZero() && !time.Now().Before(s.ends) || s.ends.IsZero() != isBearer) {
		ok = false
	}
	return token, s, ok
}

// spend takes the refresh token of the session with a key: nobody else can use it then.
func (f *Facade) spend(key string) (session, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sessions[key]
	if !ok || s.spent {
		return s, false
	}
	kept := s
	kept.spent = true
	f.sessions[key] = kept
	return s, true
}

// refresh handles POST /refreshtoken. The old session is good for /userinfo until it ends.
func (f *Facade) refresh(w http.ResponseWriter, r *http.Request) {
	var in struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		say(w, http.StatusBadRequest, "the body is not JSON")
		return
	}
	key, s, ok := f.sessionOf(r)
	if !ok || s.ends.IsZero() && in.RefreshToken != s.tokens.RefreshToken {
		say(w, http.StatusUnauthorized, "invalid session")
		return
	}
	if s, ok = f.spend(key); !ok {
		say(w, http.StatusUnauthorized, "invalid session")
		return
	}
	granted := f.renew(r.Context(), s)
	if !granted.ok() {
		f.put(key, s)
		f.pass(w, granted)
		return
	}
	f.begin(w, s, granted)
}

// renew has the tenant give new tokens for those of s.
func (f *Facade) renew(ctx context.Context, s session) reply {
	return f.tenant.post(ctx, "/oauth/token", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {s.tokens.RefreshToken},
		"client_id": {s.client.id()}, "client_secret": {s.client.secret()},
	})
}

// userInfo handles GET /userinfo.
func (f *Facade) userInfo(w http.ResponseWriter, r *http.Request) {
	key, s, ok := f.sessionOf(r)
	if ok && !time.Now().Before(s.expires) {
		s, ok = f.renewed(r.Context(), key, s)
	}
	if !ok {
		say(w, http.StatusUnauthorized, "invalid session")
		return
	}
	info := f.tenant.call(r.Context(), http.MethodGet, "/userinfo", http.Header{"Authorization": {"Bearer " + s.tokens.AccessToken}}, nil)
	var claims map[string]any
	switch {
	case info.status == http.StatusUnauthorized:
		say(w, http.StatusUnauthorized, "invalid session")
	case !info.ok() || json.Unmarshal(info.body, &claims) != nil:
		f.pass(w, info)
	default:
		maps.Copy(claims, f.cfg.Claims)
		writeJSON(w, http.StatusOK, claims)
	}
}

// renewed returns a session with a new access token, under its old key.
func (f *Facade) renewed(ctx context.Context, key string, s session) (session, bool) {
	if s.ends.IsZero() && !f.cfg.RenewsTokens {
		return s, false
	}
	if _, ok := f.spend(key); !ok {
		return s, false
	}
	granted := f.renew(ctx, s)
	fresh := s
	if granted.ok() && json.Unmarshal(granted.body, &fresh.tokens) == nil {
		fresh.expires = time.Now().Add(fresh.tokens.life())
	}
	f.put(key, fresh)
	return fresh, granted.ok()
}
