package main

import (
	"bufio"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"user-manager/internal/process"
)

// A sample is what a process has at a time.
type sample struct {
	pid        int
	at         time.Duration // since the beginning
	resident   int64         // bytes
	files      int
	goroutines int // 0: not told
}

// A gauge samples a copy of the service. It is safe for use by several goroutines.
type gauge struct {
	replica *replica
	alone   bool // it is killed in the first half of the time
	began   time.Time

	mu      sync.Mutex
	samples []sample // guarded by mu
	peak    int64    // of all processes; guarded by mu
}

// run samples every second until ctx is done.
func (g *gauge) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		g.look(ctx, n%10 == 0)
		wait(ctx, time.Second)
	}
}

// look takes a sample; told asks for the metrics too.
func (g *gauge) look(ctx context.Context, told bool) sample {
	pid := g.replica.pid()
	if pid == 0 {
		return sample{}
	}
	s := sample{pid: pid, at: time.Since(g.began), resident: process.Resident(pid), files: process.Files(pid)}
	if told {
		s.goroutines = goroutines(ctx, g.replica.url())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.peak = max(g.peak, process.Peak(pid))
	if s.resident > 0 {
		g.samples = append(g.samples, s)
	}
	return s
}

// last returns the newest sample, and the peak.
func (g *gauge) last() (sample, int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.samples) == 0 {
		return sample{}, g.peak
	}
	return g.samples[len(g.samples)-1], g.peak
}

// between returns the median of what was sampled in a part of the time: from, for so long.
func (g *gauge) between(from, long time.Duration) sample {
	g.mu.Lock()
	defer g.mu.Unlock()
	var resident []int64
	var files, goroutines []int
	for _, s := range g.samples {
		if s.at < from || s.at > from+long {
			continue
		}
		resident, files = append(resident, s.resident), append(files, s.files)
		if s.goroutines > 0 {
			goroutines = append(goroutines, s.goroutines)
		}
	}
	return sample{resident: median(resident), files: median(files), goroutines: median(goroutines)}
}

func median[T int | int64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// goroutines asks the service how many it has; 0 where it does not tell.
func goroutines(ctx context.Context, url string) int {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/-/metrics", nil)
	if err != nil {
		return 0
	}
	req.Header.Set("client-key", apiKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			n, _ := strconv.ParseFloat(value, 64)
			return int(n)
		}
	}
	return 0
}

// slack is what memory may grow by whatever the tolerance: some pages more are no leak.
const slack = 3 << 20

// grown compares memory at the end with that after warm-up: medians of a tenth of the time
// each, both under load.
func (r *run) grown(g *gauge) (warm, end sample) {
	long := r.o.duration / 10
	from := r.o.warmUp()
	if g.alone {
		from += r.o.duration / 2 // its last process began at half of the time
	}
	warm, end = g.between(from, long), g.between(r.o.duration-long, long)
	switch {
	case warm.resident == 0 || end.resident == 0:
	case float64(end.resident) > float64(warm.resident)*(1+r.o.tolerance)+slack:
		g.replica.book.wrong("copy %s has %.1f MiB at the end and had %.1f after warm-up", g.replica.name, mib(end.resident), mib(warm.resident))
	}
	return warm, end
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
