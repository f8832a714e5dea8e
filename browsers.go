package main

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"user-manager/metrics"
)

// browsers keeps web pages from using a service that is open to whoever is on this machine:
// a browser that runs here is, and makes requests for any page that it shows. With API keys
// it is not needed, for no page knows one.
//
// A nil browsers lets everything through.
type browsers struct {
	hosts   []string // whose names the service has besides those of this machine
	origins *http.CrossOriginProtection
	metrics *metrics.Metrics
}

// allowedHosts reads the names that the service has.
func (r *reader) allowedHosts(name string) []string {
	hosts := r.list(name)
	for i, host := range hosts {
		if hosts[i] = strings.ToLower(host); host != "*" && strings.ContainsAny(host, "/:@*[] ") {
			r.wrong(name, "must be names of hosts without a port, or *, which %q is not", host)
		}
	}
	return hosts
}

// newBrowsers returns nil where nothing is to be kept away: keys do so, a gateway does, or
// somebody in front whom ALLOWED_HOSTS=* speaks for.
func newBrowsers(cfg config, m *metrics.Metrics) *browsers {
	if !cfg.loopback() || cfg.access.asksForKeys() || slices.Contains(cfg.hosts, "*") {
		return nil
	}
	return &browsers{hosts: cfg.hosts, origins: http.NewCrossOriginProtection(), metrics: m}
}

// without is next for all but the requests that a browser makes for pages of others: such as
// are sent by a page of another origin, and could change something, and all that are for
// another host's name, which a page's own server can have resolved to this machine. Pages
// cannot read the answers to the rest.
func (b *browsers) without(next http.Handler) http.Handler {
	if b == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isOwn(r.Context()):
		case r.TLS == nil && !b.knows(r.Host): // a certificate is proof of the name
			b.refuse(w, r, "Host: is not of this machine; ALLOWED_HOSTS has further names, API_KEYS does without")
			return
		case b.origins.Check(r) != nil && !b.serves(r.Header.Get("Origin")):
			b.refuse(w, r, "the request was made by a page of another origin; API_KEYS lets those call that have a key")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (b *browsers) refuse(w http.ResponseWriter, r *http.Request, message string) {
	b.metrics.Refused(metrics.ForeignPage)
	leaveBody(w, r)
	turnAway(w, http.StatusForbidden, message)
}

// serves reports whether an origin is one of the further names, where a proxy on the machine
// has the pages and passes on another name than theirs.
func (b *browsers) serves(origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && slices.Contains(b.hosts, strings.ToLower(u.Hostname()))
}

// knows reports whether a Host header, with or without a port, has a name of this machine's,
// which no other server can have in a browser. Clients so old that they send none are no
// browsers.
func (b *browsers) knows(header string) bool {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = header
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback() || slices.Contains(b.hosts, host)
}
