package crud

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"user-manager/upstream"
)

// Network returns the transport of a CRUD Service over the network, for [New] with the
// same timeout: at most so many connections, tries again, and a rest for a service that
// does not answer (see [upstream.Network]).
func Network(connections int, timeout time.Duration, log *slog.Logger) *upstream.Network {
	return upstream.NewNetwork(upstream.NetworkConfig{
		Service: Service, MaxConnections: connections, Timeout: timeout, Log: log, Excuse: closesOnQuery,
	})
}

// closesOnQuery reports whether a call may have got no answer for what it asked: the
// service closes the connection when its database refuses the query of a list. Callers
// write queries; one's mistake must not cut off the others.
func closesOnQuery(req *http.Request, err error) bool {
	if req.Method != http.MethodGet && req.Method != http.MethodHead || errors.Is(err, upstream.ErrNotSent) {
		return false
	}
	return strings.Contains(req.URL.RawQuery, "_q=") || len(req.Header[upstream.ACLRowsHeader]) > 0
}
