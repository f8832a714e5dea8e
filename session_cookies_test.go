package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
)

// TestCookiesAsTheyCame: a cookie that a provider has read off an answer keeps its line.
func TestCookiesAsTheyCame(t *testing.T) {
	const line = "sid=abc.def; max-age=86400; path=/;secure; HttpOnly; SameSite=lax; Priority=High"
	read, err := http.ParseSetCookie(line)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	session := providers.Session{Cookies: []*http.Cookie{read, {Name: "made", Value: "here", Path: "/"}, {Name: "no name"}}}
	if err := writeSession(w, session); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{line, "made=here; Path=/"}, w.Header()["Set-Cookie"]); diff != "" {
		t.Errorf("cookies (-want +got):\n%s", diff)
	}
	if w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Errorf("%d with %d bytes, want 200 and an empty body", w.Code, w.Body.Len())
	}
}

// TestRefreshByTheCookie: without a refresh token the session's cookie is what is
// refreshed, whatever else the request has.
func TestRefreshByTheCookie(t *testing.T) {
	t.Parallel()
	h := newHarness(t, map[string]string{"FAKE_WEBSITE_SCOPE": "true"})
	withAnn(h)
	logged := h.must("POST", "/oauth/token", `{"username":"ann","password":"correct horse"}`)
	cookie, err := http.ParseSetCookie(logged.header.Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	got := h.call("POST", "/refreshtoken", "", "Cookie: sid="+cookie.Value, "Authorization: Bearer another")
	if got.status != http.StatusOK || got.header.Get("Set-Cookie") == "" {
		t.Errorf("refresh = %d %s, want 200 and a new cookie", got.status, got.body)
	}
}
