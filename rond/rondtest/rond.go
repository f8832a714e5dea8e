package rondtest

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// A Config says how a Rönd is.
type Config struct {
	Store    Store
	Starting bool // it compiles its policies still: it is not ready, though it grants
}

// A Rond is an http.Handler that answers as Rönd does. It is safe for use by several
// goroutines.
type Rond struct {
	starting bool

	mu       sync.Mutex // guards what follows
	store    Store
	bindings []Binding // in the order in which they were made; their lists are never written to
}

// New returns a Rönd without bindings.
func New(cfg Config) *Rond { return &Rond{starting: cfg.Starting, store: cfg.Store} }

// SetStore makes the CRUD Service behind do something else from its next request on.
func (r *Rond) SetStore(s Store) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.store = s
}

// Bindings returns all bindings there are, in the order in which they were made.
func (r *Rond) Bindings() []Binding {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bindings)
}

// Roles returns what an evaluation would take for the roles of a subject in no group: those of
// its public bindings, sorted, each once.
func (r *Rond) Roles(subject string) []string {
	var roles []string
	for _, b := range r.Bindings() {
		if b.State == public && slices.Contains(b.Subjects, subject) {
			roles = append(roles, b.Roles...)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// Put adds a binding as somebody else may have made it. Its ids, its state, its authors and
// its times are made up where they are missing; an empty list counts as none.
func (r *Rond) Put(b Binding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bindings = append(r.bindings, b.complete(public, "public"))
}

// ServeHTTP implements [http.Handler].
func (r *Rond) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	path := req.URL.EscapedPath() // Rönd does not decode it
	if answer := r.others(path); answer != nil {
		answer(w, req)
		return
	}
	serve, resourceType, found := r.route(path)
	switch {
	case !found:
		http.NotFound(w, req)
	case req.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		serve(w, req, resourceType)
	}
}

// route returns what serves a path, and the type of resource in it, "" for none.
func (r *Rond) route(path string) (serve func(http.ResponseWriter, *http.Request, string), resourceType string, found bool) {
	path, resourceType, typed := strings.Cut(path, "/resource/")
	switch path {
	case "/grant/bindings":
		serve = r.grant
	case "/revoke/bindings":
		serve = r.revoke
	default:
		return nil, "", false
	}
	return serve, resourceType, !typed || resourceType != "" && !strings.Contains(resourceType, "/")
}

// others returns what serves a path that is not about bindings, or nil.
func (r *Rond) others(path string) http.HandlerFunc {
	switch path {
	case "/-/rbac-healthz", "/-/rbac-check-up":
		return status(true)
	case "/-/rbac-ready":
		return status(!r.starting)
	case "/-/rond/metrics":
		return metrics
	case "/openapi/json":
		return openapi
	}
	return nil
}
