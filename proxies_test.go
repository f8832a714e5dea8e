package main

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	r := &reader{lookup: environment(map[string]string{"TRUSTED_PROXIES": "192.0.2.1, 10.0.0.0/8, 2001:db8:1::/48, uniquelocal"})}
	trusted := r.proxies("TRUSTED_PROXIES")
	if r.problems != nil {
		t.Fatal(r.problems)
	}
	for what, test := range map[string]struct {
		peer      string
		forwarded []string
		want      string // "": not known
	}{
		"a peer":                           {"203.0.113.9:1234", nil, "203.0.113.9"},
		"a peer that nobody trusts":        {"203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9"},
		"nonsense of such a peer":          {"203.0.113.9:1234", []string{"%%,,1.2.3.4.5", "\x00"}, "203.0.113.9"},
		"a peer on IPv6":                   {"[2001:db8::5]:1234", nil, "2001:db8::5"},
		"a peer in a zone":                 {"[fe80::1%eth0]:1234", nil, "fe80::1"},
		"one of IPv4 on IPv6":              {"[::ffff:203.0.113.9]:1234", nil, "203.0.113.9"},
		"loopback alone":                   {"127.0.0.1:1234", nil, ""},
		"loopback for another":             {"127.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"IPv6 loopback for another":        {"[::1]:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"mapped loopback for another":      {"[::ffff:127.0.0.1]:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"a trusted peer":                   {"192.0.2.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"a trusted network":                {"10.9.8.7:1234", []string{"2001:db8::5"}, "2001:db8::5"},
		"a trusted IPv6 network":           {"[2001:db8:1::7]:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"a network by its name":            {"192.168.3.4:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"what a client made up":            {"10.9.8.7:1234", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		"a chain of trusted ones":          {"10.9.8.7:1234", []string{"1.1.1.1, 198.51.100.1, 10.0.0.1,192.0.2.1"}, "198.51.100.1"},
		"several lines":                    {"10.9.8.7:1234", []string{"1.1.1.1", "198.51.100.1", "10.0.0.1"}, "198.51.100.1"},
		"trusted ones alone":               {"10.9.8.7:1234", []string{"10.0.0.1, 127.0.0.1"}, ""},
		"with ports":                       {"10.9.8.7:1234", []string{"198.51.100.1:443, 10.0.0.1:80"}, "198.51.100.1"},
		"in brackets":                      {"10.9.8.7:1234", []string{"[2001:db8::5]"}, "2001:db8::5"},
		"in brackets with a port":          {"10.9.8.7:1234", []string{"[2001:db8::5]:443"}, "2001:db8::5"},
		"nothing that is an address":       {"10.9.8.7:1234", []string{"1.1.1.1, unknown, 10.0.0.1"}, ""},
		"an empty line":                    {"10.9.8.7:1234", []string{""}, ""},
		"an empty part":                    {"10.9.8.7:1234", []string{"1.1.1.1,"}, ""},
		"a peer that is no address":        {"@", []string{"198.51.100.1"}, ""},
		"no peer, as of calls in process ": {"", []string{"198.51.100.1"}, ""},
	} {
		r := httptest.NewRequest("POST", "/oauth/token", nil)
		r.RemoteAddr = test.peer
		if test.forwarded != nil {
			r.Header["X-Forwarded-For"] = test.forwarded
		}
		var want netip.Addr
		if test.want != "" {
			want = netip.MustParseAddr(test.want)
		}
		if got := trusted.client(r); got != want {
			t.Errorf("%s: the client of %s for %q is %v, want %v", what, test.peer, test.forwarded, got, want)
		}
	}
}

func TestConfigOfProxies(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"gateway", "10.0.0.0/33", "10.0.0", "10.0.0.0/", "2001:db8::/129", "*"} {
		_, err := loadConfig(environment(map[string]string{"TRUSTED_PROXIES": "127.0.0.1, " + wrong}))
		if err == nil || !strings.Contains(err.Error(), `TRUSTED_PROXIES: must be addresses, networks such as 10.0.0.0/8, loopback, linklocal or uniquelocal, which "`+wrong+`" is not`) {
			t.Errorf("TRUSTED_PROXIES=%s: %v", wrong, err)
		}
	}
}

// FuzzClientAddress: an untrusted peer is its own address, whatever it says, and nothing
// panics.
func FuzzClientAddress(f *testing.F) {
	for _, seed := range []string{"", "1.2.3.4", ", ,", "[::1]:", "[", "]", "::ffff:1.2.3.4%x", "1.2.3.4:99999", "fe80::1%eth0, 10.0.0.1", strings.Repeat("127.0.0.1,", 1000)} {
		f.Add(seed, "127.0.0.1:1")
		f.Add("10.0.0.1", seed)
	}
	trusted := proxies{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, forwarded, peer string) {
		r := httptest.NewRequest("POST", "/oauth/token", nil)
		r.Header["X-Forwarded-For"] = []string{forwarded, forwarded}
		r.RemoteAddr = peer
		if got := trusted.client(r); got.IsValid() && trusted.trust(got) {
			t.Errorf("the client of %q for %q is %v, which is trusted", peer, forwarded, got)
		}
		household(trusted.client(r))
		r.RemoteAddr = "203.0.113.9:1"
		if got := trusted.client(r); got != netip.MustParseAddr("203.0.113.9") {
			t.Errorf("the client for %q is %v, want the peer", forwarded, got)
		}
	})
}
