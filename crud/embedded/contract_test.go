package embedded

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"user-manager/crud"
	"user-manager/crud/crudtest"
)

// The recorded scenarios of the CRUD Service, replayed: see their "about" texts.
type scenario struct {
	About string `json:"about"`
	Steps []step `json:"steps"`
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
		Status           int             `json:"status"`
		ContentType      *string         `json:"contentType"`
		Body             json.RawMessage `json:"body"`
		BodyText         *string         `json:"bodyText"`
		ConnectionClosed bool            `json:"connectionClosed"`
	} `json:"response"`
	Capture     map[string]string `json:"capture"`
	FreeText    []string          `json:"freeText"`
	Informative string            `json:"informative"`
}

// TestContract replays every scenario from an empty store, in this process and over a
// socket. A step differs from the record only where exceptions says so, and an exception
// that is not needed fails.
func TestContract(t *testing.T) {
	for name, exchange := range map[string]func(*testing.T, *Store) exchange{"in process": inProcess, "over a socket": overSocket} {
		t.Run(name, func(t *testing.T) { replayAll(t, exchange) })
	}
}

func replayAll(t *testing.T, exchange func(*testing.T, *Store) exchange) {
	names, err := filepath.Glob("testdata/contract/[0-9]*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	var compared, excepted atomic.Int64
	t.Run("scenarios", func(t *testing.T) {
		for _, name := range names {
			t.Run(strings.TrimSuffix(filepath.Base(name), ".json"), func(t *testing.T) {
				t.Parallel()
				replay(t, name, exchange, &compared, &excepted)
			})
		}
	})
	if int(excepted.Load()) != len(exceptions) {
		t.Errorf("%d exceptions were met, %d are listed: some name steps that are not there", excepted.Load(), len(exceptions))
	}
	t.Logf("%d scenarios, %d steps compared, %d exceptions", len(names), compared.Load(), len(exceptions))
}

func replay(t *testing.T, name string, exchange func(*testing.T, *Store) exchange, compared, excepted *atomic.Int64) {
	var s scenario
	readJSON(t, name, &s)
	r := &replayer{exchange: exchange(t, contractStore(t)), captured: map[string]any{}, started: time.Now()}
	file, _, _ := strings.Cut(filepath.Base(name), "-")
	for i, st := range s.Steps {
		key := fmt.Sprintf("%s/%d", file, i+1)
		found := r.step(st)
		reason, isExcepted := exceptions[key]
		if isExcepted {
			excepted.Add(1)
		}
		switch {
		case st.Informative != "":
			continue
		case isExcepted && len(found) == 0:
			t.Errorf("step %s %q: the exception %q is not needed any more", key, st.Name, reason)
		case isExcepted:
			if problem := r.refusedProperly(st); problem != "" {
				t.Errorf("step %s %q (%s): %s", key, st.Name, reason, problem)
			}
		case len(found) > 0:
			t.Errorf("step %s %q %s %s: %s", key, st.Name, st.Request.Method, st.Request.Path, strings.Join(found[:min(3, len(found))], "; "))
		}
		compared.Add(1)
	}
}

// contractStore is an empty store with the collections of the scenarios.
func contractStore(t testing.TB) *Store {
	var defs map[string]Definition
	readJSON(t, "testdata/contract/collections.json", &defs)
	cfg := Config{Path: ":memory:", Now: tickingClock()}
	for _, def := range defs {
		cfg.Collections = append(cfg.Collections, def)
	}
	return openStore(t, cfg)
}

// tickingClock goes on by a millisecond with every look.
func tickingClock() func() time.Time {
	start := time.Now()
	var ticks atomic.Int64
	return func() time.Time { return start.Add(time.Duration(ticks.Add(1)) * time.Millisecond) }
}

func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
}

func openStore(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// An exchange gives the answer to a request as it goes over the wire. What net/http
// refuses itself is its 400.
type exchange func(wire []byte) (*http.Response, error)

// inProcess reads requests as net/http does, and gives them to the store by the transport
// that the service itself uses.
func inProcess(_ *testing.T, s *Store) exchange {
	return func(wire []byte) (*http.Response, error) {
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
		if err != nil { // net/http's own refusal
			return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("400 Bad Request"))}, nil
		}
		req.URL.Scheme, req.URL.Host = "http", "store"
		return crud.InProcess(s).RoundTrip(req)
	}
}

// overSocket sends requests to the store's stand-in for a CRUD Service.
func overSocket(t *testing.T, s *Store) exchange {
	server := &crudtest.Server{Store: s}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return func(wire []byte) (*http.Response, error) {
		conn, err := server.Dial(t.Context(), "", "")
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := conn.Write(wire); err != nil {
			return nil, err
		}
		method, _, _ := strings.Cut(string(wire), " ")
		return http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	}
}

