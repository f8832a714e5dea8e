package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
)

// loopback returns the address to dial for a URL, and refuses one that is not on this
// machine: a load is for a service of one's own. What a name stands for is settled
// here, once.
func loopback(ctx context.Context, text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("-url: %w", err)
	}
	if u.Scheme != "http" || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
		return "", fmt.Errorf("-url %q: must be http://host:port", text)
	}
	ips, err := net.DefaultResolver.LookupIP(ctx, "ip", u.Hostname())
	if err != nil {
		return "", fmt.Errorf("-url %q: %w", text, err)
	}
	for _, ip := range ips {
		if !ip.IsLoopback() {
			return "", fmt.Errorf("-url %q: %s is not a loopback address, and load goes to this machine only", text, ip)
		}
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(ips[0].String(), port), nil
}
