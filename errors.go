package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/rond"
	"user-manager/upstream"
	"user-manager/users"
)

// statuses is the only place that maps refusals to HTTP.
var statuses = []struct {
	err    error
	status int
}{
	{users.ErrInvalid, http.StatusBadRequest},
	{users.ErrNotFound, http.StatusNotFound},
	{users.ErrConflict, http.StatusConflict},
	{users.ErrUnauthorized, http.StatusUnauthorized},
	{users.ErrTooEarly, http.StatusServiceUnavailable},
	{users.ErrNotTried, http.StatusServiceUnavailable},
}

// An operationError is an operation that failed, in the words of its route.
type operationError struct {
	doing   string // "updating user"
	refusal refusalPolicy
	err     error
}

// A refusalPolicy is what a route makes of an upstream's refusal.
type refusalPolicy int

const (
	// documented500: the route documents a 500, or what is configured in its place.
	documented500 refusalPolicy = iota
	// passCredentials: refused credentials are a 401.
	passCredentials
	// passLogin: that, and too many logins are a 429.
	passLogin
	// passData: what blames the caller's data is passed on.
	passData
	// passMail: that, and too many mails are a 429.
	passMail
	// always500: whoever calls has no use for another status.
	always500
)

func (e *operationError) Error() string { return "Error while " + e.doing + ": " + e.err.Error() }

func (e *operationError) Unwrap() error { return e.err }

// failed gives an operation's error the words of its route. It returns nil for nil.
func failed(doing string, refusal refusalPolicy, err error) error {
	if err == nil {
		return nil
	}
	return &operationError{doing, refusal, err}
}

// blaming are the statuses by which an upstream blames the caller's data.
var blaming = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}

// blames reports whether an upstream's refusal is about the caller's data. A 404 that
// is not about a document or an account is about our configuration.
func blames(failed *upstream.Error) bool {
	if errors.Is(failed, providers.ErrMisconfigured) {
		return false
	}
	if failed.Status == http.StatusNotFound {
		return errors.Is(failed, crud.ErrNotFound) || errors.Is(failed, providers.ErrNotFound)
	}
	return slices.Contains(blaming, blame(failed))
}

// blame is the status of an upstream's failure for our client: the upstream's own, but
// for a duplicate, which the store answers with 500 when a change makes one, and the
// embedded one with 400.
func blame(failed *upstream.Error) int {
	if errors.Is(failed, crud.ErrDuplicate) {
		return http.StatusConflict
	}
	return failed.Status
}

// explains reports whether the upstream's own words are for our client: those that blame the
// data, and all of Rönd's, which are the same for everybody.
func explains(failed *upstream.Error) bool {
	status := blame(failed)
	return failed.Service == rond.Service || slices.Contains(blaming, status) && status != http.StatusNotFound
}

// classify returns what the client is told of err: 500 and nothing more unless we
// know it.
func (a *api) classify(err error) (status int, message string) {
	if e, ok := errors.AsType[*requestError](err); ok {
		return e.status, e.message
	}
	if refusal, ok := errors.AsType[*users.Refusal](err); ok {
		for _, known := range statuses {
			if refusal.Kind == known.err {
				return known.status, refusal.Message
			}
		}
	}
	if schema, ok := errors.AsType[*users.SchemaError](err); ok {
		return http.StatusInternalServerError, schema.Error()
	}
	operation, ok := errors.AsType[*operationError](err)
	failed, isUpstream := errors.AsType[*upstream.Error](err)
	if !ok || !isUpstream {
		return http.StatusInternalServerError, "internal error"
	}
	return a.classifyUpstream(operation, failed)
}

func (a *api) classifyUpstream(operation *operationError, failed *upstream.Error) (status int, message string) {
	if broken, ok := errors.AsType[*users.ImportError](operation); ok {
		return http.StatusInternalServerError, fmt.Sprintf("Error while %s: %s", operation.doing, failed.Error()+broken.Progress())
	}
	own := cmp.Or(failed.Message, failed.Error())
	if partial, ok := errors.AsType[*users.PartialError](operation); ok && partial.Changed > 0 {
		own = fmt.Sprintf("%s (%d users were changed before)", own, partial.Changed)
	}
	switch {
	case errors.Is(failed, providers.ErrMisconfigured): // its words are for the log
		return http.StatusInternalServerError, operation.Error() + ": " + providers.ErrMisconfigured.Error()
	case (operation.refusal == passLogin || operation.refusal == passMail) && failed.Service == providers.Service && failed.Status == http.StatusTooManyRequests:
		return http.StatusTooManyRequests, own
	case (operation.refusal == passCredentials || operation.refusal == passLogin) && errors.Is(failed, providers.ErrUnauthorized):
		return http.StatusUnauthorized, own
	case (operation.refusal == passData || operation.refusal == passMail) && blames(failed) && !errors.Is(operation, users.ErrJournal):
		return blame(failed), own
	}
	message = operation.Error()
	if failed.Message != "" && explains(failed) {
		message = fmt.Sprintf("%s: %s", message, failed.Message)
	}
	if status := blame(failed); operation.refusal == documented500 && a.passRefusals && failed.Refused() && status/100 == 4 {
		return status, message
	}
	return http.StatusInternalServerError, message
}
