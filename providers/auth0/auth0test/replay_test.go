package auth0test_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/providers/auth0/auth0test"
)

// A recording is a recorded exchange with a real tenant: see testdata/NOTICE.
type recording struct {
	Scenario string `json:"scenario"`
	Source   string `json:"source"`
	Steps    []step `json:"steps"`
}

type step struct {
	Name    string `json:"name"`
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Body    json.RawMessage   `json:"body"`
	} `json:"request"`
	Response struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    any               `json:"body"`
	} `json:"response"`
}

// TestRecordings replays every recording that lies in testdata. An answer differs from
// the recorded one only where a step is listed in apart, and a step that is listed there
// without need fails.
func TestRecordings(t *testing.T) {
	names, err := filepath.Glob("testdata/exchanges/*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	var replayed, skipped, mutated atomic.Int64
	t.Run("replay", func(t *testing.T) {
		for _, name := range names {
			t.Run(strings.TrimSuffix(filepath.Base(name), ".json"), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { replay(t, name, &replayed, &skipped, &mutated) })
			})
		}
	})
	if int(skipped.Load()) != len(apart) {
		t.Errorf("%d steps that stand apart were met, %d are listed: some are not there", skipped.Load(), len(apart))
	}
	t.Logf("%d recordings, %d steps compared, %d apart, %d changed answers noticed", len(names), replayed.Load(), skipped.Load(), mutated.Load())
}

// replay goes through one recording, a second from each step to the next.
func replay(t *testing.T, path string, replayed, skipped, mutated *atomic.Int64) {
	rec, name := readRecording(t, path), strings.TrimSuffix(filepath.Base(path), ".json")
	time.Sleep(time.Until(time.Date(2025, 9, 8, 15, 17, 24, 0, time.UTC))) // queries name years
	r := newReplayer(t, rec)
	if prepare := presupposed[name]; prepare != nil {
		prepare(r)
	}
	for i, st := range rec.Steps {
		time.Sleep(time.Second)
		key := fmt.Sprintf("%s/%d", name, i+1)
		before := r.match.clone()
		answer := r.send(st)
		found := r.match.differences(st, answer, strange[key])
		reason, isApart := apart[key]
		switch {
		case isApart && len(found) == 0:
			t.Errorf("step %s %q is as recorded, and listed as apart (%s)", key, st.Name, reason)
		case isApart && st.Request.Method != http.MethodGet && answer.status < 400:
			t.Errorf("step %s %q (%s): want a refusal, got %d", key, st.Name, reason, answer.status)
		case isApart:
			skipped.Add(1)
			continue
		case len(strange[key]) > 0 && len(before.clone().differences(st, answer, nil)) == 0:
			t.Errorf("step %s %q: nothing is strange at %v", key, st.Name, strange[key])
		case len(found) > 0:
			t.Errorf("step %s %q %s %s:\n\t%s\n\tgot %d %s", key, st.Name, st.Request.Method, st.Request.Path, strings.Join(found, "\n\t"), answer.status, answer.body)
			continue
		}
		replayed.Add(1)
		mutated.Add(int64(noticed(t, key, before, st, answer)))
	}
}

// noticed says how many changes to an answer that fits were tried: each must make a
// difference, or the comparison proves nothing.
func noticed(t *testing.T, key string, before *matcher, st step, fits answer) int {
	wrong := mutants(st, fits, strange[key])
	for mistake, a := range wrong {
		if len(before.clone().differences(st, a, strange[key])) == 0 {
			t.Errorf("step %s %q: nobody would notice: %s", key, st.Name, mistake)
		}
	}
	return len(wrong)
}

func readRecording(t *testing.T, path string) recording {
	var rec recording
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &rec)
	}
	if err != nil || len(rec.Steps) == 0 {
		t.Fatalf("read %s: %d steps, %v", path, len(rec.Steps), err)
	}
	return rec
}

// A replayer sends the requests of a recording to a tenant of its own.
type replayer struct {
	t          *testing.T
	tenant     http.Handler
	match      *matcher
	management string // access token for the Management API

	keepsLimits bool // the recorder kept the headers that tell of limits
}

func newReplayer(t *testing.T, rec recording) *replayer {
	cfg := recordedTenant()
	if strings.Contains(rec.Scenario, "pending") {
		cfg.ImportRate = 0.01 // a look at a job comes before its end
	}
	r := &replayer{t: t, tenant: auth0test.New(cfg), keepsLimits: strings.HasPrefix(rec.Source, "ruby-auth0")}
	r.match = newMatcher(r)
	r.management = r.managementToken()
	return r
}

// An answer is what came back; its content type is absent when contentType is empty.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) contentType() string { return a.header.Get("Content-Type") }

// do gives a request to the tenant. As with net/http, a body without a content type gets
// one unless the header has an empty one.
func (r *replayer) do(req *http.Request) answer {
	w := httptest.NewRecorder()
	r.tenant.ServeHTTP(w, req)
	got := answer{w.Code, w.Result().Header, w.Body.Bytes()}
	if _, said := got.header["Content-Type"]; !said && len(got.body) > 0 {
		got.header.Set("Content-Type", http.DetectContentType(got.body))
	}
	return got
}

// send makes a recorded request, with what this tenant gave in place of what the
// recorded one had given.
func (r *replayer) send(st step) answer {
	body, contentType := r.body(st)
	path := r.match.translate(st.Request.Path)
	req := httptest.NewRequest(st.Request.Method, "https://"+domain+path, strings.NewReader(body))
	for name, value := range st.Request.Headers {
		if name == "authorization" && strings.HasPrefix(path, "/api/v2/") {
			value = "Bearer " + r.management
		}
		req.Header.Set(name, r.match.translate(value))
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	r.match.asked = []byte(body)
	return r.do(req)
}

func TestEveryPreparationIsForARecording(t *testing.T) {
	var unknown []string
	known := func(name string) bool {
		_, err := os.Stat(filepath.Join("testdata", "exchanges", name+".json"))
		return err == nil
	}
	for name := range presupposed {
		if !known(name) {
			unknown = append(unknown, name)
		}
	}
	for key := range strange {
		if name, _, _ := strings.Cut(key, "/"); !known(name) {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	if len(unknown) > 0 {
		t.Errorf("no recordings for %v", unknown)
	}
}