type replayer struct {
	exchange exchange
	captured map[string]any
	started  time.Time
	last     *http.Response
	lastBody []byte
}

// step sends one request and gives the differences of its answer.
func (r *replayer) step(st step) []string {
	if err := r.send(st); err != nil {
		return []string{err.Error()}
	}
	for name, path := range st.Capture {
		var doc any
		if err := json.Unmarshal(r.lastBody, &doc); err != nil {
			return []string{"nothing to capture as " + name}
		}
		v, ok := pointer(doc, path)
		if !ok {
			return []string{"nothing to capture as " + name + " at " + path}
		}
		r.captured[name] = v
	}
	return r.compare(st)
}

// send makes the request and reads its answer.
func (r *replayer) send(st step) error {
	path, err := r.fill(st.Request.Path)
	if err != nil {
		return err
	}
	var body []byte
	headers := map[string]string{}
	for k, v := range st.Request.Headers {
		if headers[strings.ToLower(k)], err = r.fill(v); err != nil {
			return err
		}
	}
	if st.Request.Body != nil {
		if body, err = r.fillBody(st.Request.Body, headers); err != nil {
			return err
		}
	}
	var wire bytes.Buffer
	fmt.Fprintf(&wire, "%s %s HTTP/1.1\r\nHost: store\r\n", st.Request.Method, path)
	for k, v := range headers {
		fmt.Fprintf(&wire, "%s: %s\r\n", k, v)
	}
	if body != nil || st.Request.Method != "GET" && st.Request.Method != "HEAD" {
		fmt.Fprintf(&wire, "Content-Length: %d\r\n", len(body))
	}
	wire.WriteString("\r\n")
	wire.Write(body)
	if r.last, err = r.exchange(wire.Bytes()); err != nil {
		return err
	}
	defer r.last.Body.Close()
	r.lastBody, err = io.ReadAll(r.last.Body)
	return err
}

func (r *replayer) fillBody(raw json.RawMessage, headers map[string]string) ([]byte, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		filled, err := r.fill(text)
		return []byte(filled), err
	}
	if _, given := headers["content-type"]; !given {
		headers["content-type"] = "application/json"
	}
	filled, err := r.fill(string(raw))
	return []byte(filled), err
}

var placeholder = regexp.MustCompile(`\{\{([^{}]*)\}\}`)

// fill puts captured values in place of {{name}}.
func (r *replayer) fill(text string) (string, error) {
	var missing error
	filled := placeholder.ReplaceAllStringFunc(text, func(match string) string {
		name := strings.Trim(match, "{}")
		v, ok := r.captured[name]
		if !ok {
			missing = fmt.Errorf("nothing was captured as %s", name)
		}
		return fmt.Sprint(v)
	})
	return filled, missing
}

// refusedProperly says what is wrong with an answer that is excepted: it must be a 400
// or 501 that says what was wrong, in JSON unless net/http answers itself.
func (r *replayer) refusedProperly(st step) string {
	if st.Response.Status == http.StatusBadRequest && r.last.StatusCode == http.StatusBadRequest && string(r.lastBody) == "400 Bad Request" {
		return "" // net/http's own
	}
	if !st.Response.ConnectionClosed && st.Response.Status != http.StatusInternalServerError && st.Response.Status != http.StatusBadRequest {
		return fmt.Sprintf("a recorded %d cannot be excepted", st.Response.Status)
	}
	var body struct {
		StatusCode int    `json:"statusCode"`
		Message    string `json:"message"`
	}
	if err := json.Unmarshal(r.lastBody, &body); err != nil {
		return "the answer is not JSON: " + string(r.lastBody)
	}
	status := r.last.StatusCode
	if status != http.StatusBadRequest && status != http.StatusNotImplemented || body.StatusCode != status || body.Message == "" {
		return fmt.Sprintf("want a 400 or 501 with a message, got %d %s", status, r.lastBody)
	}
	return ""
}

func (r *replayer) compare(st step) []string {
	if st.Response.ConnectionClosed {
		return []string{"connection closed expected"}
	}
	c := &comparer{replayer: r, free: st.FreeText}
	if r.last.StatusCode != st.Response.Status {
		c.add("status: want %d, got %d", st.Response.Status, r.last.StatusCode)
	}
	got, given := r.last.Header["Content-Type"]
	if want := st.Response.ContentType; (want != nil) != given || given && bareType(*want) != bareType(got[0]) {
		c.add("content type: got %q", got)
	}
	c.body(st, r.lastBody)
	return c.found
}

var aroundSemicolon = regexp.MustCompile(`\s*;\s*`)

func bareType(text string) string {
	return aroundSemicolon.ReplaceAllString(strings.ToLower(strings.TrimSpace(text)), "; ")
}

// comparer gathers the differences between a recorded body and an answer.
type comparer struct {
	*replayer
	free  []string
	found []string
}

