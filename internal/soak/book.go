package main

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"user-manager/internal/histogram"
)

// A book counts what happens in a run, and keeps what is wrong. It is safe for use by several
// goroutines.
type book struct {
	mu        sync.Mutex
	began     time.Time
	requests  int            // guarded by mu, as all below
	statuses  map[int]int    // 0: no answer
	actions   map[string]int // by what was done
	refusals  map[string]int // unexpected ones, by action and status
	latencies histogram.Histogram
	imports   int // rows that were sent
	rows      int // rows that were answered
	jobs      int
	hostile   int
	logins    int
	samples   int // of logins in the end
	problems  []string
	count     int // of problems, those that are not kept too
}

func newBook() *book {
	return &book{began: time.Now(), statuses: map[int]int{}, actions: map[string]int{}, refusals: map[string]int{}}
}

// maxProblems are kept.
const maxProblems = 200

// wrong notes something that must not be.
func (b *book) wrong(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count++
	if len(b.problems) < maxProblems {
		b.problems = append(b.problems, fmt.Sprintf("%7.1fs ", time.Since(b.began).Seconds())+fmt.Sprintf(format, args...))
	}
}

// request counts one and its answer.
func (b *book) request(action string, status int, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	b.statuses[status]++
	b.actions[action]++
	if status >= 400 {
		b.refusals[fmt.Sprintf("%s %d", action, status)]++
	}
	if status != 0 {
		b.latencies.Record(took)
	}
}

// add counts with one of the book's counters.
func (b *book) add(counter *int, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*counter += n
}

// snapshot returns the counts so far.
func (b *book) snapshot() (requests int, statuses map[int]int, problems int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests, maps.Clone(b.statuses), b.count
}

// tried returns how many logins were tried in the end.
func (b *book) tried() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.samples
}
