package main

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the peers whose X-Forwarded-For is believed, besides those on loopback. The
// zero value has none.
type proxies []netip.Prefix

// namedNetworks are those that the platform's other services know by a name.
var namedNetworks = map[string]proxies{
	"loopback":    nil, // always is
	"linklocal":   {netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10")},
	"uniquelocal": {netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7")},
}

// proxies reads the addresses and networks that a variable lists.
func (r *reader) proxies(name string) proxies {
	var all proxies
	for _, part := range r.list(name) {
		if named, ok := namedNetworks[part]; ok {
			all = append(all, named...)
			continue
		}
		network, err := netip.ParsePrefix(part)
		if address, ok := parseAddress(part); ok && err != nil {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			r.wrong(name, "must be addresses, networks such as 10.0.0.0/8, loopback, linklocal or uniquelocal, which %q is not", part)
			continue
		}
		all = append(all, network.Masked())
	}
	return all
}

// trust reports whether a peer is one of ours, which tells truly on whose behalf it calls.
func (p proxies) trust(peer netip.Addr) bool {
	return peer.IsLoopback() || slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(peer) })
}

// client returns the address that a request comes from: its peer's or, where the peer is
// trusted, the last one of X-Forwarded-For that is not. The zero Addr stands for one that is
// not known: what trusted peers say names nobody else, or cannot be understood. What an
// untrusted peer says is not looked at.
func (p proxies) client(r *http.Request) netip.Addr {
	peer, ok := parseAddress(r.RemoteAddr)
	if !ok || !p.trust(peer) {
		return peer
	}
	lines := r.Header["X-Forwarded-For"]
	for _, line := range slices.Backward(lines) {
		for line != "" {
			before, last := cutLast(line)
			line = before
			address, ok := parseAddress(strings.TrimSpace(last))
			if !ok || !p.trust(address) {
				return address
			}
		}
	}
	return netip.Addr{}
}

// cutLast cuts a list before its last part.
func cutLast(list string) (before, last string) {
	if comma := strings.LastIndexByte(list, ','); comma >= 0 {
		return list[:comma], list[comma+1:]
	}
	return "", list
}

// parseAddress reads an address, which may have a port. One of IPv4 in the form of IPv6 is
// given as what it is; a zone is left out.
func parseAddress(text string) (_ netip.Addr, ok bool) {
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		with, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		address = with.Addr()
	}
	return address.Unmap().WithZone(""), true
}

// household is what counts as one address: many of IPv6 are one customer's.
func household(address netip.Addr) netip.Addr {
	if !address.Is6() {
		return address
	}
	network, err := address.Prefix(64)
	if err != nil {
		return address
	}
	return network.Addr()
}
