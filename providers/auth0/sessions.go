package auth0

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
)

const (
	realmGrant    = "http://auth0.com/oauth/grant-type/password-realm"
	refreshGrant  = "refresh_token"
	userInfoRoute = "GET /userinfo"
)

// Login implements [providers.Authenticator], by the password-realm grant for the
// configured connection. The tenant is told the address of the caller, so that its attack
// protection sees people and not this service. Too many failed logins are ErrUnauthorized
// with status 429.
func (p *Provider) Login(ctx context.Context, username string, password secret.Text) (providers.Session, error) {
	if username == "" || password.IsZero() {
		return providers.Session{}, providers.Refuse(tokenRoute, providers.ErrUnauthorized, "A name and a password are needed.")
	}
	form := p.form(realmGrant)
	form.Set("username", username)
	form.Set("password", password.Reveal())
	form.Set("realm", p.settings.connection)
	form.Set("scope", p.settings.scope)
	if p.settings.audience != "" {
		form.Set("audience", p.settings.audience)
	}
	return p.grant(ctx, grantsToken, form, username, password.Reveal())
}

// Refresh implements [providers.Authenticator]. A tenant that does not rotate refresh
// tokens gives none back: the old one goes on, then.
func (p *Provider) Refresh(ctx context.Context, refreshToken, _ secret.Text) (providers.Session, error) {
	if refreshToken.IsZero() {
		return providers.Session{}, providers.Refuse(tokenRoute, providers.ErrUnauthorized, "A refresh token is needed.")
	}
	form := p.form(refreshGrant)
	form.Set("refresh_token", refreshToken.Reveal())
	session, err := p.grant(ctx, renewsToken, form, refreshToken.Reveal())
	if err == nil && session.RefreshToken.IsZero() {
		session.RefreshToken = refreshToken
	}
	return session, err
}

// form returns the parameters that every grant for a user has.
func (p *Provider) form(grant string) url.Values {
	return url.Values{
		"grant_type": {grant}, "client_id": {p.settings.login.id}, "client_secret": {p.settings.login.secret.Reveal()},
	}
}

// grant asks for tokens. A call that got no answer is not repeated: a refresh token works
// once. values are masked in the tenant's words.
func (p *Provider) grant(ctx context.Context, k kind, form url.Values, values ...string) (providers.Session, error) {
	r := &request{
		method: http.MethodPost, path: "/oauth/token", route: tokenRoute, kind: k, lane: urgent,
		header: forwardedFor(ctx), contentType: "application/x-www-form-urlencoded", body: []byte(form.Encode()),
	}
	a, err := p.transport.do(ctx, r)
	if err != nil {
		return providers.Session{}, err
	}
	if a.status < 200 || a.status > 299 {
		return providers.Session{}, denied(r, a, append(values, p.settings.login.secret.Reveal()))
	}
	return sessionOf(r, a)
}

// forwardedFor returns the header that tells the tenant for whom the service asks.
func forwardedFor(ctx context.Context) http.Header {
	first, _, _ := strings.Cut(upstream.CallerFrom(ctx).Header.Get("X-Forwarded-For"), ",")
	first = strings.TrimSpace(first)
	if net.ParseIP(first) == nil {
		return nil
	}
	return http.Header{"Auth0-Forwarded-For": {first}}
}

func sessionOf(r *request, a *answer) (providers.Session, error) {
	var tokens struct {
		Access  string  `json:"access_token"`
		Refresh string  `json:"refresh_token"`
		Expires float64 `json:"expires_in"`
	}
	if err := decode(r, a, &tokens); err != nil {
		return providers.Session{}, err
	}
	if tokens.Access == "" {
		return providers.Session{}, unusable(r)
	}
	s := providers.Session{AccessToken: secret.New(tokens.Access), RefreshToken: secret.New(tokens.Refresh)}
	if tokens.Expires > 0 {
		s.ExpireAt = a.got.Add(time.Duration(tokens.Expires) * time.Second)
	}
	return s, nil
}

// UserInfo implements [providers.Authenticator]. The value of a "sid" cookie is an access
// token here. A tenant may go on accepting the access tokens of a blocked account, so the
// account is looked at too, unless that was done less than [standingFor] ago.
func (p *Provider) UserInfo(ctx context.Context, t providers.Ticket) (map[string]any, error) {
	token := t.AccessToken
	if token.IsZero() {
		token = t.SessionID
	}
	if token.IsZero() || strings.ContainsFunc(token.Reveal(), isUnfit) {
		return nil, providers.Refuse(userInfoRoute, providers.ErrUnauthorized, "An access token is needed.")
	}
	r := &request{
		method: http.MethodGet, path: "/userinfo", route: userInfoRoute, kind: authenticates, lane: urgent,
		authorize: func() string { return "Bearer " + token.Reveal() },
	}
	a, err := p.transport.do(ctx, r)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, noUserInfo(r, a, token.Reveal())
	}
	var info map[string]any
	if err := decode(r, a, &info); err != nil {
		return nil, err
	}
	id, _ := info["sub"].(string)
	if id == "" {
		return nil, unusable(r)
	}
	if err := p.checkStanding(ctx, id); err != nil {
		return nil, err
	}
	return info, nil
}

// isUnfit reports whether a character cannot be part of a token in a header.
func isUnfit(c rune) bool { return c <= ' ' || c >= 0x7f }

// noUserInfo returns the error of a refused token. The body is the word "Unauthorized", or
// an error in JSON.
func noUserInfo(r *request, a *answer, token string) error {
	e := failure(r, a, []string{token})
	if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
		e.Err = providers.ErrUnauthorized
		e.Message = cmp.Or(e.Message, "Unauthorized")
	}
	return e
}
