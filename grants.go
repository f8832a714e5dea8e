package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"user-manager/rond"
	"user-manager/upstream"
)

// neighbourConnections are those to Rönd and to a Timer Service over the network; calls
// beyond wait for one.
const neighbourConnections = 64

// rondConfig says where Rönd is; with an empty url roles are kept in the store, and that
// is all.
type rondConfig struct{ url, resourceType string }

func (r *reader) rond() rondConfig {
	if !r.flag("ROND_ENABLED") {
		return rondConfig{} // what else is set does not matter
	}
	c := rondConfig{url: r.address("ROND_SERVICE", r.text("ROND_SERVICE"), ""), resourceType: r.text("ROND_RESOURCE_TYPE")}
	if _, err := rond.New(rond.Config{URL: "http://rond", ResourceType: c.resourceType}); err != nil {
		r.wrong("ROND_RESOURCE_TYPE", "%v", err)
	}
	return c
}

// grants are what has roles granted and revoked. nil: nothing has.
type grants struct {
	client  *rond.Client
	network *upstream.Network
}

// openGrants returns a client of Rönd, or nil when there is none. base makes its calls;
// nil: sockets.
func openGrants(cfg config, base http.RoundTripper, log *slog.Logger, o upstream.Observer) (*grants, error) {
	if cfg.rond.url == "" {
		return nil, nil
	}
	network := rond.Network(base, neighbourConnections, cfg.upstreamTimeout, log, o)
	client, err := rond.New(rond.Config{URL: cfg.rond.url, ResourceType: cfg.rond.resourceType, Transport: network, Timeout: cfg.upstreamTimeout})
	if err != nil {
		return nil, fmt.Errorf("open Rönd (ROND_SERVICE): %w", err)
	}
	return &grants{client, network}, nil
}

// ping asks whether Rönd is there, if there is one.
func (g *grants) ping(ctx context.Context) error {
	if g == nil {
		return nil
	}
	return g.client.Ping(ctx)
}

// state tells whether Rönd is called.
func (g *grants) state() []upstream.State {
	if g == nil {
		return nil
	}
	return []upstream.State{g.network.State()}
}
