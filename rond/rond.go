// Package rond is a client of Rönd's grants and revokes: [Client.Grant] gives a user roles,
// [Client.Revoke] takes them all away. Rönd keeps them as bindings, and has no route that
// lists or changes one.
//
// The routes and their answers are those of Rönd 1.15.0 in standalone mode.
package rond

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"user-manager/upstream"
)

// Service is how Rönd is called in error messages.
const Service = "Rond"

// A Config says where Rönd is, and which bindings are ours.
type Config struct {
	URL string // such as "http://rond-service"
	// ResourceType keeps to bindings of our own: those on a resource of this type whose id is
	// the user's own. "": bindings without a resource are made, and all that name a user are
	// revoked, whoever made them.
	ResourceType string
	Transport    http.RoundTripper
	Timeout      time.Duration // of one call
}

// A Client calls one Rönd. It is safe for use by several goroutines.
type Client struct {
	peer         upstream.Peer
	resourceType string
}

// New returns a client. The error says that the URL or the resource type cannot be used.
func New(cfg Config) (*Client, error) {
	base := strings.TrimSuffix(cfg.URL, "/")
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("parse address of Rönd: %w", err)
	}
	if u.Scheme == "" || u.Host == "" {
		return nil, fmt.Errorf("address of Rönd: %q is not a URL with a host", cfg.URL)
	}
	if err := checkType(cfg.ResourceType); err != nil {
		return nil, fmt.Errorf("resource type: %w", err)
	}
	peer := upstream.Peer{Service: Service, Base: base, Transport: cfg.Transport, Timeout: cfg.Timeout, Reason: reason}
	return &Client{peer: peer, resourceType: cfg.ResourceType}, nil
}

// checkType returns why a resource type cannot be used. Rönd stores the segment of the path
// as it was sent, escapes and all, so that policies would see another type than the one that
// was configured.
func checkType(resourceType string) error {
	switch {
	case resourceType == "." || resourceType == "..":
		return errors.New("it is a step in a path, not a name")
	case url.PathEscape(resourceType) != resourceType:
		return fmt.Errorf("%q has characters that a path does not take as they are", resourceType)
	}
	return nil
}

// Network returns the transport of a Rönd over the network, for [New] with the same timeout:
// at most so many connections, tries again, and a rest for a service that does not answer
// (see [upstream.Network]). A revoke is tried again; a grant only when it surely was not
// made. base is what makes the tries; nil: sockets.
//
// Rönd waits for the CRUD Service behind it as long as that takes. A call that runs out of
// time over it counts against Rönd, since the next one would wait as long.
func Network(base http.RoundTripper, connections int, timeout time.Duration, log *slog.Logger, o upstream.Observer) *upstream.Network {
	return upstream.NewNetwork(upstream.NetworkConfig{
		Service: Service, MaxConnections: connections, Timeout: timeout, Log: log, Base: base, Observer: o,
	})
}

// Ping asks Rönd whether it is there. It says nothing of the CRUD Service behind it: Rönd is
// well while every grant fails. Nor does it ask whether Rönd is ready: it grants before that.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.peer.Do(ctx, upstream.Request{Method: http.MethodGet, Path: "/-/rbac-healthz"})
	return err
}
