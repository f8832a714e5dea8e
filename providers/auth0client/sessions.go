package auth0client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
)

const (
	loginRoute    = "/oauth/token"
	refreshRoute  = "/refreshtoken"
	userInfoRoute = "/userinfo"
)

// Login implements [providers.Authenticator]. It is not repeated when no answer comes.
func (p *Provider) Login(ctx context.Context, username string, password secret.Text) (providers.Session, error) {
	if username == "" || password.IsZero() {
		return providers.Session{}, refuse(ctx, http.MethodPost, loginRoute, providers.ErrUnauthorized, "A user name and a password are required.")
	}
	form := url.Values{"grant_type": {"password"}, "username": {username}, "password": {password.Reveal()}}
	if p.connection != "" {
		form.Set("connection", p.connection)
	}
	return p.session(ctx, call{
		method: http.MethodPost, route: loginRoute, personal: true, cause: loginCause,
		contentType: "application/x-www-form-urlencoded", body: []byte(form.Encode()), values: []string{username, password.Reveal()},
	})
}

// loginCause tells who is to blame for the status of a login. The caller brings a name, a
// password and maybe the client that it is for; all else is ours.
func loginCause(refused *upstream.Error, sent http.Header) error {
	switch status := refused.Status; {
	case status == http.StatusForbidden, status == http.StatusUnauthorized && namesClient(sent):
		return providers.ErrUnauthorized
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status < 400, status > 499:
		return nil
	}
	return providers.ErrMisconfigured
}

// Refresh implements [providers.Authenticator]. It is not repeated when no answer comes: a
// refresh token works once.
func (p *Provider) Refresh(ctx context.Context, refreshToken, accessToken secret.Text) (providers.Session, error) {
	c := call{
		method: http.MethodPost, route: refreshRoute, personal: true, cause: refreshCause,
		contentType: "application/json", body: []byte("{}"),
	}
	caller := upstream.CallerFrom(ctx)
	byCookie := refreshToken.IsZero() || shownCookie(caller, accessToken) != ""
	switch {
	case accessToken.IsZero(), byCookie && cookieOf(caller, accessToken) == "":
		return providers.Session{}, refuse(ctx, c.method, c.route, providers.ErrUnauthorized, "There is no session.")
	case byCookie:
		c.header = bySession(caller, accessToken)
	default:
		c.header = byToken(caller, accessToken)
	}
	if !refreshToken.IsZero() {
		c.body, _ = json.Marshal(map[string]string{"refresh_token": refreshToken.Reveal()}) // texts can be encoded
	}
	return p.session(ctx, c)
}

func refreshCause(refused *upstream.Error, _ http.Header) error {
	switch refused.Status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return providers.ErrUnauthorized
	}
	return nil
}

// session makes a call that answers with a session.
func (p *Provider) session(ctx context.Context, c call) (providers.Session, error) {
	a, err := p.do(ctx, c)
	if err != nil {
		return providers.Session{}, err
	}
	session, err := sessionOf(a)
	if err != nil {
		return providers.Session{}, unusable(c.method, c.route, err)
	}
	return session, nil
}

// sessionOf returns the session of an answer: tokens in its body, or cookies and no body.
func sessionOf(a answer) (providers.Session, error) {
	if len(bytes.TrimSpace(a.body)) == 0 {
		return cookiesSession(a.header)
	}
	var tokens struct {
		AccessToken  string    `json:"accessToken"`
		RefreshToken string    `json:"refreshToken"`
		ExpireAt     time.Time `json:"expireAt"`
	}
	if err := json.Unmarshal(a.body, &tokens); err != nil || tokens.AccessToken == "" || tokens.ExpireAt.IsZero() {
		return providers.Session{}, fmt.Errorf("%w: it is no session", upstream.ErrAnswer)
	}
	return providers.Session{
		AccessToken: secret.New(tokens.AccessToken), RefreshToken: secret.New(tokens.RefreshToken), ExpireAt: tokens.ExpireAt,
	}, nil
}

// cookiesSession returns the session of cookies, all as they came: net/http leaves out those
// whose values it does not know how to read.
func cookiesSession(h http.Header) (providers.Session, error) {
	var cookies []*http.Cookie
	isSession := false
	for _, line := range h["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		name, value := pairOf(pair)
		cookies = append(cookies, &http.Cookie{Name: name, Value: value, Raw: line})
		isSession = isSession || name == sessionCookie && value != ""
	}
	if isSession {
		return providers.Session{Cookies: cookies}, nil
	}
	return providers.Session{}, fmt.Errorf("%w: it has neither tokens nor a session's cookie", upstream.ErrAnswer)
}

// UserInfo implements [providers.Authenticator]. What the Auth0 Client tells is returned as
// it is.
func (p *Provider) UserInfo(ctx context.Context, t providers.Ticket) (map[string]any, error) {
	c := call{method: http.MethodGet, route: userInfoRoute, personal: true, cause: userInfoCause}
	caller := upstream.CallerFrom(ctx)
	switch {
	case !t.AccessToken.IsZero():
		c.header = byToken(caller, t.AccessToken)
	case !t.SessionID.IsZero() && cookieOf(caller, t.SessionID) != "":
		c.header = bySession(caller, t.SessionID)
	default:
		return nil, refuse(ctx, c.method, c.route, providers.ErrUnauthorized, "There is no session.")
	}
	a, err := p.do(ctx, c)
	if err != nil {
		return nil, err
	}
	var info map[string]any
	if err := decode(a.body, &info); err != nil || info == nil {
		return nil, unusable(c.method, c.route, fmt.Errorf("%w: it is no object in JSON", upstream.ErrAnswer))
	}
	return info, nil
}

func userInfoCause(refused *upstream.Error, _ http.Header) error {
	switch refused.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return providers.ErrUnauthorized
	}
	return nil
}
