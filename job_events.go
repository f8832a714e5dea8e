package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"user-manager/jobs"
)

const (
	eventEvery     = 500 * time.Millisecond // at most one event of progress
	heartbeatEvery = 15 * time.Second       // so that no proxy takes the silence for an end
)

// activationEvents handles GET /jobs/bulk-activation/:id/events.
func (a *api) activationEvents(w http.ResponseWriter, r *http.Request) error {
	return a.streamJob(w, r, activationKind)
}

// mailEvents handles GET /jobs/change-password/bulk/:id/events.
func (a *api) mailEvents(w http.ResponseWriter, r *http.Request) error {
	return a.streamJob(w, r, mailKind)
}

// streamJob answers with server-sent events: "progress" whenever there is any, and last
// the job's status, with the job as it is then. The stream ends early when the service
// stops; whoever listens comes back by itself.
func (a *api) streamJob(w http.ResponseWriter, r *http.Request, kind string) error {
	job, err := a.job(r, kind)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	s := &eventStream{w: w, out: http.NewResponseController(w)}
	if !s.send("progress", progressOf(job, time.Now())) {
		return nil
	}
	a.followJob(r, job, s)
	return nil
}

// followJob sends events until the job is over, or nobody listens any more.
func (a *api) followJob(r *http.Request, job jobs.Job, s *eventStream) {
	ticker := time.NewTicker(eventEvery)
	defer ticker.Stop()
	last, sentAt := job, time.Now()
	for job.Status == jobs.Pending {
		select {
		case <-r.Context().Done():
			return
		case <-a.stopping:
			return
		case <-ticker.C:
		}
		now, err := a.job(r, last.Kind)
		switch {
		case isNotFound(err):
			return
		case err != nil: // the store may be back next time
		case now.Done != last.Done || now.StartedAt != last.StartedAt:
			if !s.send("progress", progressOf(now, time.Now())) {
				return
			}
			sentAt = time.Now()
			last = now
		}
		if err == nil {
			job = now
		}
		if time.Since(sentAt) >= heartbeatEvery {
			if !s.write([]byte(": still running\n\n")) {
				return
			}
			sentAt = time.Now()
		}
	}
	s.send(string(job.Status), endedJob{started(job), summaryOf(job)})
}

// isNotFound reports whether the job has gone.
func isNotFound(err error) bool {
	wrong, ok := errors.AsType[*requestError](err)
	return ok && wrong.status == http.StatusNotFound
}

// eventStream writes server-sent events.
type eventStream struct {
	w   http.ResponseWriter
	out *http.ResponseController
}

// send writes an event and reports whether the client may still be there.
func (s *eventStream) send(name string, data any) bool {
	encoded, err := json.Marshal(data)
	if err != nil {
		return false
	}
	var event bytes.Buffer
	fmt.Fprintf(&event, "event: %s\ndata: %s\n\n", name, encoded)
	return s.write(event.Bytes())
}

func (s *eventStream) write(p []byte) bool {
	if _, err := s.w.Write(p); err != nil {
		return false
	}
	return s.out.Flush() == nil
}
