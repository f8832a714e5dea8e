package jobs_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"user-manager/jobs"
)

// benchQueue makes a queue on a file, and runs it with the kind.
func benchQueue(b *testing.B, kind jobs.Kind) *jobs.Queue {
	w := newWorld(b, filepath.Join(b.TempDir(), "jobs.db"))
	q := jobs.New(jobs.Config{Collection: w.docs, StoreIsOurs: true, Kinds: []jobs.Kind{kind}, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { q.Run(ctx) })
	b.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return q
}

func BenchmarkRecord64Writers(b *testing.B) {
	over := make(chan error, 1)
	kind := jobs.Kind{Name: "mail", Do: func(ctx context.Context, t *jobs.Task) error {
		ids := make(chan string, b.N)
		for id, err := range t.Pending() {
			if err != nil {
				over <- err
				return err
			}
			ids <- id
		}
		close(ids)
		b.ResetTimer()
		var failed atomic.Value
		var writers sync.WaitGroup
		for range 64 {
			writers.Go(func() {
				for id := range ids {
					if err := t.Record(ctx, jobs.Outcome{ID: id, Result: "done"}); err != nil {
						failed.Store(err)
					}
				}
			})
		}
		writers.Wait()
		b.StopTimer()
		err, _ := failed.Load().(error)
		over <- err
		return err
	}}
	q := benchQueue(b, kind)
	if _, err := q.Add(b.Context(), jobs.Request{Kind: "mail", IDs: numbered(b.N)}); err != nil {
		b.Fatal(err)
	}
	if err := <-over; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "outcomes/s")
}

func BenchmarkAdd100000(b *testing.B) {
	q := benchQueue(b, jobs.Kind{Name: "mail", Do: func(ctx context.Context, _ *jobs.Task) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}})
	ids := numbered(100_000)
	for b.Loop() {
		if _, err := q.Add(b.Context(), jobs.Request{Kind: "mail", IDs: ids}); err != nil {
			b.Fatal(err)
		}
	}
}
