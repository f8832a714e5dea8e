package apidoc

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// probe is a page that shows the documentation in a frame and copies what is drawn there into its own text, since a
// browser's dump leaves out what the viewer draws (its shadow trees). It also presses one of the page's buttons.
const probe = `<!doctype html><title>probe</title>
<iframe src="/documentation/" width="1200" height="900"></iframe><pre id="seen"></pre><script src="/probe.js"></script>`

const probeScript = `
const frame = document.querySelector("iframe");
const text = root => [
  ...[...root.children].filter(e => e.tagName !== "STYLE").map(e => e.innerText),
  ...[...root.querySelectorAll("*")].filter(e => e.shadowRoot).map(e => text(e.shadowRoot)),
].join("\n");
const tryOut = () => {
  const operation = frame.contentDocument.querySelector("rapi-doc").shadowRoot.getElementById("get-/ums/users/count");
  operation.querySelector("api-request").shadowRoot.querySelector("[part~=btn-try]").click();
};
setTimeout(tryOut, 3000);
setInterval(() => {
  document.getElementById("seen").textContent = text(frame.contentDocument);
}, 500);`

// expected are the paths that the probe and the page in it ask for.
var expected = []string{
	"/probe.html", "/probe.js", "/favicon.ico", // the probe, which has no icon
	"/documentation/", "/documentation/static/page.css", "/documentation/static/rapidoc-min.js", "/documentation/json",
	"/ums/users/count", // the button
}

// TestPageInBrowser opens the page as a person would, with no network but this server.
func TestPageInBrowser(t *testing.T) {
	browser := findBrowser(t)
	var seen requests
	mux := http.NewServeMux()
	mux.Handle("/documentation", Handler("/ums", "1.2.3"))
	mux.Handle("/documentation/", Handler("/ums", "1.2.3"))
	mux.HandleFunc("/probe.html", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(probe)) })
	mux.HandleFunc("/probe.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		w.Write([]byte(probeScript))
	})
	mux.HandleFunc("GET /ums/users/count", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte("8472"))
		if r.URL.RawQuery != "" {
			t.Errorf("the page sent parameters that nobody filled in: %s", r.URL.RawQuery)
		}
	})
	server := httptest.NewServer(seen.note(mux))
	defer server.Close()

	dom, log := dump(t, browser, server.URL+"/probe.html")
	for _, want := range []string{
		"User Manager", "1.2.3",
		"/ums/oauth/token", "/ums/users/{id}/soft-delete", "/-/check-up",
		"Create a user and its account", "Move a user to DELETED",
		"postponeAuthUserCreation", "acl_rows",
		"Missing authUserId, user not logged",
		"8472", // what the service answered to the button
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	for _, bad := range []string{"Content Security Policy", "Uncaught", "ERR_NAME_NOT_RESOLVED"} {
		if strings.Contains(log, bad) {
			t.Errorf("the browser says %q:\n%s", bad, log)
		}
	}
	for _, path := range seen.all() {
		if !slices.Contains(expected, path) {
			t.Errorf("the page asked for %s", path)
		}
	}
	if t.Failed() {
		t.Logf("requests: %q\nDOM:\n%.4000s", seen.all(), dom)
	}
}

func findBrowser(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("opens a browser")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no chromium, chromium-browser or google-chrome here")
	return ""
}

// dump returns the page as it is after a few seconds of its scripts' time, and what the browser had to say.
func dump(t *testing.T, browser, url string) (dom, log string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser,
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+t.TempDir(),
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", // any other host's name is an error in the log
		"--enable-logging=stderr", "--virtual-time-budget=10000", "--dump-dom", url)
	cmd.WaitDelay = 5 * time.Second // its own children may keep the pipes
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", browser, err, errs.String())
	}
	return out.String(), errs.String()
}

// requests are the paths that a server was asked for.
type requests struct {
	mu    sync.Mutex
	paths []string // guarded by mu
}

func (r *requests) note(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.paths = append(r.paths, req.URL.Path)
		r.mu.Unlock()
		next.ServeHTTP(w, req)
	})
}

func (r *requests) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.paths...)
}
