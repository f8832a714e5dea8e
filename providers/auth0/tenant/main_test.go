package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"user-manager/providers/auth0/auth0test"
	"user-manager/upstream/faults"
)

// TestRun: the command serves, with users from a file, until it is told to end.
func TestRun(t *testing.T) {
	seed := filepath.Join(t.TempDir(), "seed.json")
	if err := os.WriteFile(seed, []byte(`[{"email":"ada@example.com","password":"Correct-Horse-7"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	over := make(chan error, 1)
	go func() { // the test waits for it
		err := run(ctx, []string{"-addr", "127.0.0.1:0", "-seed", seed}, in, t.Output())
		in.CloseWithError(err)
		over <- err
	}()
	settings := map[string]string{}
	decoder := lines(out)
	for len(settings) < 8 {
		name, value, ok := strings.Cut(decoder(), "=")
		if !ok {
			t.Fatalf("the command ended: %v", <-over)
		}
		settings[name] = value
	}
	res, err := http.PostForm(settings["AUTH0_DOMAIN"]+"/oauth/token", url.Values{
		"grant_type": {"password"}, "client_id": {settings["AUTH0_CLIENT_ID"]}, "client_secret": {settings["AUTH0_CLIENT_SECRET"]},
		"username": {"ada@example.com"}, "password": {"Correct-Horse-7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if res.StatusCode != http.StatusOK || res.Header.Get("X-Ratelimit-Limit") != "100" {
		t.Errorf("login: %d, headers %v", res.StatusCode, res.Header)
	}
	stop()
	if err := <-over; err != nil {
		t.Errorf("run: %v", err)
	}
}

// lines returns what reads r line by line; "" at the end.
func lines(r io.Reader) func() string {
	return func() string {
		var line []byte
		for b := make([]byte, 1); ; {
			if _, err := r.Read(b); err != nil || b[0] == '\n' {
				return string(line)
			}
			line = append(line, b[0])
		}
	}
}

func TestRunRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"another interface": {[]string{"-addr", "0.0.0.0:0"}, "no loopback address"},
		"no way there":      {[]string{"-addr", "0.0.0.0:0", "-anywhere"}, "-domain: must be given"},
		"unknown limits":    {[]string{"-limits", "some"}, "-limits"},
		"an argument":       {[]string{"now"}, "unknown argument"},
		"a strange flag":    {[]string{"-adr", "127.0.0.1:0"}, "-adr; -help has all flags"},
		"a negative rate":   {[]string{"-import-rate", "-1"}, "-import-rate"},
		"no rate":           {[]string{"-import-rate", "NaN"}, "-import-rate"},
		"a negative lag":    {[]string{"-index-lag", "-1s"}, "-index-lag"},
		"a bare domain":     {[]string{"-domain", "tenant:4000"}, "-domain"},
		"a domain's path":   {[]string{"-domain", "http://tenant:4000/"}, "-domain"},
		"a missing seed":    {[]string{"-addr", "127.0.0.1:0", "-seed", filepath.Join(t.TempDir(), "x")}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), test.args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("run: %v, want %q in it", err, test.want)
			}
		})
	}
}

// TestRunEndsBesideIdleConnections: a connection without a request does not keep the command.
func TestRunEndsBesideIdleConnections(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	idle, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	over := make(chan error, 1)
	go func() { over <- serve(ctx, ln, http.NotFoundHandler(), t.Output()) }() // the test waits for it
	res, err := http.Get("http://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close() // by now the first connection was accepted
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-over; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// TestDomain: tokens and links are of the domain that others know.
func TestDomain(t *testing.T) {
	o, err := parse([]string{"-domain", "http://tenant:4000", "-limits", "none"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {auth0test.ManagementClientID}, "client_secret": {auth0test.ManagementClientSecret},
		"audience": {"http://tenant:4000/api/v2/"},
	}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	auth0test.New(o.tenant).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("a token for that domain: %d %s", w.Code, w.Body)
	}
}

func TestHelp(t *testing.T) {
	var help bytes.Buffer
	if _, err := parse([]string{"-help"}, &help); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("parse: %v", err)
	}
	for _, fault := range faults.All() {
		if !strings.Contains(help.String(), `"`+fault.String()+`"`) {
			t.Errorf("the help does not name %q", fault)
		}
	}
	if !strings.Contains(help.String(), "-limits") {
		t.Errorf("the help has no flags: %s", help.String())
	}
}

func TestDesk(t *testing.T) {
	plan := faults.NewPlan()
	h := routes(auth0test.New(auth0test.Config{Faults: plan}), plan)
	call := func(method, path, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader([]byte(body))))
		return w
	}
	for _, test := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/_faults", `{"fault":"status 429"}`, 204},
		{"GET", "/.well-known/jwks.json", "", 429},
		{"GET", "/.well-known/jwks.json", "", 200},
		{"POST", "/_faults", `{"fault":"status 503","call":2,"always":true}`, 204},
		{"GET", "/.well-known/jwks.json", "", 200},
		{"GET", "/.well-known/jwks.json", "", 503},
		{"GET", "/.well-known/jwks.json", "", 503},
		{"DELETE", "/_faults", "", 204},
		{"GET", "/.well-known/jwks.json", "", 200},
		{"POST", "/_faults", `{"delay":"1ns"}`, 204},
		{"POST", "/_faults", `{"delay":"x"}`, 400},
		{"POST", "/_faults", `{"fault":"x"}`, 400},
		{"POST", "/_faults", `{"faults":1}`, 400},
		{"POST", "/_faults", "", 400},
		{"POST", "/_faults/deliver", "", 204},
		{"GET", "/_mails", "", 200},
		{"GET", "/_seen", "", 200},
	} {
		if got := call(test.method, test.path, test.body); got.Code != test.status {
			t.Errorf("%s %s %s: %d %s, want %d", test.method, test.path, test.body, got.Code, got.Body, test.status)
		}
	}
	var calls []string
	if err := json.Unmarshal(call("GET", "/_faults", "").Body.Bytes(), &calls); err != nil || len(calls) != 6 {
		t.Errorf("calls: %v, %v, want 6", calls, err)
	}
}
