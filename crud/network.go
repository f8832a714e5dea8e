package crud

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"user-manager/upstream"
)

// Network returns the transport of a CRUD Service over the network, for [New] with the
// same timeout: at most so many connections, tries again, and a rest for a service that
// does not answer (see [upstream.Network]). base is what makes the tries; nil: sockets.
func Network(base http.RoundTripper, connections int, timeout time.Duration, log *slog.Logger, o upstream.Observer) *upstream.Network {
	return upstream.NewNetwork(upstream.NetworkConfig{
		Service: Service, MaxConnections: connections, Timeout: timeout, Log: log, Excuse: closesOnQuery, Base: base, Observer: o,
	})
}

// closesOnQuery reports whether a call may have got no answer for what it asked: the
// service closes the connection when its database refuses the query of a list. Callers
// write queries; one's mistake must not cut off the others.
func closesOnQuery(req *http.Request, err error) bool {
	if req.Method != http.MethodGet && req.Method != http.MethodHead || errors.Is(err, upstream.ErrNotSent) {
		return false
	}
	if len(req.Header[upstream.ACLRowsHeader]) > 0 {
		return true
	}
	for name := range req.URL.Query() {
		if slices.Contains(queryParams, name) {
			return true
		}
	}
	return false
}

// queryParams are those by which the database may refuse a list.
var queryParams = []string{"_q", "_rawp", "_p", "_s"}
