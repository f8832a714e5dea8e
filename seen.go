package main

import (
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// seenWriter notes what is answered, for the log and the counts.
type seenWriter struct {
	http.ResponseWriter
	start    time.Time
	status   int // 0: nothing was answered yet
	bytes    int64
	lost     bool  // the client did not take all
	finished bool  // the handler came to its end
	err      error // why the request failed, if it did
}

// Unwrap lets [http.ResponseController] reach the writer below.
func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (w *seenWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK { // those before are no answers yet
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *seenWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	w.lost = w.lost || err != nil
	return n, err
}

// isBrokenOff reports whether the client has not got a whole answer.
func (w *seenWriter) isBrokenOff(r *http.Request) bool {
	return !w.finished || r.Context().Err() != nil && (w.lost || w.err != nil)
}

// attr is the answer in the log.
func (w *seenWriter) attr(status int) slog.Attr {
	answer := make([]slog.Attr, 0, 2)
	if status != 0 {
		answer = append(answer, slog.Int("statusCode", status))
	}
	if w.bytes > 0 {
		answer = append(answer, slog.GroupAttrs("body", slog.Int64("bytes", w.bytes)))
	}
	return slog.GroupAttrs("response", answer...)
}

// seenBy returns what notes the answer to w, or nil.
func seenBy(w http.ResponseWriter) *seenWriter {
	for {
		switch at := w.(type) {
		case *seenWriter:
			return at
		case interface{ Unwrap() http.ResponseWriter }:
			w = at.Unwrap()
		default:
			return nil
		}
	}
}

// blameOn notes why a request failed, for its line in the log.
func blameOn(w http.ResponseWriter, err error) {
	if seen := seenBy(w); seen != nil {
		seen.err = err
	}
}

var (
	errStoresOwn   = errors.New("the answer is the store's own")
	errStoreBroken = errors.New("the store's answer broke off")
)

// blameStore notes that an answer that is passed on is the store's, should it be a failure.
func blameStore(w http.ResponseWriter, whole bool) {
	switch seen := seenBy(w); {
	case seen == nil:
	case !whole:
		seen.err = errStoreBroken
	case seen.status >= http.StatusBadRequest:
		seen.err = errStoresOwn
	}
}
