package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"user-manager/internal/logtest"
)

// TestRun starts the service as main does, asks it something, and stops it.
func TestRun(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	logs, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, nil, environment(map[string]string{"HTTP_PORT": "0", "EMBEDDED_PATH": filepath.Join(t.TempDir(), "users.db")}), stdout, nil)
		stdout.Close()
	}()
	url := ""
	for lines := bufio.NewScanner(logs); url == "" && lines.Scan(); {
		var line struct{ Msg, Addr, Store, Provider string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Errorf("log line %q: %v", lines.Text(), err)
		}
		if line.Msg == "listening" {
			url = "http://" + line.Addr
			if !strings.HasPrefix(line.Store, "embedded: ") || line.Provider != "fake" {
				t.Errorf("it says that it runs on store %q and provider %q", line.Store, line.Provider)
			}
		}
	}
	if url == "" {
		t.Fatalf("it does not listen: %v", <-ended)
	}
	go logtest.For(t).Lines(logs) // ends with stdout
	res, err := http.Get(url + "/-/ready")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("ready = %d", res.StatusCode)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run ended with %v", err)
	}
}

func TestRunThatCannotStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) // after the parallel subtests
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for what, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"a wrong variable":       {map[string]string{"HTTP_PORT": "x"}, "HTTP_PORT: must be a number"},
		"a provider not known":   {map[string]string{"AUTH_MODULE": "okta"}, `AUTH_MODULE: no provider is named "okta"; known are auth0, auth0Client, fake`},
		"a provider's variable":  {map[string]string{"FAKE_TOKEN_TTL": "soon"}, "FAKE_TOKEN_TTL"},
		"a port that is taken":   {map[string]string{"HTTP_PORT": port}, "address already in use"},
		"a folder not there":     {map[string]string{"EMBEDDED_PATH": "no/such/folder/x.db"}, "no/such/folder"},
		"a folder in the way":    {map[string]string{"EMBEDDED_PATH": t.TempDir()}, "open store"},
		"two stores on one path": {map[string]string{"USERS_CRUD_ENDPOINT": "/roles", "CRUD_SERVICE": "embedded"}, "is the same path as"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"EMBEDDED_PATH": ":memory:", "HTTP_PORT": "0"}
			for name, value := range test.env {
				env[name] = value
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := run(ctx, nil, environment(env), io.Discard, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("run with %v = %v, want %q", test.env, err, test.want)
			}
		})
	}
}
