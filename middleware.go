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

// endingChunks has the connection closed after a request whose body comes in chunks. One that
// has a length as well is read by its chunks, and net/http does not tell it apart; a proxy in
// front that went by the length takes what follows the chunks for more of this body, and it
// must not be another request here (RFC 9112, section 6.1).
func endingChunks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// isRequestID reports whether an id can be taken as it is: it goes into answers, other
// services' headers and every line of the log.
func isRequestID(id string) bool {
	return id != "" && len(id) <= maxRequestID && isPlain(id)
}
