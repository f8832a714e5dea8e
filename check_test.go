package main

import (
	"crypto/sha256"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCheck looks at what is well, and finds nothing changed after it.
func TestCheck(t *testing.T) {
	t.Parallel()
	well := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/-/") {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("[]"))
	}))
	t.Cleanup(well.Close)
	folder := t.TempDir()
	file := filepath.Join(folder, "users.db")
	uploads := "uploads        " + os.TempDir() + ": OK\n"
	for what, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"no file yet": {map[string]string{"EMBEDDED_PATH": file}, "store          embedded in " + file + ": OK\nprovider       fake: OK\n"},
		"in memory":   {map[string]string{"EMBEDDED_PATH": ":memory:"}, "store          embedded in :memory:: OK\nprovider       fake: OK\n"},
		"keys": {map[string]string{"EMBEDDED_PATH": file, "API_KEYS_FILE": written(t, "a-key-of-an-application")},
			"store          embedded in " + file + ": OK\nprovider       fake: OK\nAPI keys       FILE: OK\n"},
		"all over the network": {map[string]string{
			"CRUD_SERVICE": well.URL, "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/groups", "AUTH_SERVICE": well.URL,
			"ROND_ENABLED": "true", "ROND_SERVICE": well.URL,
			"TIMER_SERVICE": well.URL, "TIMER_CALLBACK_URL": "http://user-manager", "TIMER_CALLBACK_SECRET": "twenty-four-characters-and-more",
		}, "store          CRUD Service at URL: OK\nprovider       auth0Client: OK\nRönd           URL: OK\nTimer Service  URL: OK\n"},
	} {
		got, err := told(t, test.env, "-check")
		got = strings.ReplaceAll(got, well.URL, "URL")
		if name := test.env["API_KEYS_FILE"]; name != "" {
			got = strings.ReplaceAll(got, name, "FILE")
		}
		want := "configuration  in the environment: OK\n" + test.want + uploads
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("the check left %v, %v", left, err)
	}
}

// TestCheckBesideTheService looks at a file that the service has open, and leaves it alone.
func TestCheckBesideTheService(t *testing.T) {
	t.Parallel()
	env := map[string]string{"EMBEDDED_PATH": filepath.Join(t.TempDir(), "users.db"), "DELAY_SHUTDOWN_SECONDS": "0"}
	s := startRun(t, env)
	before := files(t, env["EMBEDDED_PATH"])
	if got, err := told(t, env, "-check"); err != nil {
		t.Errorf("check: %v\n%s", err, got)
	}
	if diff := cmp.Diff(before, files(t, env["EMBEDDED_PATH"])); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
	s.signals <- os.Interrupt
	s.end()
}

// files are the sums of what is in those beside a database.
func files(t *testing.T, path string) map[string][sha256.Size]byte {
	t.Helper()
	sums := map[string][sha256.Size]byte{}
	folder := os.DirFS(filepath.Dir(path))
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(folder, name)
		sums[name] = sha256.Sum256(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// written returns a file with a content.
func written(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "down", http.StatusInternalServerError)
	}))
	t.Cleanup(failing.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	const secret = "twenty-four-characters-and-more"
	for what, test := range map[string]struct {
		env  map[string]string
		want []string
	}{
		"variables":         {map[string]string{"HTTP_PORT": "x", "LOG_LEVEL": "loud"}, []string{"HTTP_PORT: must be a number", "LOG_LEVEL: must be one of"}},
		"no folder":         {map[string]string{"EMBEDDED_PATH": "no/such/folder/x.db"}, []string{"store ", "no/such/folder: no such file", "1 of 4"}},
		"a folder":          {map[string]string{"EMBEDDED_PATH": t.TempDir()}, []string{"store ", "is a directory"}},
		"another file":      {map[string]string{"EMBEDDED_PATH": written(t, "a text that is no database")}, []string{"store ", "is no database"}},
		"a short file":      {map[string]string{"EMBEDDED_PATH": written(t, "text")}, []string{"store ", "is no database"}},
		"a store that errs": {map[string]string{"CRUD_SERVICE": failing.URL, "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/groups"}, []string{"store ", "CRUD GET /users/ responded with a 500"}},
		"neighbours that are gone": {map[string]string{
			"EMBEDDED_PATH": ":memory:", "AUTH_SERVICE": gone.URL, "ROND_ENABLED": "true", "ROND_SERVICE": gone.URL,
			"TIMER_SERVICE": gone.URL, "TIMER_CALLBACK_URL": "http://user-manager", "TIMER_CALLBACK_SECRET": secret,
		}, []string{"provider       auth0Client: Auth GET /-/ready could not be reached", "Rönd           " + gone.URL + ": Rond", "Timer Service  " + gone.URL + ": Timer", "3 of 6"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			got, err := told(t, test.env, "-check")
			if err == nil || exitStatus(err) != 1 {
				t.Fatalf("%v\n%s", err, got)
			}
			got += err.Error()
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("it does not say %q:\n%s", want, got)
				}
			}
			if strings.Contains(got, secret) {
				t.Errorf("a secret is shown:\n%s", got)
			}
		})
	}
}

