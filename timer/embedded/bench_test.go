package embedded_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"user-manager/crud"
	"user-manager/timer/embedded"
)

// documents returns n timers that are due at a time, as they are in the store, of users
// that are numbered from first.
func documents(first, n int, due time.Time) []crud.Document {
	date := due.UTC().Format("2006-01-02T15:04:05.000Z")
	docs := make([]crud.Document, n)
	for i := range docs {
		docs[i] = crud.Document{
			"payload":   crud.Document{"expirationDate": date, "signature": "v1,abc"},
			"startDate": date, "expirationIntervalMs": 0, "expirationDate": date, "dueAt": due.UnixMilli(),
			"applicantService": "user-manager", "failureCount": 0,
			"expirationStatus": crud.Document{"id": 0, "description": "pending"},
			"outputMode": crud.Document{"type": "rest", "method": "post", "protocol": "http", "hostname": "user-manager",
				"path": fmt.Sprintf("/-/expire/user-%d", first+i)},
		}
	}
	return docs
}

// fill adds n timers that are due at a time.
func (w *world) fill(n int, due time.Time) {
	w.t.Helper()
	const atOnce = 250
	for first := 0; first < n; first += atOnce {
		if _, err := w.clean.InsertAll(w.t.Context(), documents(first, min(atOnce, n-first), due)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// BenchmarkSchedule is by the client, beside the bare insertion of such a document.
func BenchmarkSchedule(b *testing.B) {
	b.Run("bare insert", func(b *testing.B) {
		w := newWorld(b, b.TempDir()+"/db")
		doc := documents(0, 1, time.Now().Add(time.Hour))[0]
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
		w.fireSome(n, &callee{})
	}
}

// fireSome runs a service until n calls have come, and those under way are over.
func (w *world) fireSome(n int, to *callee) {
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
