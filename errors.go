package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"user-manager/providers"
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
}

// An operationError is an operation that failed, in the words of its route.
type operationError struct {
	doing string // "updating user"
	// documented: the route answers 500 to every failure of an upstream. Otherwise
	// what blames the caller's data is passed on.
	documented bool
	err        error
}

func (e *operationError) Error() string { return "Error while " + e.doing + ": " + e.err.Error() }

func (e *operationError) Unwrap() error { return e.err }

// failed gives an operation's error the words of a route that passes on what blames
// the caller's data. It returns nil for nil.
func failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &operationError{doing: doing, err: err}
}

// failedAsDocumented is failed for the routes that document a 500.
func failedAsDocumented(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &operationError{doing: doing, documented: true, err: err}
}

// blaming are the statuses by which an upstream blames the caller's data.
var blaming = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}

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
	own := cmp.Or(failed.Message, failed.Error())
	switch {
	case !operation.documented && errors.Is(failed, providers.ErrUnauthorized):
		return http.StatusUnauthorized, own
	case !operation.documented && slices.Contains(blaming, failed.Status):
		return failed.Status, own
	}
	message = operation.Error()
	if failed.Message != "" && slices.Contains(blaming, failed.Status) && failed.Status != http.StatusNotFound {
		message = fmt.Sprintf("%s: %s", message, failed.Message)
	}
	if operation.documented && a.passRefusals && failed.Refused() {
		return failed.Status, message
	}
	return http.StatusInternalServerError, message
}
