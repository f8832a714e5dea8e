package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// wellBehaved is a service that answers as ours does, from no memory at all.
func wellBehaved() *http.ServeMux {
	var ids atomic.Int64
	doc := func(id string) string { return fmt.Sprintf(`{"_id":"%s"}`, id) }
	created := func() string { return doc(strconv.FormatInt(ids.Add(1), 16)) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/healthz", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{}") })
	mux.HandleFunc("POST /crud/users/bulk", func(w http.ResponseWriter, r *http.Request) {
		var in []any
		json.NewDecoder(r.Body).Decode(&in)
		var out []string
		for range in {
			out = append(out, created())
		}
		fmt.Fprintf(w, "[%s]", strings.Join(out, ","))
	})
	mux.HandleFunc("POST /crud/users/{$}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, created()) })
	mux.HandleFunc("GET /crud/users/{$}", func(w http.ResponseWriter, r *http.Request) {
		if email := r.FormValue("email"); email != "" {
			io.WriteString(w, doc(`1","email":"`+email))
			return
		}
		n, _ := strconv.Atoi(r.FormValue("_l"))
		io.WriteString(w, strings.Repeat(doc("1"), n))
	})
	mux.HandleFunc("GET /crud/users/{id}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, doc(r.PathValue("id"))) })
	mux.HandleFunc("PATCH /crud/users/{id}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		io.WriteString(w, doc(r.PathValue("id"))+string(body))
	})
	mux.HandleFunc("DELETE /crud/users/{id}", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return mux
}

// runAgainst runs the command on a service.
func runAgainst(t *testing.T, h http.Handler, args ...string) (stdout string, err error) {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	var out bytes.Buffer
	args = append([]string{"-url", server.URL, "-duration", "10ms", "-warmup", "0", "-concurrency", "1,3"}, args...)
	err = run(t.Context(), args, &out, io.Discard)
	return out.String(), err
}

func TestRunOnAServiceThatAnswersWell(t *testing.T) {
	out, err := runAgainst(t, wellBehaved())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios {
		if n := strings.Count(out, "\n| "+s.title+" "); n != 2 {
			t.Errorf("%d rows of %q, want 2:\n%s", n, s.title, out)
		}
	}
}

func TestRunFailsWhenAnAnswerIsWrong(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with the race detector, which has seen the same at work on right answers")
	}
	for name, c := range map[string]struct {
		pattern string
		wrong   http.HandlerFunc
		only    string
		want    string
	}{
		"a wrong status": {
			"GET /crud/users/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
			"get", "status 404, not 200"},
		"another document": {
			"GET /crud/users/{id}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"_id":"other"}`) },
			"get", "the answer does not hold"},
		"a document less": {
			"GET /crud/users/{$}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat(`{"_id":"1"}`, 24)) },
			"list25", "24 documents, not 25"},
		"nobody for an address": {
			"GET /crud/users/{$}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "[]") },
			"email", "0 documents, not 1"},
		"a change that is not made": {
			"PATCH /crud/users/{id}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"_id":"1"}`) },
			"patch", "the answer does not hold"},
		"no id": {
			"POST /crud/users/{$}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"_id":"`) },
			"create", "no id"},
		"a connection that breaks": {
			"GET /crud/users/{id}", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"get", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			rest := wellBehaved()
			mux := http.NewServeMux()
			mux.Handle("/", rest)
			mux.HandleFunc(c.pattern, c.wrong)
			_, err := runAgainst(t, mux, "-only", c.only)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func TestRunRefusesOtherMachines(t *testing.T) {
	err := run(t.Context(), []string{"-url", "http://192.0.2.1:3000"}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "not a loopback address") {
		t.Errorf("error %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, args := range []string{
		"-concurrency 0", "-concurrency x", "-concurrency 5000", "-duration 0s", "-duration 2h", "-documents 10", "-only cat",
		"-path /users", "-rounds 0", "-sync off", "-url http://127.0.0.1:1 -pocketbase", "more",
	} {
		if _, err := parseOptions(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}

func TestRunEndsWhenItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	mux := http.NewServeMux()
	mux.Handle("/", wellBehaved())
	mux.HandleFunc("GET /crud/users/{id}", func(w http.ResponseWriter, r *http.Request) {
		cancel()
		io.WriteString(w, `{"_id":"`+r.PathValue("id")+`"}`)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	if err := run(ctx, []string{"-url", server.URL, "-duration", "10m", "-only", "get"}, io.Discard, io.Discard); err == nil {
		t.Error("no error, though it was stopped")
	}
}
