package embedded_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"user-manager/crud"
	"user-manager/timer/embedded"
)

// documents returns n timers that are due at a time, as they are in the store.
func documents(t testing.TB, n int, due time.Time) []crud.Document {
	t.Helper()
	date := due.UTC().Format("2006-01-02T15:04:05.000Z")
	docs := make([]crud.Document, n)
	for i := range docs {
		docs[i] = crud.Document{
			"payload":   crud.Document{"expirationDate": date, "signature": "v1,abc"},
			"startDate": date, "expirationIntervalMs": 0, "expirationDate": date, "dueAt": due.UnixMilli(),
			"applicantService": "user-manager", "failureCount": 0,
			"expirationStatus": crud.Document{"id": 0, "description": "pending"},
			"outputMode": crud.Document{"type": "rest", "method": "post", "protocol": "http", "hostname": "user-manager",
				"path": fmt.Sprintf("/-/expire/user-%d", i)},
		}
	}
	return docs
}

// fill adds n timers that are due at a time.
func (w *world) fill(n int, due time.Time) {
	w.t.Helper()
	docs := documents(w.t, n, due)
	for len(docs) > 0 {
		some := docs[:min(len(docs), 250)]
		if _, err := w.clean.InsertAll(w.t.Context(), some); err != nil {
			w.t.Fatal(err)
		}
		docs = docs[len(some):]
	}
}

// BenchmarkSchedule is by the client, beside the bare insertion of such a document.
func BenchmarkSchedule(b *testing.B) {
	b.Run("bare insert", func(b *testing.B) {
		w := newWorld(b, b.TempDir()+"/db")
		doc := documents(b, 1, time.Now().Add(time.Hour))[0]
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.clean.Insert(b.Context(), doc); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("schedule", func(b *testing.B) {
		w := newWorld(b, b.TempDir()+"/db")
		c := w.client(w.service(embedded.Config{}))
		due := time.Now().Add(time.Hour)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Schedule(b.Context(), "ada", due); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFire10000 is the time in which so many due timers are called and written as
// expired.
func BenchmarkFire10000(b *testing.B) {
	const n = 10_000
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, b.TempDir()+"/db")
		w.fill(n, time.Now().Add(-time.Second))
		b.StartTimer()
		w.fireAll(n, &callee{})
	}
}

// fireAll runs a service until n calls have come and are over.
func (w *world) fireAll(n int, to *callee) {
	ctx, stop := context.WithCancel(w.t.Context())
	defer stop()
	left := n
	to.after = func() { // under the callee's lock
		if left--; left == 0 {
			stop()
		}
	}
	if err := w.service(embedded.Config{StoreIsOurs: true}).Run(ctx, to); err != nil {
		w.t.Errorf("Run: %v", err)
	}
}
