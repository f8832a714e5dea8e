// Package faults plans what goes wrong with calls of upstreams, for tests. One [Plan]
// counts the calls of everything it is given to: with one plan for the store
// (crudtest.NewFaulty) and the provider (providertest.NewFaulty), "the third call"
// is the third upstream call of the operation, whichever it goes to.
//
// A test that tries every fault at every call runs the operation once with an empty
// plan, takes the number of [Plan.Calls], and then arms one of them at a time.
package faults

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A Fault is what goes wrong with a call.
type Fault int

const (
	// None lets the call through.
	None Fault = iota
	// Refuse500 answers with status 500; the work is not done.
	Refuse500
	// Refuse503 answers with status 503; the work is not done.
	Refuse503
	// Refuse429 answers with status 429; the work is not done.
	Refuse429
	// Unreachable gives no answer at once; the work is not done.
	Unreachable
	// Timeout gives no answer, and that only when the call's context is done; the
	// work is not done.
	Timeout
	// DropAnswer does the work and loses the answer, whatever it was.
	DropAnswer
	// Late gives no answer at once; the work is done when the test asks for it with
	// [Plan.Deliver].
	Late
)

var names = map[Fault]string{
	None: "none", Refuse500: "status 500", Refuse503: "status 503", Refuse429: "status 429",
	Unreachable: "unreachable", Timeout: "timeout", DropAnswer: "answer dropped", Late: "work done late",
}

// All returns every fault but [None], for tests that try each.
func All() []Fault { return slices.Sorted(maps.Keys(names))[1:] }

// String returns the fault in words.
func (f Fault) String() string { return names[f] }

// Status returns the status that the fault answers with, or 0 when no answer comes.
func (f Fault) Status() int {
	switch f {
	case Refuse500:
		return http.StatusInternalServerError
	case Refuse503:
		return http.StatusServiceUnavailable
	case Refuse429:
		return http.StatusTooManyRequests
	}
	return 0
}

// Causes of calls that a fault left without an answer.
var (
	ErrUnreachable = errors.New("planned fault: connection refused")
	ErrDropped     = errors.New("planned fault: connection lost before the answer")
	ErrLate        = errors.New("planned fault: connection lost before the work")
)

// An Injection is what a plan has for one call.
type Injection struct {
	Fault Fault
	// Delay is how long the answer is held back once the work is done.
	Delay time.Duration
}

// A Plan counts calls and says what goes wrong with them. It is safe for use by
// several goroutines; calls that come at the same time are counted in either order.
type Plan struct {
	mu    sync.Mutex
	calls []string          // guarded by mu
	armed map[int]Injection // guarded by mu; by ordinal
	from  int               // guarded by mu; every call from this ordinal on ...
	then  Fault             // guarded by mu; ... has this fault
	late  []func()          // guarded by mu; what Deliver does
}

// NewPlan returns a plan in which nothing goes wrong.
func NewPlan() *Plan { return &Plan{armed: map[int]Injection{}} }

// Arm lets f happen to the nth call, counted from 1 and from the last [Plan.Reset].
func (p *Plan) Arm(n int, f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed[n] = Injection{Fault: f}
}

// ArmDelay lets the answer of the nth call come d after the work was done. When the
// call's context is done before, the answer is lost.
func (p *Plan) ArmDelay(n int, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed[n] = Injection{Delay: d}
}

// ArmFrom lets f happen to every call from the nth on, until [Plan.Heal]. What Arm
// and ArmDelay say of one call goes first.
func (p *Plan) ArmFrom(n int, f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from, p.then = n, f
}

// Heal disarms everything. Calls stay counted, and one that waits goes on waiting.
func (p *Plan) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heal()
}

// Reset disarms everything and counts from 1 again.
func (p *Plan) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heal()
	p.calls = nil
}

func (p *Plan) heal() {
	p.armed = map[int]Injection{}
	p.from, p.then = 0, None
}

// Calls returns the names of the calls so far, in order: the nth call is at index
// n-1. Those that failed by plan are among them.
func (p *Plan) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Next counts a call and returns what happens to it. It is for those who carry out
// the plan; a test has no use for it.
func (p *Plan) Next(name string) Injection {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, name)
	n := len(p.calls)
	if armed, ok := p.armed[n]; ok {
		return armed
	}
	if p.from > 0 && n >= p.from {
		return Injection{Fault: p.then}
	}
	return Injection{}
}

// Defer keeps the work of a call with the fault [Late] for [Plan.Deliver]. It is for
// those who carry out the plan.
func (p *Plan) Defer(work func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = append(p.late, work)
}

// Deliver does the work of the calls with the fault [Late], in their order.
func (p *Plan) Deliver() {
	p.mu.Lock()
	late := p.late
	p.late = nil
	p.mu.Unlock()
	for _, work := range late {
		work()
	}
}

// Before plays the part of the fault that comes before the work. The work is to be
// done if the error is nil. Any other error is why no answer came; a refusal (see
// [Fault.Status]) is left to the caller, who knows how its upstream refuses, and
// must not get here.
func (i Injection) Before(ctx context.Context) error {
	switch i.Fault {
	case Unreachable:
		return ErrUnreachable
	case Late:
		return ErrLate
	case Timeout:
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

// After plays the part of the fault that comes after the work. An error means that
// the answer is lost.
func (i Injection) After(ctx context.Context) error {
	if i.Fault == DropAnswer {
		return ErrDropped
	}
	if i.Delay <= 0 {
		return nil
	}
	timer := time.NewTimer(i.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
