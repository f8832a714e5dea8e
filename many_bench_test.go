package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// benchService opens the whole service on a file, and runs its jobs.
func benchService(b *testing.B) http.Handler {
	vars := map[string]string{
		"EMBEDDED_PATH": filepath.Join(b.TempDir(), "store.db"), "EMBEDDED_SYNC": "normal", "USER_IMPORT_MAX_BYTES": "1000000000",
		"AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND": "1000000", "FAKE_OUTBOX_LIMIT": "1000000",
	}
	cfg, err := loadConfig(environment(vars))
	if err != nil {
		b.Fatal(err)
	}
	s, err := open(b.Context(), cfg, environment(vars), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.api.jobs.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			b.Error(err)
		}
		s.close()
	})
	return s.api.handler()
}

// csvOf returns rows of new users, numbered from first.
func csvOf(first, n int) string {
	var file strings.Builder
	file.WriteString("userGroup;email;username;name;surname;newsletter;tags;address.city;birthDate\n")
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&file, "customers;u%07d@example.com;u%07d;Ann;Lee;true;[a, b];Rome;2000-01-02\n", i, i)
	}
	return file.String()
}

func benchImport(b *testing.B, h http.Handler, file string) (ids []string) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, part := range []struct{ name, value string }{{"delimiter", ";"}, {"encoding", "utf8"}, {"escape", `"`}, {"file", file}} {
		if err := form.WriteField(part.name, part.value); err != nil {
			b.Fatal(err)
		}
	}
	form.Close()
	r := httptest.NewRequestWithContext(b.Context(), "PATCH", "/users/import", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	var answer struct {
		Inserted []string         `json:"inserted"`
		Invalid  []map[string]any `json:"invalid"`
	}
	benchAnswer(b, h, r, &answer)
	if len(answer.Invalid) > 0 {
		b.Fatal(answer.Invalid[0])
	}
	return answer.Inserted
}

func benchAnswer(b *testing.B, h http.Handler, r *http.Request, to any) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code > 299 {
		b.Fatal(w.Code, w.Body.String())
	}
	if err := json.Unmarshal(w.Body.Bytes(), to); err != nil {
		b.Fatal(err)
	}
}

// benchJob runs a job to its end, which its events tell, and checks that nothing failed.
func benchJob(b *testing.B, h http.Handler, route string, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequestWithContext(b.Context(), "POST", route, bytes.NewReader(encoded))
	r.Header.Set("Content-Type", "application/json")
	var job struct {
		ID      string         `json:"jobId"`
		Status  string         `json:"status"`
		Summary map[string]int `json:"summary"`
	}
	benchAnswer(b, h, r, &job)
	for job.Status == "pending" {
		time.Sleep(5 * time.Millisecond) // nothing tells the end sooner
		benchAnswer(b, h, httptest.NewRequestWithContext(b.Context(), "GET", route+"/"+job.ID, nil), &job)
	}
	if job.Summary["failed"] > 0 {
		b.Fatal(job)
	}
}

func BenchmarkImport(b *testing.B) {
	const rows = 5000
	h := benchService(b)
	first := 0
	b.ReportAllocs()
	for b.Loop() {
		benchImport(b, h, csvOf(first, rows))
		first += rows
	}
	b.ReportMetric(float64(first)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkActivation(b *testing.B) {
	const n = 2000
	h := benchService(b)
	users := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		ids := benchImport(b, h, csvOf(users, n))
		filters := make([]map[string]any, n)
		for i, id := range ids {
			filters[i] = map[string]any{"filter": map[string]any{"userId": id}}
		}
		b.StartTimer()
		benchJob(b, h, "/jobs/bulk-activation", filters)
		users += n
	}
	b.ReportMetric(float64(users)/b.Elapsed().Seconds(), "users/s")
}