func (c *comparer) add(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

func (c *comparer) body(st step, got []byte) {
	switch want := st.Response; {
	case want.Body != nil:
		var expected, actual any
		if err := json.Unmarshal(want.Body, &expected); err != nil {
			c.add("record: %v", err)
		} else if err := json.Unmarshal(got, &actual); err != nil {
			c.add("body: JSON expected, got %s", got)
		} else {
			c.value(expected, actual, "")
		}
	case want.BodyText == nil:
		if len(got) > 0 {
			c.add("body: none expected, got %s", got)
		}
	case strings.Contains(*want.ContentType, "ndjson"):
		c.lines(*want.BodyText, string(got))
	default:
		if !c.text(*want.BodyText, string(got)) {
			c.add("body: want %q, got %q", *want.BodyText, got)
		}
	}
}

func (c *comparer) lines(want, got string) {
	expected, actual := nonEmpty(want), nonEmpty(got)
	if len(expected) != len(actual) {
		c.add("body: want %d lines, got %d: %q", len(expected), len(actual), got)
		return
	}
	for i := range expected {
		var a, b any
		if json.Unmarshal([]byte(expected[i]), &a) != nil || json.Unmarshal([]byte(actual[i]), &b) != nil {
			c.add("line %d: want %q, got %q", i, expected[i], actual[i])
			continue
		}
		c.value(a, b, "/line "+strconv.Itoa(i))
	}
}

func nonEmpty(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return line == "" })
}

func (c *comparer) value(want, got any, path string) {
	if slices.Contains(c.free, path) {
		if _, isText := got.(string); !isText {
			c.add("body %s: a text expected, got %v", path, got)
		}
		return
	}
	switch want := want.(type) {
	case string:
		if text, ok := got.(string); !ok || !c.text(want, text) {
			c.add("body %s: want %q, got %v", path, want, got)
		}
	case []any:
		items, ok := got.([]any)
		if !ok || len(items) != len(want) {
			c.add("body %s: want %d items, got %v", path, len(want), got)
			return
		}
		for i := range want {
			c.value(want[i], items[i], path+"/"+strconv.Itoa(i))
		}
	case map[string]any:
		c.object(want, got, path)
	default:
		if want != got {
			c.add("body %s: want %v, got %v", path, want, got)
		}
	}
}

func (c *comparer) object(want map[string]any, got any, path string) {
	object, ok := got.(map[string]any)
	if !ok {
		c.add("body %s: an object expected, got %v", path, got)
		return
	}
	for key, v := range want {
		at := path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
		if actual, given := object[key]; given {
			c.value(v, actual, at)
		} else {
			c.add("body %s: missing", at)
		}
	}
	for key := range object {
		if _, given := want[key]; !given {
			c.add("body %s/%s: not expected, got %v", path, key, object[key])
		}
	}
}

const timestamp = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`

// text reports whether a text fits one with placeholders.
func (c *comparer) text(want, got string) bool {
	var pattern strings.Builder
	var stamps []string
	end := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(want, -1) {
		pattern.WriteString(regexp.QuoteMeta(want[end:m[0]]))
		end = m[1]
		switch name := want[m[2]:m[3]]; {
		case name == "now" || strings.HasPrefix(name, "after "):
			pattern.WriteString("(" + timestamp + ")")
			stamps = append(stamps, name)
		case name == "id":
			pattern.WriteString("[0-9a-f]{24}")
		case name == "...":
			pattern.WriteString(`[\s\S]*`)
		default:
			v, ok := c.captured[name]
			if !ok {
				return false
			}
			pattern.WriteString(regexp.QuoteMeta(fmt.Sprint(v)))
		}
	}
	pattern.WriteString(regexp.QuoteMeta(want[end:]))
	fit := regexp.MustCompile(`\A` + pattern.String() + `\z`).FindStringSubmatch(got)
	if fit == nil {
		return false
	}
	for i, name := range stamps {
		if !c.stamp(name, fit[i+1]) {
			return false
		}
	}
	return true
}

func (c *comparer) stamp(name, got string) bool {
	at, err := time.Parse(time.RFC3339, got)
	if err != nil || at.Sub(c.started).Abs() > 2*time.Minute {
		return false
	}
	earlier, isAfter := strings.CutPrefix(name, "after ")
	return !isAfter || got > fmt.Sprint(c.captured[earlier])
}

// pointer is the value at a JSON pointer.
func pointer(v any, path string) (any, bool) {
	if path == "" {
		return v, true
	}
	for part := range strings.SplitSeq(path[1:], "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch t := v.(type) {
		case map[string]any:
			next, ok := t[part]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(t) {
				return nil, false
			}
			v = t[i]
		default:
			return nil, false
		}
	}
	return v, true
}
