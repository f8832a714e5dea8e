package rondtest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/rond/rondtest"
)

// A recording is a recorded exchange with a real Rönd 1.15.0 and the CRUD Service behind it.
// What Rönd sent to the latter is in the recordings too, and not compared: there is none here.
type recording struct {
	Config map[string]string `json:"config"`
	Steps  []step            `json:"steps"`
}

type step struct {
	exchange
	To             string            `json:"to"` // "rond" or "crud"
	Capture        map[string]string `json:"capture"`
	Repeat         int               `json:"repeat"`
	Parallel       []exchange        `json:"parallel"`
	SecondsAtLeast int               `json:"secondsAtLeast"`
}

type exchange struct {
	Name    string `json:"name"`
	Request struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Headers map[string]string `json:"headers"`
		Body    any               `json:"body"`
		RawBody string            `json:"rawBody"`
	} `json:"request"`
	Response struct {
		Status      int    `json:"status"`
		ContentType string `json:"contentType"`
		Body        any    `json:"body"`
	} `json:"response"`
}

// A setting is how a recording's services differ from the usual ones.
type setting struct {
	rond  rondtest.Config
	blind bool                      // evaluations see no bindings
	then  map[string]rondtest.Store // from the step with this name on
}

// settings are those of the recordings that say that they have some.
var settings = map[string]setting{
	"collection-with-draft-default": {rond: rondtest.Config{Store: rondtest.Store{Draft: true}}},
	"concurrent-revokes":            {rond: rondtest.Config{Store: rondtest.Store{Takes: time.Second}}}, // both read before either writes
	"crud-fails-midway": {then: map[string]rondtest.Store{
		"the delete fails": {Delete: rondtest.Refused}, "the update fails": {Update: rondtest.Refused}, "repeated": {},
	}},
	"crud-page-limit-below-200":  {rond: rondtest.Config{Store: rondtest.Store{MaxLimit: 100}}},
	"crud-refuses":               {rond: rondtest.Config{Store: rondtest.Gone()}},
	"crud-slow":                  {rond: rondtest.Config{Store: rondtest.Store{Takes: 6 * time.Second}}},
	"crud-unreachable":           {rond: rondtest.Config{Store: rondtest.Gone()}},
	"evaluation-without-mongodb": {blind: true},
	"not-ready":                  {rond: rondtest.Config{Starting: true}},
	"upstream-requests":          {}, // of a proxy that writes down what it sees
}

// TestRecordings replays every recording, whole: no step is left out.
func TestRecordings(t *testing.T) {
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	var compared, mutated, set atomic.Int64
	t.Run("replay", func(t *testing.T) {
		for _, path := range names {
			name := strings.TrimSuffix(filepath.Base(path), ".json")
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					rec := readRecording(t, path)
					s, listed := settings[name]
					if listed != (len(rec.Config) > 0) {
						t.Fatalf("its services differ from the usual ones: %v, listed: %v", rec.Config, listed)
					}
					if listed {
						set.Add(1)
					}
					r := newReplayer(t, s)
					for _, st := range rec.Steps {
						r.step(st)
					}
					compared.Add(int64(r.compared))
					mutated.Add(int64(r.mutated))
				})
			})
		}
	})
	if int(set.Load()) != len(settings) {
		t.Errorf("%d recordings have settings, %d are listed", set.Load(), len(settings))
	}
	t.Logf("%d recordings, %d answers compared, %d changed answers noticed", len(names), compared.Load(), mutated.Load())
}

func readRecording(t *testing.T, path string) recording {
	t.Helper()
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

// A replayer sends the requests of a recording to services of its own.
type replayer struct {
	t        *testing.T
	setting  setting
	rond     *rondtest.Rond
	services map[string]http.Handler
	match    *matcher

	compared, mutated int
}

func newReplayer(t *testing.T, s setting) *replayer {
	stand := rondtest.New(s.rond)
	roles := &roles{byID: map[string]*role{}}
	return &replayer{t: t, setting: s, rond: stand, match: newMatcher(), services: map[string]http.Handler{
		"rond": &evaluation{Handler: stand, bindings: stand.Bindings, roles: roles, starting: s.rond.Starting, blind: s.blind},
		"crud": &crudService{bindings: stand.Bindings, roles: roles},
	}}
}

func (r *replayer) step(st step) {
	if store, changes := r.setting.then[st.Name]; changes {
		r.rond.SetStore(store)
	}
	began := time.Now()
	if st.Parallel != nil {
		answers := make([]answer, len(st.Parallel))
		var group sync.WaitGroup
		for i, x := range st.Parallel {
			group.Go(func() { answers[i] = r.send(st.To, x) })
		}
		group.Wait()
		for i, x := range st.Parallel {
			r.compare(x, nil, answers[i])
		}
		return
	}
	for range max(st.Repeat, 1) {
		r.compare(st.exchange, st.Capture, r.send(st.To, st.exchange))
	}
	if took := time.Since(began); took < time.Duration(st.SecondsAtLeast)*time.Second {
		r.t.Errorf("step %q took %v, want %d seconds", st.Name, took, st.SecondsAtLeast)
	}
}

// compare compares an answer with the recorded one, and then once more with a mistake: each
// must make a difference, or the comparison proves nothing.
func (r *replayer) compare(x exchange, capture map[string]string, got answer) {
	before := r.match.clone()
	if found := r.match.differences(x, capture, got); len(found) > 0 {
		r.t.Errorf("step %q %s %s:\n\t%s\n\tgot %d %s", x.Name, x.Request.Method, x.Request.Path, strings.Join(found, "\n\t"), got.status, got.body)
		return
	}
	r.compared++
	for mistake, wrong := range mutants(x, got) {
		r.mutated++
		if len(before.clone().differences(x, capture, wrong)) == 0 {
			r.t.Errorf("step %q: nobody would notice: %s", x.Name, mistake)
		}
	}
}

// An answer is what came back; its content type is "" when it has none.
type answer struct {
	status      int
	contentType string
	body        []byte
}

func (r *replayer) send(to string, x exchange) answer {
	body := x.Request.RawBody
	if x.Request.Body != nil {
		encoded, err := json.Marshal(x.Request.Body)
		if err != nil {
			r.t.Error(err)
		}
		body = string(encoded)
	}
	req := httptest.NewRequestWithContext(r.t.Context(), x.Request.Method, "http://rond-service"+r.match.translate(x.Request.Path), strings.NewReader(body))
	for name, value := range x.Request.Headers {
		req.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	r.services[to].ServeHTTP(w, req)
	return answer{w.Code, w.Header().Get("Content-Type"), w.Body.Bytes()}
}
