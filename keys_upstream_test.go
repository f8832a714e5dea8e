package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/providers/auth0/auth0test"
	"user-manager/providers/auth0client/facadetest"
)

// TestKeyGoesNowhereElse: whatever the settings forward, neither the provider nor the store nor
// a timer sees a key of ours, and the provider still sees its own.
func TestKeyGoesNowhereElse(t *testing.T) {
	t.Parallel()
	const theirs = "their-own-client-key"
	h, facade := newFacadeHarness(t, map[string]string{
		"API_KEYS": firstKey, "ADDITIONAL_HEADERS_TO_PROXY": "client-key,secret", "TIMER_SERVICE_HEADERS": "client-key,secret,miauserid", "CLIENTTYPE_HEADER_KEY": "secret",
	}, facadetest.Config{Clients: map[string]facadetest.Client{"web": {}}, DefaultClient: "web", Keys: map[string]string{theirs: "web"}}, auth0test.Config{})
	expiring := strings.TrimSuffix(grace, "}") + `,"expirationDate":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`
	h.must("POST", "/users/?sendResetPwdEmail=false", expiring, "client-key: "+firstKey, "miauserid: me")
	seen := map[string]bool{}
	for _, sent := range [][]string{{"client-key: " + firstKey}, {"secret: " + firstKey}, {"client-key: " + theirs, "secret: " + firstKey}, {"client-key: " + firstKey + ", " + theirs}} {
		h.must("POST", "/oauth/token", graceLogin, sent...)
		h.must("GET", "/userinfo", "", append(sent, "Authorization: Bearer <token1>")...)
		h.call("POST", "/refreshtoken", `{"refreshToken":"x"}`, append(sent, "Authorization: Bearer <token1>")...)
		h.call("GET", "/nowhere", "", sent...)
	}
	for _, r := range facade.Took() {
		for name, values := range r.Header {
			for _, value := range values {
				if strings.Contains(value, firstKey) {
					t.Errorf("%s %s had our key in %s", r.Method, r.URL.Path, name)
				}
				seen[value] = true
			}
		}
	}
	if !seen[theirs] {
		t.Error("the provider did not see its own key")
	}
	timers, err := json.Marshal(h.all("/timers"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(timers); strings.Contains(text, firstKey) || !strings.Contains(text, "iauserid") {
		t.Errorf("the timers are %s", text)
	}
}

// TestTimersNeedNoKey: the embedded Timer Service calls in this process, and users expire
// though keys are asked for; from outside the signature is what counts.
func TestTimersNeedNoKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, map[string]string{"API_KEYS": firstKey})
		key := "client-key: " + firstKey
		for i, d := range []time.Duration{10 * time.Second, time.Hour} {
			name := []string{"ann", "bob"}[i]
			h.must("POST", "/users/?sendResetPwdEmail=false", `{"userGroup":"customers","username":"`+name+`","email":"`+name+`@example.com","password":"correct horse","expirationDate":"`+
				time.Now().Add(d).UTC().Format(time.RFC3339)+`"}`, key)
		}
		ctx, stop := context.WithCancel(t.Context())
		var work errgroup.Group
		work.Go(func() error { return h.api.timers.run(ctx, h.handler) })
		time.Sleep(12 * time.Second)
		for name, want := range map[string]int{"ann": http.StatusUnauthorized, "bob": http.StatusOK} {
			if got := h.call("POST", "/oauth/token", `{"username":"`+name+`","password":"correct horse"}`); got.status != want {
				t.Errorf("%s: %d %s, want %d", name, got.status, got.body, want)
			}
		}
		stop()
		if err := work.Wait(); err != nil {
			t.Error(err)
		}
		if got := h.call("POST", "/-/expire/<id2>", `{"expirationDate":"2000-01-01T00:00:00.000Z","signature":"v1,x"}`); got.status != 401 || !strings.Contains(got.body, "signature: ") {
			t.Errorf("a call that nobody signed = %d %s", got.status, got.body)
		}
	})
}
