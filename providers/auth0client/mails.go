package auth0client

import (
	"context"
	"errors"
	"net/http"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

// The Auth0 Client has a route for this, of which nothing is published but that it exists.
// What is known comes from a service that uses it: a drawing in which it calls POST
// /change-password, for an account that it knows by its id alone. This is all that we go by.
const changePasswordRoute = "/change-password"

func changePasswordBody(id string) map[string]any { return map[string]any{"authUserId": id} }

// ChangePassword implements [providers.Mailer].
func (p *Provider) ChangePassword(ctx context.Context, id string) error {
	if !management.IsID(id) {
		return refuse(ctx, http.MethodPost, changePasswordRoute, providers.ErrNotFound, "The account's id is none of Auth0's.")
	}
	_, err := p.send(ctx, call{method: http.MethodPost, route: changePasswordRoute, cause: mailCause}, changePasswordBody(id))
	if err == nil || !mayBeTheAccounts(err) {
		return err
	}
	return p.whyNoMail(ctx, id, err)
}

func mailCause(refused *upstream.Error, _ http.Header) error {
	switch refused.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed:
		return providers.ErrMisconfigured
	}
	return nil
}

// mayBeTheAccounts reports whether a mail may have been refused for what its account is.
func mayBeTheAccounts(err error) bool {
	switch upstream.Status(err) {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusInternalServerError:
		return true
	}
	return false
}

// whyNoMail looks at the account, as it is not documented how a mail is refused: there may
// be none, or it may have no address. Otherwise the error stays as it is, but that a 404
// then is about the route.
func (p *Provider) whyNoMail(ctx context.Context, id string, failed error) error {
	const route = http.MethodPost + " " + changePasswordRoute
	account, err := p.read(ctx, id)
	switch {
	case errors.Is(err, providers.ErrNotFound):
		return providers.Refuse(route, providers.ErrNotFound, "The account does not exist.")
	case err == nil && account.Email == "":
		return providers.Refuse(route, providers.ErrInvalid, "The account has no email address.")
	case err == nil && upstream.Status(failed) == http.StatusNotFound:
		no, _ := errors.AsType[*upstream.Error](failed)
		return &upstream.Error{Service: no.Service, Route: no.Route, Status: no.Status, Message: no.Message, Err: providers.ErrMisconfigured}
	}
	return failed
}
