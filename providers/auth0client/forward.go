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
		if name, _ := pairOf(cookie); name == "client-key" || name == "mia_client_key" {
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

// pairOf returns the name of a cookie and its value, without quotes around it.
func pairOf(cookie string) (name, value string) {
	name, value, _ = strings.Cut(cookie, "=")
	if value = strings.TrimSpace(value); len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	return strings.TrimSpace(name), value
}

// shownCookies returns the cookies that go along with a personal call of the caller.
func shownCookies(caller upstream.Caller) []string {
	if all := cookiesOf(caller.Header); len(all) > 0 {
		return all
	}
	return cookiesOf(caller.Provider)
}

// shownCookie returns the cookie with which the caller shows the session with an id, as it
// came, "" for none.
func shownCookie(caller upstream.Caller, id secret.Text) string {
	for _, cookie := range shownCookies(caller) {
		if name, value := pairOf(cookie); name == sessionCookie && secret.New(value) == id {
			return cookie
		}
	}
	return ""
}

// cookieOf returns the cookie of the session with an id: the caller's own, or one that is
// made of the id, if it can be the value of one.
func cookieOf(caller upstream.Caller, id secret.Text) string {
	shown := shownCookie(caller, id)
	if shown == "" && isCookieValue(id.Reveal()) {
		return sessionCookie + "=" + id.Reveal()
	}
	return shown
}

// otherCookies returns the cookies that go along with a personal call of the caller, but for
// that of its session.
func otherCookies(caller upstream.Caller) []string {
	var others []string
	for _, cookie := range shownCookies(caller) {
		if name, _ := pairOf(cookie); name != sessionCookie {
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
	cookies := append(otherCookies(caller), cookieOf(caller, id))
	return http.Header{"Cookie": {strings.Join(cookies, "; ")}, "Authorization": nil}
}

// isCookieValue reports whether a value can stand in a cookie, and is the whole of it there.
func isCookieValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == ';' || r == ','
	})
}
