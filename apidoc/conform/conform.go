// Package conform holds the service's answers against its API description. It is for tests: the service does not
// import it. Start with [New] and [Middleware].
package conform

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	apidoc "user-manager/apidoc"
)

// Checker knows what the description allows. It may be used by several goroutines at once.
type Checker struct {
	prefix   string
	settings []string
	api      *api
	mu       *sync.Mutex // guards the schemas of api, which change while they validate
}

// New reads the embedded description. It returns an error if that is broken: if it is not YAML, if a reference leads
// nowhere, if a schema is not one.
func New() (*Checker, error) {
	return parse(apidoc.Source())
}

func parse(source []byte) (*Checker, error) {
	api, err := parseAPI(source)
	if err != nil {
		return nil, fmt.Errorf("read the API description: %w", err)
	}
	return &Checker{api: api, mu: new(sync.Mutex)}, nil
}

// WithPrefix returns a checker of a service that has its routes below prefix, all but the status routes.
func (c *Checker) WithPrefix(prefix string) *Checker {
	with := *c
	with.prefix = strings.TrimRight(prefix, "/")
	return &with
}

// WithSetting returns a checker of a service that has the setting ("UPSTREAM_ERROR_STATUS=passthrough"). It also allows
// the answers which the description has with that setting only.
func (c *Checker) WithSetting(setting string) *Checker {
	with := *c
	with.settings = append(slices.Clip(c.settings), setting)
	return &with
}

// Routes returns what the description has, sorted, each as "METHOD /path/:id", without the prefix.
func (c *Checker) Routes() []string {
	var routes []string
	for _, op := range c.api.operations {
		routes = append(routes, op.name())
	}
	slices.Sort(routes)
	return routes
}

// Check returns nil if the description allows the answer, else an error that names the operation, the status, the
// place in the body and the reason. The path is the request's, percent-encoded as it came and with the prefix; a query
// string behind it is ignored.
//
// A HEAD is checked as the GET it stands for, but its body must be empty. Where the description has no such path a 404
// with an Error is allowed, where it has the path but not the method a 405 with Allow and an Error, nothing else.
func (c *Checker) Check(method, path string, status int, header http.Header, body []byte) error {
	path, _, _ = strings.Cut(path, "?")
	op := c.operation(method, path)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := op.check(c.settings, method, status, header, body); err != nil {
		return fmt.Errorf("%s answered %d: %w", op.name(), status, err)
	}
	return nil
}

// operation returns the operation a request is for: one of the description's, or one that stands for its absence.
func (c *Checker) operation(method, path string) *operation {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	path, below := c.withoutPrefix(path)
	if !below {
		return c.api.unknownPath(method, path)
	}
	return c.api.find(method, path)
}

// withoutPrefix reports false for a path that cannot be a route of the service.
func (c *Checker) withoutPrefix(path string) (string, bool) {
	if strings.HasPrefix(path, "/-/") {
		return path, true
	}
	rest, ok := strings.CutPrefix(path, c.prefix)
	if !ok || !strings.HasPrefix(rest, "/") || c.prefix != "" && strings.HasPrefix(rest, "/-/") {
		return path, false
	}
	return rest, true
}
