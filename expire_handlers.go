package main

import (
	"errors"
	"net/http"
	"time"

	"user-manager/timer"
	"user-manager/upstream"
	"user-manager/users"
)

const (
	expirePath = "/-/expire/{id}"
	// maxExpireBody is far more than what timers send.
	maxExpireBody = 1 << 10
)

// expireUser handles POST /-/expire/:id, the call of a timer. Whoever answers it otherwise
// than by a 2xx is called again.
func (a *api) expireUser(w http.ResponseWriter, r *http.Request) error {
	if a.timers == nil {
		return &requestError{http.StatusNotFound, "there are no timers here"}
	}
	type request struct { // a timer.Call
		ExpirationDate string `json:"expirationDate" validate:"required"`
		Signature      string `json:"signature" validate:"required"`
	}
	call, err := decode[request](r)
	if err != nil {
		return err
	}
	at, err := a.dueAt(r, timer.Call(call))
	if err != nil {
		return err
	}
	caller := upstream.CallerFrom(r.Context())
	caller.ACL = nil // nobody limits what a timer sees, and many may expire at once
	ctx := upstream.InBackground(upstream.WithCaller(r.Context(), caller))
	err = a.users.Expire(ctx, r.PathValue("id"), at)
	if errors.Is(err, users.ErrTooEarly) {
		w.Header().Set("Retry-After", wholeSeconds(max(time.Until(at), time.Second)))
	}
	if err != nil {
		return failed("expiring user", always500, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// dueAt returns when the user of a timer's call expires. The call must be signed; one of
// this process's own need not be, for a timer may be older than the process and its key.
func (a *api) dueAt(r *http.Request, call timer.Call) (time.Time, error) {
	at, ok := a.timers.client.Verify(r.PathValue("id"), call)
	if ok {
		return at, nil
	}
	if !isOwn(r.Context()) {
		return time.Time{}, &requestError{http.StatusUnauthorized, "signature: is not one of this service's for this user and date"}
	}
	at, err := time.Parse(time.RFC3339, call.ExpirationDate)
	if err != nil {
		return time.Time{}, badRequest("expirationDate: must be a date and time")
	}
	return at, nil
}
