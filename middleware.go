package main

import (
	"crypto/rand"
	"net/http"

	"user-manager/upstream"
)

// maxRequestID bounds an id that a client sends.
const maxRequestID = 128

// identify gives the request an id, its own or a new one, and returns it; and tells
// the upstream calls on whose behalf they are made.
func (a *api) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(upstream.RequestIDHeader)
		if !isRequestID(id) {
			id = rand.Text()
		}
		w.Header().Set(upstream.RequestIDHeader, id)
		ctx := upstream.WithCaller(r.Context(), a.forwarding.Caller(r, id))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// isRequestID reports whether an id can be taken as it is: it goes into answers, other
// services' headers and every line of the log.
func isRequestID(id string) bool {
	return id != "" && len(id) <= maxRequestID && isPlain(id)
}
