package jobs_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/jobs"
	"user-manager/upstream"
)

// A requestLog notes of each line which request it is told of.
type requestLog struct {
	slog.Handler
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (l *requestLog) Handle(ctx context.Context, record slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, record.Message+": "+upstream.CallerFrom(ctx).RequestID)
	return nil
}

func (l *requestLog) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *requestLog) Enabled(context.Context, slog.Level) bool { return true }

// refusing is a receiver that cannot be reached.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

// TestLinesOfJobs: what is logged of a job has the id of the request that asked for it, also
// after a start; and nothing else of the request is known to what the job calls.
func TestLinesOfJobs(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		log := &requestLog{}
		kind := jobs.Kind{Name: "mail", Do: func(ctx context.Context, task *jobs.Task) error {
			if diff := cmp.Diff(upstream.Caller{RequestID: "r1"}, upstream.CallerFrom(ctx)); diff != "" {
				t.Errorf("caller (-want +got):\n%s", diff)
			}
			return recordAll(task)
		}}
		cfg := jobs.Config{
			Kinds: []jobs.Kind{kind}, Log: slog.New(log),
			Webhook: &jobs.Webhook{URL: "http://192.0.2.1:1/", Transport: refusing{}, Body: func(jobs.Job) any { return nil }},
		}
		q := w.queue(cfg)
		caller := upstream.Caller{RequestID: "r1", Header: http.Header{"Miauserid": {"ann"}}}
		job, err := q.Add(upstream.WithCaller(t.Context(), caller), jobs.Request{Kind: "mail", IDs: numbered(1)})
		if err != nil {
			t.Fatal(err)
		}
		if w.docs != nil {
			q = w.queue(cfg) // another process
		}
		stop := w.run(q)
		w.await(q, job, time.Minute)
		time.Sleep(time.Second)
		stop()
		for _, want := range []string{"job completed: r1", "callback not delivered: r1"} {
			if !slices.Contains(log.lines, want) {
				t.Errorf("there is no line %q in %q", want, log.lines)
			}
		}
	})
}
