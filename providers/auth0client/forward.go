package auth0client

import (
	"net/http"
	"strings"

	"user-manager/secret"
	"user-manager/upstream"
)

// sessionCookie is the cookie of a session.
const sessionCookie = "sid"

// forward puts into h what goes along with a call: the caller's headers, with a personal
// call also what the caller shows to the provider alone, and the call's own.
func forward(h http.Header, caller upstream.Caller, c call) {
	for name, values := range caller.Header {
		h[name] = values
	}
	if c.personal {
		for name, values := range caller.Provider {
			if len(h[name]) == 0 { // what is forwarded anyway is more
				h[name] = values
			}
		}
	}
	for name, values := range c.header {
		if len(values) == 0 {
			delete(h, name)
		} else {
			h[name] = values
		}
	}
	h.Del("Accept-Encoding") // answers are read as they are
}

// namesClient reports whether a request with header h says which client it is for.
func namesClient(h http.Header) bool {
	if h.Get("Client-Type") != "" || h.Get("Client-Key") != "" || h.Get("Secret") != "" {
		return true
	}
	for _, cookie := range cookiesOf(h) {
		if name, _, _ := strings.Cut(cookie, "="); name == "client-key" || name == "mia_client_key" {
			return true
		}
	}
	return false
}

// cookiesOf returns the cookies of h, each as it is there: "name=value".
func cookiesOf(h http.Header) []string {
	var cookies []string
	for cookie := range strings.SplitSeq(strings.Join(h["Cookie"], ";"), ";") {
		if cookie = strings.TrimSpace(cookie); cookie != "" {
			cookies = append(cookies, cookie)
		}
	}
	return cookies
}

// otherCookies returns the cookies that go along with a personal call of the caller, but for
// that of its session.
func otherCookies(caller upstream.Caller) []string {
	from := caller.Header
	if len(from["Cookie"]) == 0 {
		from = caller.Provider
	}
	var others []string
	for _, cookie := range cookiesOf(from) {
		if name, _, _ := strings.Cut(cookie, "="); name != sessionCookie {
			others = append(others, cookie)
		}
	}
	return others
}

// byToken returns the header of a call that goes by an access token and by nothing else.
func byToken(caller upstream.Caller, token secret.Text) http.Header {
	h := http.Header{"Authorization": {"Bearer " + token.Reveal()}, "Cookie": nil}
	if others := otherCookies(caller); len(others) > 0 {
		h.Set("Cookie", strings.Join(others, "; "))
	}
	return h
}

// bySession returns the header of a call that goes by the cookie of a session and by
// nothing else.
func bySession(caller upstream.Caller, id secret.Text) http.Header {
	cookies := append(otherCookies(caller), sessionCookie+"="+id.Reveal())
	return http.Header{"Cookie": {strings.Join(cookies, "; ")}, "Authorization": nil}
}

// isCookieValue reports whether a value can stand in a cookie, and is the whole of it there.
func isCookieValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == ';' || r == ','
	})
}
