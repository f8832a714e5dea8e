package crud

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func roundTrip(t *testing.T, h http.HandlerFunc) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://embedded/users/?_l=2", nil)
	if err != nil {
		t.Fatal(err)
	}
	return InProcess(h).RoundTrip(req)
}

func TestInProcessSmallAnswerArrivesWhole(t *testing.T) {
	res, err := roundTrip(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("Too-Late", "yes")
		_, _ = io.WriteString(w, r.Method+" "+r.RequestURI)
	})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		Status, Length      int
		Header, Body, Extra string
	}
	got := seen{res.StatusCode, int(res.ContentLength), res.Header.Get("Content-Type"), string(body), res.Header.Get("Too-Late")}
	want := seen{http.StatusTeapot, 16, "application/json", "GET /users/?_l=2", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestInProcessEmptyAnswer(t *testing.T) {
	res, err := roundTrip(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusNoContent || res.Header.Get("Content-Length") != "" {
		t.Errorf("answer = %d with Content-Length %q, want 204 without", res.StatusCode, res.Header.Get("Content-Length"))
	}
}

func TestInProcessLargeAnswerIsStreamed(t *testing.T) {
	piece := strings.Repeat("x", 1000)
	read := make(chan struct{})
	res, err := roundTrip(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			_, _ = io.WriteString(w, piece)
		}
		<-read // the client has the beginning before the handler is over
		_, _ = io.WriteString(w, "end")
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ContentLength != -1 {
		t.Errorf("Content-Length = %d, want -1", res.ContentLength)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	close(read)
	rest, err := io.ReadAll(res.Body)
	if err != nil || len(rest) != 99*1000+3 {
		t.Errorf("rest = %d bytes, %v; want %d", len(rest), err, 99*1000+3)
	}
}

func TestInProcessClosedBodyEndsTheHandler(t *testing.T) {
	over := make(chan error, 1)
	res, err := roundTrip(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		over <- r.Context().Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	select {
	case err := <-over:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("handler's context ended with %v", err)
		}
	default:
		t.Error("Close returned before the handler was over")
	}
}

func TestInProcessHandlerThatDies(t *testing.T) {
	for what, h := range map[string]http.HandlerFunc{
		"panics":            func(http.ResponseWriter, *http.Request) { panic("boom") },
		"aborts":            func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"aborts after some": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")); panic(http.ErrAbortHandler) },
	} {
		t.Run(what, func(t *testing.T) {
			if res, err := roundTrip(t, h); err == nil {
				t.Errorf("answer = %d, want an error", res.StatusCode)
			}
		})
	}
	t.Run("aborts while streaming", func(t *testing.T) {
		res, err := roundTrip(t, func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("reading the body: %v, want %v", err, io.ErrUnexpectedEOF)
		}
	})
}

func BenchmarkInProcess(b *testing.B) {
	c, err := New("http://embedded", InProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `{"_id":"65f1c0ffee65f1c0ffee65f1"}`)
	})), time.Second)
	if err != nil {
		b.Fatal(err)
	}
	users := c.Collection("/users")
	doc := Document{"userGroup": "customers", "email": "ann@example.com"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := users.Insert(b.Context(), doc); err != nil {
			b.Fatal(err)
		}
	}
}
