// Package timer is a client of the Timer Service, which makes a call when a time has
// come. It has two things to talk to, and one way of talking: a Timer Service over the
// network, or the embedded one (package embedded) in this process.
//
// What a timer calls is our own /-/expire route, with a body that only we can have
// written, see [Client.Verify]. The call may come late, more than once, and after the
// timer was aborted: whoever answers it looks at the user first.
package timer

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"user-manager/secret"
	"user-manager/upstream"
)

// Service is the Timer Service's name in errors.
const Service = "Timer"

// A Config says where the Timer Service is, and where we are.
type Config struct {
	URL       string            // such as "http://timer-service"
	Transport http.RoundTripper // see Network
	Timeout   time.Duration     // of a call
	Callback  string            // where timers reach us, such as "http://user-manager"; it may have a path
	Secret    secret.Text       // what the calls of timers are signed with
}

// A Client calls one Timer Service. It is safe for use by several goroutines.
type Client struct {
	peer     upstream.Peer
	callback *url.URL
	key      secret.Text
}

// New returns a client that has called nobody yet. It refuses addresses that cannot be
// called, and a secret that is none. Its errors name no address, which may hold a password.
func New(cfg Config) (*Client, error) {
	base, err := address(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("address of the Timer Service: %w", err)
	}
	callback, err := address(cfg.Callback)
	if err != nil {
		return nil, fmt.Errorf("address for the calls of timers: %w", err)
	}
	if cfg.Secret.IsZero() {
		return nil, errors.New("there is no secret to sign the calls of timers with")
	}
	peer := upstream.Peer{Service: Service, Base: base.String(), Transport: cfg.Transport, Timeout: cfg.Timeout, Reason: reason}
	return &Client{peer: peer, callback: callback, key: cfg.Secret}, nil
}

// address reads a URL that paths are put behind.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil:
		return nil, errors.New("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it is not an http or https URL")
	case u.Hostname() == "":
		return nil, errors.New("it has no host")
	case u.User != nil:
		return nil, errors.New("it has user information")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("it has a query or a fragment")
	case !upstream.HasUsablePort(u):
		return nil, errors.New("its port is not one")
	}
	return u, nil
}

// Network returns the transport of a Timer Service over the network, for [New] with the
// same timeout: at most so many connections, tries again, and a rest for a service that
// does not answer (see [upstream.Network]). base is what makes the tries; nil: sockets.
func Network(base http.RoundTripper, connections int, timeout time.Duration, log *slog.Logger, o upstream.Observer) *upstream.Network {
	return upstream.NewNetwork(upstream.NetworkConfig{
		Service: Service, MaxConnections: connections, Timeout: timeout, Log: log, Base: base, Observer: o,
	})
}
