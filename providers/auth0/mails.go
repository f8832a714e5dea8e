package auth0

import (
	"context"
	"net/http"
	"strings"
	"time"

	"user-manager/providers"
	"user-manager/upstream"
)

const (
	mailRoute = "POST /dbconnections/change_password"
	lookAgain = 10 * time.Minute // for the tenant's limit, when a look has not told it
)

// ChangePassword implements [providers.Mailer]. The account is read first: the tenant
// answers alike for addresses that it does not know. A blocked account gets none, ErrInvalid:
// a new password may lift its block. One that is in no database has no password: the mail
// would be for another account with the same address. A job's calls read accounts together; where the address
// was changed by somebody else a moment ago, no mail may go out.
func (p *Provider) ChangePassword(ctx context.Context, id string) error {
	account, err := p.read(ctx, id)
	if err != nil {
		return err
	}
	connection := connectionOf(account.Properties, p.settings.connection)
	switch {
	case account.Blocked:
		return providers.Refuse(mailRoute, providers.ErrInvalid, "The account is blocked.")
	case connection == "":
		return providers.Refuse(mailRoute, providers.ErrInvalid, "The account has no password.")
	case account.Email == "":
		return providers.Refuse(mailRoute, providers.ErrInvalid, "The account has no email address.")
	}
	r := &request{
		method: http.MethodPost, path: "/dbconnections/change_password", route: mailRoute,
		kind: mails, lane: ordinary, owner: account.Email,
		contentType: "application/json",
		body: encode(map[string]string{
			"client_id": p.settings.login.id, "email": account.Email, "connection": connection,
		}),
	}
	if upstream.IsBackground(ctx) {
		r.lane = background
		p.lookAtLimit(ctx)
	}
	a, err := p.transport.do(ctx, r)
	if err != nil || a.status >= 200 && a.status <= 299 {
		return err
	}
	return notMailed(r, a, account.Email)
}

// notMailed returns the error of a mail that was refused. The address is the tenant's own,
// so a refusal is about the service's application or connection, unless the account is gone.
func notMailed(r *request, a *answer, email string) error {
	e := failure(r, a, []string{email})
	switch {
	case strings.HasPrefix(strings.ToLower(e.Message), "user not found"): // deleted meanwhile
		e.Err = providers.ErrNotFound
	case a.status >= 400 && a.status < 500 && a.status != http.StatusTooManyRequests && a.status != http.StatusRequestTimeout:
		e.Err = providers.ErrMisconfigured
	}
	return e
}

// lookAtLimit finds out what the tenant lets the Authentication API do in all, before a
// job takes all of it, and when it is full again: the answers to mails and logins tell of
// other limits. A call of userinfo for nobody tells. Without an answer nothing is known, as
// before.
func (p *Provider) lookAtLimit(ctx context.Context) {
	if !p.transport.limiter.wantsLook() {
		return
	}
	_, err := p.looks.do(ctx, "", func(ctx context.Context) (struct{}, error) {
		_, err := p.transport.do(ctx, &request{
			method: http.MethodGet, path: "/userinfo", route: userInfoRoute, kind: looks, lane: urgent,
			authorize: func() string { return "Bearer none" },
		})
		return struct{}{}, err
	})
	if err != nil {
		p.transport.limiter.notLooked()
	}
}

// notLooked lets the next call look, since this one did not get to.
func (l *limiter) notLooked() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looked = time.Time{}
}

// wantsLook reports whether it is worth a call to hear of the limit of the Authentication
// API: it is not known, or there is hardly room for a job by what was told long ago.
func (l *limiter) wantsLook() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, now := l.authentication, time.Now()
	b.advance(now)
	if now.Before(b.paused) {
		return false
	}
	if b.limit == 0 {
		if !l.looked.IsZero() && now.Sub(l.looked) < lookAgain {
			return false
		}
		l.looked = now
		return true
	}
	return b.left > 0 && b.left <= b.reserve(background, now)+mostBackground && b.untold > b.limit/4
}
