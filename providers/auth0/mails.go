package auth0

import (
	"context"
	"net/http"
	"strings"

	"user-manager/providers"
	"user-manager/upstream"
)

const mailRoute = "POST /dbconnections/change_password"

// ChangePassword implements [providers.Mailer]. The account is read first: the tenant
// answers alike for addresses that it does not know. A blocked account gets none, ErrInvalid:
// a new password may lift its block. One that is in no database has no password: the mail
// would be for another account with the same address. A job's calls read accounts together;
// where the address was changed by somebody else a moment ago, no mail may go out.
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
