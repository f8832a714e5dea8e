package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// probeTimeout is how long -probe waits, longer than a status route takes.
const probeTimeout = checkTimeout + time.Second

// probe asks a status route of the service that runs with this configuration on this
// machine. It returns nil when the service is well: for where nobody else can ask, such as
// an image without a shell.
func probe(ctx context.Context, cfg config, route string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ownURL(cfg)+"/-/"+route, nil)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
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
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, cfg.port)
}
