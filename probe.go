package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// probeTimeout is how long -probe waits, longer than the status route takes: check-up asks
// every upstream, one after the other, and may read the whole file of the embedded store.
func probeTimeout(route string) time.Duration {
	if route == "check-up" {
		return time.Minute
	}
	return checkTimeout + time.Second
}

// probe asks a status route of the service that runs with this configuration on this
// machine. It returns nil when the service is well: for where nobody else can ask, such as
// an image without a shell.
func probe(ctx context.Context, cfg config, route string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout(route))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ownURL(cfg)+"/-/"+route, nil)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	// It does not matter who answers on a port of this machine: nothing is told them.
	way := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	res, err := way.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		return nil
	}
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 4096)) // as much of it as there is
	return fmt.Errorf("probe: %s: %s %s", route, res.Status, answer)
}

// ownURL is where this machine reaches the service.
func ownURL(cfg config) string {
	host := strings.Trim(cfg.host, "[]")
	switch ip := net.ParseIP(host); { // by number: an image may have no file of names
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	scheme := "http"
	if cfg.access.tls.pair != nil {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, cfg.port)
}
