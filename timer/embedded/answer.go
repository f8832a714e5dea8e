package embedded

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"user-manager/crud"
	"user-manager/upstream"
)

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// A refusal is a request that is not done. Its message is for the caller.
type refusal struct {
	status  int
	message string
}

func (e *refusal) Error() string { return e.message }

func badRequest(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// answer makes an http.Handler of h: it alone writes errors, and logs those that are ours.
func (s *Service) answer(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		err := upstream.Protect(func() error { return h(w, r) })
		if err == nil {
			return
		}
		status, message := classify(err)
		if status >= http.StatusInternalServerError {
			s.log.ErrorContext(r.Context(), "request of a timer failed", "route", r.Pattern, "status", status, "err", err)
		}
		if wait := upstream.RetryAfter(err); wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		}
		encode(w, status, map[string]any{"statusCode": status, "error": http.StatusText(status), "message": message})
	})
}

// classify returns the status and the message of an error. The store's are passed on as
// services of the platform do, but for two: a store that cannot be called is worth another
// try, and where there is no collection that must not pass for there being no timer.
func classify(err error) (int, string) {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.status, e.message
	}
	e, ok := errors.AsType[*upstream.Error](err)
	const unknown = "Something went wrong"
	switch {
	case !ok:
		return http.StatusInternalServerError, unknown
	case upstream.Unreached(err):
		return http.StatusServiceUnavailable, "the store of the timers cannot be reached"
	case e.Status < 400 || e.Status == http.StatusNotFound:
		return http.StatusInternalServerError, unknown
	}
	return e.Status, cmp.Or(e.Message, unknown)
}

// encode answers with v as JSON.
func encode(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // texts and numbers
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimSuffix(body.Bytes(), []byte("\n"))) // a caller that is gone
}

// noRoute answers a request for what there is not, with another method too.
func noRoute(_ http.ResponseWriter, r *http.Request) error {
	return &refusal{http.StatusNotFound, fmt.Sprintf("Route %s:%s not found", r.Method, r.URL.Path)}
}

const name = "embedded timer service"

// alive handles GET /-/healthz.
func alive(w http.ResponseWriter, _ *http.Request) error {
	encode(w, http.StatusOK, map[string]string{"name": name, "status": "OK"})
	return nil
}

// ready handles GET /-/ready: it reads the collection.
func (s *Service) ready(w http.ResponseWriter, r *http.Request) error {
	if err := s.Ping(r.Context()); err != nil {
		encode(w, http.StatusServiceUnavailable, map[string]string{"name": name, "status": "KO", "message": err.Error()})
		return nil
	}
	return alive(w, r)
}

// pingTime is how long the store has to answer the status route.
const pingTime = 5 * time.Second

// Ping reports whether the timers can be read. Its error is an [*upstream.Error].
func (s *Service) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	_, err := s.timers.List(ctx, crud.Query{Fields: []string{"_id"}, Limit: 1})
	return err
}
