package main

import (
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"user-manager/apidoc"
	"user-manager/jobs"
	"user-manager/providers"
	"user-manager/upstream"
	"user-manager/users"
)

// api is what the handlers work with.
type api struct {
	neighbours
	log          *slog.Logger
	access       *access
	browsers     *browsers // nil: they need not be kept away
	bounds       *bounds
	users        *users.Service
	enrichment   *enrichment // nil: GET /users/ is the store's own answer
	forwarding   upstream.Forwarding
	prefix       string // before every route but the status and documentation routes
	version      string
	maxBody      int64
	maxDepth     int // levels of a body that is JSON
	imports      importConfig
	bulkLimit    int // most users of one request that is no import or job
	jobs         *jobs.Queue
	maxJobBody   int64
	webhook      *jobs.Webhook   // what callbacks of jobs may be
	draining     <-chan struct{} // closed when the service is about to stop: it is not ready then
	stopping     <-chan struct{} // closed when the service stops: streams end then
	underWay     atomic.Int64    // requests
	timeout      time.Duration   // of one call of the provider
	passRefusals bool
	clientIP     bool               // of clients may be in the log
	embedded     http.Handler       // the store, where it is served at /crud/; or nil
	looks        singleflight.Group // of the status routes, under way
}

// A route is one line of the HTTP surface.
type route struct {
	method, path string
	handle       handler
	access       who
}

// who may call a route.
type who int

const (
	withKey who = iota // those who have an API key, where keys are asked for
	anybody
)

// routes is the whole documented HTTP surface of the service: one line per endpoint.
// Each also answers with a trailing slash.
func (a *api) routes() []route {
	return []route{
		{"POST", "/oauth/token", a.login, anybody},
		{"POST", "/refreshtoken", a.refresh, anybody},
		{"GET", "/userinfo", a.userInfo, anybody},

		{"POST", "/users", a.createUser, withKey},
		{"POST", "/users/with-id", a.createUserWithID, withKey},
		{"POST", "/users/register", a.registerUser, withKey},
		{"POST", "/users/change-password", a.changePassword, withKey},
		{"GET", "/users", a.listUsers, withKey},
		{"GET", "/users/count", a.countUsers, withKey},
		{"GET", "/users/export", a.exportUsers, withKey},
		{"GET", "/users/schema", a.userSchema, withKey},
		{"POST", "/users/validate", a.validateUser, withKey},
		{"POST", "/users/bulk", a.createUsers, withKey},
		{"PATCH", "/users/bulk", a.patchUsers, withKey},
		{"DELETE", "/users", a.deleteUsers, withKey},
		{"POST", "/users/state", a.changeStates, withKey},
		{"GET", "/users/{id}", a.showUser, withKey},
		{"PATCH", "/users/{id}", a.patchUser, withKey},
		{"DELETE", "/users/{id}", a.deleteUser, withKey},
		{"POST", "/users/{id}/state", a.moveUser, withKey},
		{"POST", "/users/{id}/soft-delete", a.softDeleteUser, withKey},
		{"PATCH", "/users/import", a.importUsers, withKey},

		{"POST", "/jobs/bulk-activation", a.startActivation, withKey},
		{"GET", "/jobs/bulk-activation/{id}", a.showActivation, withKey},
		{"GET", "/jobs/bulk-activation/{id}/events", a.activationEvents, withKey},
		{"POST", "/jobs/change-password/bulk", a.startMails, withKey},
		{"GET", "/jobs/change-password/bulk/{id}", a.showMails, withKey},
		{"GET", "/jobs/change-password/bulk/{id}/events", a.mailEvents, withKey},
	}
}

// bodyLimit returns how large a route's body may be.
func (a *api) bodyLimit(r route) int64 {
	switch {
	case r.path == expirePath:
		return maxExpireBody
	case r.path == "/users/import":
		return a.imports.maxBytes + uploadOverhead
	case r.method == "POST" && strings.HasPrefix(r.path, "/jobs/"):
		return a.maxJobBody
	case r.access == anybody:
		return min(smallBody, a.maxBody)
	}
	return a.maxBody
}

