package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/internal/histogram"
)

// Bounds of a run beside its duration.
const (
	answerTimeout = 30 * time.Second // of what is under way when the time is up
	maxFailures   = 100              // of one worker, after which it gives up
)

// A target is a running service and what is known to be in it.
type target struct {
	name    string
	address string // host:port, loopback
	dialect dialect
	people  *people
	process *process // nil: somebody else's
}

// An outcome is what a run measured.
type outcome struct {
	took      time.Duration
	cpu       time.Duration       // that the service worked; 0: not known
	latencies histogram.Histogram // of right answers
	errors    int
	firstErr  error
	created   []string // ids
}

// work is how long the service worked for an answer.
func (o *outcome) work() time.Duration {
	if o.latencies.Total == 0 {
		return 0
	}
	return o.cpu / time.Duration(o.latencies.Total)
}

// rate is right answers in a second.
func (o *outcome) rate() float64 {
	if o.took <= 0 {
		return 0
	}
	return float64(o.latencies.Total) / o.took.Seconds()
}

func (o *outcome) add(other *outcome) {
	o.latencies.Add(&other.latencies)
	o.errors += other.errors
	if o.firstErr == nil {
		o.firstErr = other.firstErr
	}
	o.created = append(o.created, other.created...)
}

// A load is a closed loop: each worker asks the next thing when it has its answer.
type load struct {
	scenario scenario
	workers  int
	duration time.Duration
	count    int // of requests of each worker; 0: until duration is over
}

// drive puts a load on a target. Documents that it creates can be taken afterwards.
func drive(ctx context.Context, t *target, l load) *outcome {
	start, worked := time.Now(), t.process.cpu()
	end := start.Add(l.duration)
	parts := make([]*outcome, l.workers)
	var g errgroup.Group
	for i := range parts {
		g.Go(func() error {
			parts[i] = work(ctx, t, l, end)
			return nil
		})
	}
	g.Wait() // always nil: outcomes are in parts
	all := &outcome{took: time.Since(start), cpu: t.process.cpu() - worked}
	for _, part := range parts {
		all.add(part)
	}
	t.people.keep(all.created)
	return all
}

// work is one worker: a connection and a loop.
func work(ctx context.Context, t *target, l load, end time.Time) *outcome {
	var (
		out  = &outcome{}
		c    = newConn(t.address, end.Add(answerTimeout))
		seed = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	)
	defer c.close()
	for n := 0; ctx.Err() == nil && (l.count == 0 || n < l.count) && time.Now().Before(end) && out.errors < maxFailures; n++ {
		r, more := l.scenario.next(t, seed)
		if !more {
			break
		}
		start := time.Now()
		status, body, err := c.do(ctx, r)
		took := time.Since(start)
		if err == nil {
			err = r.check(status, body, t.dialect.marker())
		}
		if err == nil && l.scenario.creates {
			err = out.noteID(t.dialect, body)
		}
		out.count(took, err)
	}
	return out
}

func (o *outcome) noteID(d dialect, body []byte) error {
	id, err := idIn(d, body)
	if err == nil {
		o.created = append(o.created, id)
	}
	return err
}

func (o *outcome) count(took time.Duration, err error) {
	switch {
	case err == nil:
		o.latencies.Record(took)
	case o.firstErr == nil:
		o.firstErr = err
		fallthrough
	default:
		o.errors++
	}
}

// ask asks one thing outside of a measurement.
func ask(ctx context.Context, t *target, r request) ([]byte, error) {
	c := newConn(t.address, time.Now().Add(answerTimeout))
	defer c.close()
	status, body, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	return body, r.check(status, body, t.dialect.marker())
}

// maxLoading bounds the time that loading takes.
const maxLoading = 10 * time.Minute

// create creates n documents, by workers at once.
func create(ctx context.Context, t *target, n, workers int) error {
	out := drive(ctx, t, load{scenario: scenarioNamed("create"), workers: workers, duration: maxLoading, count: (n + workers - 1) / workers})
	if out.firstErr != nil {
		return fmt.Errorf("%s: create: %w", t.name, out.firstErr)
	}
	return ctx.Err()
}

// drain deletes what was created.
func drain(ctx context.Context, t *target) error {
	out := drive(ctx, t, load{scenario: scenarioNamed("delete"), workers: loaders, duration: maxLoading})
	return errors.Join(out.firstErr, ctx.Err())
}
