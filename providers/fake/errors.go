package fake

import (
	"context"
	"errors"
	"net/http"
	"time"

	"user-manager/providers"
	"user-manager/upstream"
)

// A refusal is a definite no. [call] makes an error of the provider's of it.
type refusal struct {
	reason  error // one of the providers package: ErrInvalid, Taken and so on
	message string
}

func (r *refusal) Error() string { return r.message }

var (
	errWrongCredentials = &refusal{providers.ErrUnauthorized, "Wrong email or password."}
	errBlocked          = &refusal{providers.ErrUnauthorized, "user is blocked"}
	errRefresh          = &refusal{providers.ErrUnauthorized, "Unknown or invalid refresh token."}
	errNotLoggedIn      = &refusal{providers.ErrUnauthorized, "Unauthorized"}
	errNoSuchUser       = &refusal{providers.ErrNotFound, "The user does not exist."}
)

// errTaken is the conflict of an account that is in nobody's way any more, or has
// another's key.
var errTaken = &refusal{providers.ErrConflict, "The user already exists: its key, email address or username is taken."}

// conflict returns the refusal of an account whose value of the field is another's.
func conflict(field string) error {
	called := map[string]string{emailField: "email address", usernameField: "username"}[field]
	return &refusal{providers.Taken{Property: field}, "The user already exists: the " + called + " is taken."}
}

func invalid(message string) error { return &refusal{providers.ErrInvalid, message} }

// call does the work of one method of the provider. It does not start when ctx is
// done, and gives its error the form that all errors of providers have: a refusal
// as [providers.Refuse] makes it, a failure of the store as a failure of the
// provider itself.
func call[T any](ctx context.Context, p *Provider, route string, do func() (T, error)) (_ T, err error) {
	var none T
	if ctx.Err() != nil {
		return none, failure(ctx, route, nil)
	}
	start := time.Now()
	defer func() { p.observer.Called(providers.Service, codeOf(err), start) }()
	got, err := do()
	if err == nil {
		return got, nil
	}
	if no, ok := errors.AsType[*refusal](err); ok {
		return none, providers.Refuse(route, no.reason, no.message)
	}
	return none, failure(ctx, route, err)
}

// callOnly is call for work that has no result.
func callOnly(ctx context.Context, p *Provider, route string, do func() error) error {
	_, err := call(ctx, p, route, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// codeOf is the status of an operation that ended with err, as if it had been a request.
func codeOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	return upstream.Status(err)
}

func failure(ctx context.Context, route string, err error) error {
	failed := &upstream.Error{Service: providers.Service, Route: route, Err: err}
	switch stored, ok := errors.AsType[*upstream.Error](err); {
	case ctx.Err() != nil:
		failed.Err = context.Cause(ctx)
	case !ok || stored.Status != 0:
		failed.Status = http.StatusInternalServerError
	}
	return failed
}