// bounded is h for as many requests of a route at once as there may be. The status routes
// answer whatever else goes on; and what lasts long leaves the places of the others alone.
func (a *api) bounded(r route, h http.Handler) http.Handler {
	switch {
	case strings.HasPrefix(r.path, "/-/"):
		return h
	case strings.HasSuffix(r.path, "/events"):
		return a.bounds.within(a.bounds.streams, h)
	case r.path == "/users/import":
		return a.bounds.within(a.bounds.imports, h)
	}
	return a.bounds.bounded(a.bodyLimit(r), h)
}

// statusRoutes are never under the prefix: those that the platform calls, and the one that
// a timer does.
func (a *api) statusRoutes() []route {
	routes := []route{
		{"GET", "/-/healthz", a.healthz, anybody},
		{"GET", "/-/ready", a.ready, anybody},
		{"GET", "/-/check-up", a.checkUp, anybody},
		{"POST", expirePath, a.expireUser, anybody},
	}
	if a.metrics != nil {
		routes = append(routes, route{"GET", "/-/metrics", a.showMetrics, anybody})
	}
	return routes
}

// handler returns the service.
func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(prefix string, r route) {
		answer := a.bounded(r, a.answer(r.handle, a.bodyLimit(r)))
		if r.access == withKey {
			answer = a.access.guarded(answer)
		}
		mux.Handle(r.method+" "+prefix+r.path, answer)
		mux.Handle(r.method+" "+prefix+r.path+"/{$}", answer)
	}
	for _, r := range a.routes() {
		handle(a.prefix, r)
	}
	for _, r := range a.statusRoutes() {
		handle("", r)
	}
	docs := apidoc.Handler(a.prefix, a.version)
	mux.Handle("/documentation", docs)
	mux.Handle("/documentation/", docs)
	if a.embedded != nil {
		mux.Handle(a.prefix+"/crud/", a.access.guarded(a.bounds.store(http.StripPrefix(a.prefix+"/crud", a.embedded))))
	}
	if frontend, ok := frontendOf(a.provider); ok {
		pages := frontend.Mount()
		below := a.bounds.within(a.bounds.requests, http.StripPrefix(a.prefix, pages.Handler))
		mux.Handle(a.prefix+pages.Path, a.access.guarded(below))
		for _, linked := range pages.Linked {
			mux.Handle(a.prefix+linked, below)
			mux.Handle(a.prefix+linked+"/{$}", below)
		}
	}
	return endingChunks(a.leaving(a.access.recognized(a.identify(a.logged(a.browsers.without(jsonErrors(mux)))))))
}

// frontendOf returns the provider's pages, those of a wrapped provider too.
func frontendOf(p providers.Provider) (providers.Frontend, bool) {
	for {
		if frontend, ok := p.(providers.Frontend); ok {
			return frontend, true
		}
		wrapper, ok := p.(interface{ Unwrap() providers.Provider })
		if !ok {
			return nil, false
		}
		p = wrapper.Unwrap()
	}
}

// jsonErrors answers 404 and 405 as the other errors are, where mux would in plain
// text.
func jsonErrors(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" && isClean(r.URL.Path) {
			mux.ServeHTTP(w, r)
			return
		}
		leaveBody(w, r)
		plain := &headerOnly{header: http.Header{}}
		if pattern == "" { // mux's own answer, not a route of ours
			h.ServeHTTP(plain, r)
		}
		if plain.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", plain.header.Get("Allow"))
			writeFailure(w, plain.status, r.Method+" is not allowed here; allowed is "+plain.header.Get("Allow"))
			return
		}
		writeFailure(w, http.StatusNotFound, "there is no route "+r.Method+" "+strings.ToValidUTF8(r.URL.Path, "�"))
	})
}

// isClean reports whether mux takes the path as it is: it would redirect others.
func isClean(p string) bool { return p == path.Clean(p) || p == path.Clean(p)+"/" }

// headerOnly keeps the status and header of an answer and drops its body.
type headerOnly struct {
	header http.Header
	status int
}

func (h *headerOnly) Header() http.Header         { return h.header }
func (h *headerOnly) WriteHeader(status int)      { h.status = status }
func (h *headerOnly) Write(p []byte) (int, error) { return len(p), nil }
