package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"user-manager/metrics"
	"user-manager/providers"
	"user-manager/secret"
)

// login handles POST /oauth/token.
func (a *api) login(w http.ResponseWriter, r *http.Request) error {
	type request struct {
		Username string      `json:"username" validate:"required"`
		Password secretField `json:"password" validate:"required"`
	}
	in, err := decodeForm[request](r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.timeout)
	defer cancel()
	session, err := a.tryLogin(ctx, a.access.config.proxies.client(r), in.Username, in.Password.Text)
	if limited, ok := errors.AsType[*loginLimited](err); ok {
		a.metrics.Refused(limited.reason)
		w.Header().Set("Retry-After", wholeSeconds(limited.wait))
		return &requestError{http.StatusTooManyRequests, "too many logins have failed; try again later"}
	}
	if errors.Is(err, errUnderWay) {
		a.metrics.Refused(metrics.Overloaded)
		w.Header().Set("Retry-After", "1")
		return &requestError{http.StatusServiceUnavailable, "too many logins are under way; try again later"}
	}
	if err != nil {
		return failed("logging in", passLogin, err)
	}
	return writeSession(w, session)
}

// tryLogin logs in at the provider, unless too many logins of the account or from the address
// have failed.
func (a *api) tryLogin(ctx context.Context, from netip.Addr, username string, password secret.Text) (providers.Session, error) {
	attempt, err := a.access.logins.begin(ctx, username, from)
	if err != nil {
		return providers.Session{}, err
	}
	refused := false
	defer func() { attempt.end(refused) }() // also when the provider panics
	session, err := a.provider.Login(ctx, username, password)
	refused = errors.Is(err, providers.ErrUnauthorized)
	return session, err
}

// refresh handles POST /refreshtoken.
func (a *api) refresh(w http.ResponseWriter, r *http.Request) error {
	type request struct {
		RefreshToken secretField `json:"refreshToken"`
	}
	var in request
	ticket := ticketOf(r)
	if r.ContentLength != 0 || ticket.SessionID.IsZero() {
		var err error
		if in, err = decodeForm[request](r); err != nil {
			return err
		}
	}
	access := ticket.AccessToken
	if access.IsZero() || in.RefreshToken.IsZero() {
		access = ticket.SessionID // a session of cookies has no refresh token
	}
	switch {
	case in.RefreshToken.IsZero() && ticket.SessionID.IsZero():
		return badRequest("refreshToken: is required")
	case access.IsZero():
		return &requestError{http.StatusUnauthorized, "Authorization: the expired access token is required, as a bearer token"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.timeout)
	defer cancel()
	session, err := a.provider.Refresh(ctx, in.RefreshToken.Text, access)
	if err != nil {
		return failed("refreshing the token", passLogin, err)
	}
	return writeSession(w, session)
}

// writeSession answers with the tokens, or with the provider's cookies and an empty
// body.
func writeSession(w http.ResponseWriter, s providers.Session) error {
	w.Header().Set("Cache-Control", "no-store")
	if len(s.Cookies) > 0 {
		for _, cookie := range s.Cookies {
			if line := cmp.Or(cookie.Raw, cookie.String()); line != "" { // as the provider wrote it
				w.Header().Add("Set-Cookie", line)
			}
		}
		w.WriteHeader(http.StatusOK)
		return nil
	}
	return encode(w, http.StatusOK, struct {
		AccessToken  string    `json:"accessToken"`
		RefreshToken string    `json:"refreshToken"`
		ExpireAt     time.Time `json:"expireAt"`
	}{s.AccessToken.Reveal(), s.RefreshToken.Reveal(), s.ExpireAt.UTC()})
}

// ticketOf returns what the client shows that it is logged in: a bearer token, or
// the cookie "sid".
func ticketOf(r *http.Request) providers.Ticket {
	var t providers.Ticket
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		t.AccessToken = secret.New(strings.TrimSpace(token))
	}
	if cookie, err := r.Cookie("sid"); err == nil {
		t.SessionID = secret.New(cookie.Value)
	}
	return t
}

// userInfo handles GET /userinfo.
func (a *api) userInfo(w http.ResponseWriter, r *http.Request) error {
	info, err := a.users.UserInfo(r.Context(), ticketOf(r))
	if err != nil {
		return failed("reading user info", passLogin, err)
	}
	w.Header().Set("Cache-Control", "no-store")
	return encode(w, http.StatusOK, info)
}

// changePassword handles POST /users/change-password.
func (a *api) changePassword(w http.ResponseWriter, r *http.Request) error {
	type request struct {
		AuthUserID string `json:"authUserId" validate:"required"`
	}
	in, err := decode[request](r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.timeout)
	defer cancel()
	if err := a.provider.ChangePassword(ctx, in.AuthUserID); err != nil {
		return failed("changing password", passMail, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
