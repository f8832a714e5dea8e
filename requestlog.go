package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// logged writes one line for each request, those for the state of the service only when it
// is not well, and counts it.
func (a *api) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &seenWriter{ResponseWriter: w, start: time.Now()}
		a.metrics.Began()
		if a.log.Enabled(r.Context(), levelTrace) {
			a.log.LogAttrs(r.Context(), levelTrace, "incoming request", httpAttr(r), a.hostAttr(r)) // of no route yet
		}
		defer a.requestOver(r, seen) // also when the answer is broken off
		next.ServeHTTP(seen, r)
		seen.finished = true
	})
}

// requestOver counts a request and writes its line.
func (a *api) requestOver(r *http.Request, seen *seenWriter) {
	took, route := time.Since(seen.start), routeOf(r.Pattern)
	status := seen.status
	switch {
	case seen.isBrokenOff(r):
		status = 0
	case status == 0: // as net/http has it
		status = http.StatusOK
	}
	counted := status
	if status == 0 && isGone(r) {
		counted = statusGone
	}
	a.metrics.Request(r.Method, route, counted, took)
	level, message := lineOf(r, route, status, seen.err)
	if !a.log.Enabled(r.Context(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 5)
	attrs = append(attrs, httpAttr(r, seen.attr(status)))
	if route != "" { // the path has ids, and with its query people's names and addresses
		attrs = append(attrs, slog.GroupAttrs("url", slog.String("path", route)))
	}
	attrs = append(attrs, a.hostAttr(r), slog.Float64("responseTime", milliseconds(took)))
	if reason := a.reasonFor(r.Context(), seen.err, level); reason != "" {
		attrs = append(attrs, slog.String("err", reason))
	}
	a.log.LogAttrs(r.Context(), level, message, attrs...)
}

// lineOf returns what a request is told as. What the client did is no news, what we or an
// upstream did is. A status of 0 is an answer that was broken off.
func lineOf(r *http.Request, route string, status int, err error) (level slog.Level, message string) {
	message = "request completed"
	if status == 0 {
		message = "request broken off"
	}
	switch {
	case status == 0 && isGone(r):
		return slog.LevelInfo, message
	case errors.Is(err, errStopping): // as it was told to
		return slog.LevelWarn, message
	case status == 0, status >= http.StatusInternalServerError:
		return slog.LevelError, message
	case isStatusRoute(r.Method, route):
		return levelTrace, message
	}
	return slog.LevelInfo, message
}

// statusGone is what a request of a client that did not wait for its answer counts as. It is
// nginx's, and no status that anybody is answered with.
const statusGone = 499

// isGone reports whether the client left before its answer was complete.
func isGone(r *http.Request) bool { return r.Context().Err() != nil }

// isStatusRoute reports whether a route is asked for the state of the service, over and over.
func isStatusRoute(method, route string) bool {
	return strings.HasPrefix(route, "/-/") && method != http.MethodPost
}

// reasonFor returns why a request failed, for its line; "" for nothing. That a client was
// refused is told to those who look into it, without what it sent.
func (a *api) reasonFor(ctx context.Context, err error, level slog.Level) string {
	if err == nil || level < slog.LevelWarn && !a.log.Enabled(ctx, slog.LevelDebug) {
		return ""
	}
	return unquoted(chain(err)) + refusedSettings(err)
}

// routeOf is the path of a pattern of the mux, "" for none.
func routeOf(pattern string) string {
	if i := strings.IndexByte(pattern, '/'); i > 0 {
		pattern = pattern[i:] // without the method
	}
	return strings.TrimSuffix(pattern, "/{$}")
}

// maxClientText bounds a text that clients choose.
const maxClientText = 256

func httpAttr(r *http.Request, more ...slog.Attr) slog.Attr {
	request := make([]slog.Attr, 0, 2)
	request = append(request, slog.String("method", printable(r.Method, maxClientText)))
	if agent := r.UserAgent(); agent != "" {
		request = append(request, slog.GroupAttrs("userAgent", slog.String("original", printable(agent, maxClientText))))
	}
	return slog.GroupAttrs("http", append(more, slog.GroupAttrs("request", request...))...)
}

// hostAttr is by which names the service was called, and if it may be told by whom.
func (a *api) hostAttr(r *http.Request) slog.Attr {
	host := make([]slog.Attr, 0, 3)
	add := func(key, value string) {
		if value != "" {
			host = append(host, slog.String(key, printable(value, maxClientText)))
		}
	}
	add("hostname", withoutPort(r.Host))
	add("forwardedHost", r.Header.Get("X-Forwarded-Host"))
	if a.clientIP {
		add("ip", clientIP(r))
	}
	return slog.GroupAttrs("host", host...)
}

// clientIP is whose request it is said to be.
func clientIP(r *http.Request) string {
	if said := r.Header.Get("X-Forwarded-For"); said != "" {
		return said
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return host
}

func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return strings.Trim(host, "[]")
}