func TestCheckLooksForRoomForUploads(t *testing.T) { // not parallel: the variable is this process's
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	got, err := told(t, map[string]string{"EMBEDDED_PATH": ":memory:"}, "-check")
	if err == nil || !strings.Contains(got, "uploads ") || !strings.Contains(got, "none: no such file") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	s := startRun(t, map[string]string{"DELAY_SHUTDOWN_SECONDS": "3600"})
	env := map[string]string{"HTTP_PORT": s.url[strings.LastIndex(s.url, ":")+1:], "EMBEDDED_PATH": ":memory:"}
	for _, route := range probes {
		if out, err := told(t, env, "-probe", route); err != nil || out != "" {
			t.Errorf("-probe %s = %q, %v", route, out, err)
		}
	}
	s.drains()
	if _, err := told(t, env, "-probe", "ready"); err == nil || exitStatus(err) != 1 || !strings.Contains(err.Error(), "503") {
		t.Errorf("-probe ready, while it is about to stop = %v", err)
	}
	if _, err := told(t, env, "-probe", "healthz"); err != nil {
		t.Errorf("-probe healthz, while it is about to stop = %v", err)
	}
	s.signals <- os.Interrupt
	s.end()
	if _, err := told(t, env, "-probe", "healthz"); err == nil {
		t.Error("-probe of a service that is gone says that it is well")
	}
}

func TestOwnURL(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"127.0.0.1": "http://127.0.0.1:3000", "localhost": "http://localhost:3000", "0.0.0.0": "http://127.0.0.1:3000",
		"::": "http://[::1]:3000", "[::1]": "http://[::1]:3000", "10.0.0.7": "http://10.0.0.7:3000",
	} {
		if got := ownURL(config{host: host, port: "3000"}); got != want {
			t.Errorf("ownURL on %s = %s, want %s", host, got, want)
		}
	}
}

// TestCheckIsBrokenOff sends a signal while -check waits for a store that does not answer.
func TestCheckIsBrokenOff(t *testing.T) {
	t.Parallel()
	url, asked := silent(t)
	signals := make(chan os.Signal, 1)
	go func() { <-asked; signals <- os.Interrupt }()
	err := run(t.Context(), []string{"-check"}, environment(atStore(url)), io.Discard, signals)
	if err == nil || exitStatus(err) != 1 || !strings.Contains(err.Error(), "broken off") {
		t.Errorf("-check that is told to end = %v", err)
	}
}

// silent returns the URL of a service that does not answer, and what a call of it closes.
func silent(t *testing.T) (url string, asked <-chan struct{}) {
	t.Helper()
	called := make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // then net/http notices that the caller has gone
		once.Do(func() { close(called) })
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return server.URL, called
}

// atStore is an environment with a CRUD Service, which keeps everything.
func atStore(url string) map[string]string {
	return map[string]string{
		"CRUD_SERVICE": url, "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/groups",
		"JOURNAL_CRUD_ENDPOINT": "/journal", "JOBS_CRUD_ENDPOINT": "/jobs",
	}
}
