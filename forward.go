package main

import (
	"net/http"
	"time"
)

// readerTime is how long a client may take for one piece of an answer that the store
// streams: it holds a connection to the store meanwhile.
const readerTime = 30 * time.Second

// forward answers with the store's own answer, as it comes.
func (a *api) forward(w http.ResponseWriter, r *http.Request, below string) error {
	timed := timedWriter{w, http.NewResponseController(w)}
	defer timed.control.SetWriteDeadline(time.Time{}) // the connection may serve others yet
	return a.store.users.Forward(timed, r, below)
}

// timedWriter gives the client a time for each piece. A writer without deadlines, as in a
// test, has none.
type timedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Unwrap lets [http.ResponseController] reach the writer below.
func (w timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write implements [http.ResponseWriter].
func (w timedWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(readerTime))
	return w.ResponseWriter.Write(p)
}
