package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tellEvery is how often it is told how far a run is.
const tellEvery = 10 * time.Second

// tell tells how far the run is, until ctx is done.
func (r *run) tell(ctx context.Context, began time.Time) {
	for {
		wait(ctx, tellEvery)
		if ctx.Err() != nil {
			return
		}
		fmt.Fprintf(r.out, "%4.0fs", time.Since(began).Seconds())
		for i, w := range r.worlds {
			requests, statuses, problems := w.book.snapshot()
			var kills, stops int64
			for _, replica := range w.replicas {
				kills, stops = kills+replica.kills.Load(), stops+replica.stops.Load()
			}
			w.mu.Lock()
			people := len(w.people)
			w.mu.Unlock()
			s, _ := r.gauges[i].last()
			fmt.Fprintf(r.out, " | %s: %d requests (%s), %d faults, %d kills, %d stops, %d users, %.1f MiB, %d files, %d wrong",
				w.name, requests, classes(statuses), w.faultsSoFar(), kills, stops, people, mib(s.resident), s.files, problems)
		}
		fmt.Fprintln(r.out)
	}
}

func (w *world) faultsSoFar() (n int) {
	for _, u := range w.upstreams {
		_, counted := u.counts()
		for _, k := range counted {
			n += k
		}
	}
	return n
}

// classes sums up answers by the class of their status.
func classes(statuses map[int]int) string {
	sums := map[int]int{}
	for status, n := range statuses {
		sums[status/100] += n
	}
	var parts []string
	for _, class := range slices.Sorted(maps.Keys(sums)) {
		if class == 0 {
			parts = append(parts, fmt.Sprintf("no answer %s", thousands(sums[class])))
			continue
		}
		parts = append(parts, fmt.Sprintf("%dxx %s", class, thousands(sums[class])))
	}
	return strings.Join(parts, ", ")
}

// thousands writes a number with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// report prints what came of the run; it returns errDifferent when something is wrong.
func (r *run) report() error {
	for _, w := range r.worlds {
		w.details(r.out)
	}
	fmt.Fprintf(r.out, "\n%v, seed %d, faults in %.1f %% of the upstream calls\n\n", r.o.duration, r.o.seed, 100*r.o.faults)
	columns := make([][]string, len(r.worlds))
	different := 0
	var titles []string
	for i, w := range r.worlds {
		for _, row := range r.rows(i, w) {
			if i == 0 {
				titles = append(titles, row[0])
			}
			columns[i] = append(columns[i], row[1])
		}
		_, _, problems := w.book.snapshot()
		different += problems
	}
	fmt.Fprintln(r.out, "| | remote store, Auth0, Rönd: copies A and B | embedded store, fake: copy C |\n| --- | ---: | ---: |")
	for n, title := range titles {
		fmt.Fprintf(r.out, "| %s | %s | %s |\n", title, columns[0][n], columns[1][n])
	}
	if different > 0 {
		return fmt.Errorf("%w: %d problems, above", errDifferent, different)
	}
	return nil
}

// rows are the figures of a world.
func (r *run) rows(i int, w *world) [][2]string {
	var kills, stops, starts int64
	for _, replica := range w.replicas {
		kills, stops, starts = kills+replica.kills.Load(), stops+replica.stops.Load(), starts+replica.starts.Load()
	}
	stops -= int64(len(w.replicas)) // those in the end
	warm, end := r.grown(r.gauges[i])
	_, peak := r.gauges[i].last()
	b, found := w.book, r.found[i]
	gone := 0
	for _, p := range w.people {
		if p.exists.is(false) {
			gone++
		}
	}
	told, calls := 0, 0
	if w.hooks != nil {
		told, calls = w.hooks.count()
	}
	h := &b.latencies
	memory := func(s sample) string { return fmt.Sprintf("%.1f MiB", mib(s.resident)) }
	return [][2]string{
		{"requests", thousands(b.requests)},
		{"answers", classes(b.statuses)},
		{"p50, p95, p99 of an answer", fmt.Sprintf("%s, %s, %s", round(h.Percentile(50)), round(h.Percentile(95)), round(h.Percentile(99)))},
		{"hostile requests, slow or silent connections at once", fmt.Sprintf("%s, %d", thousands(b.hostile), r.o.idlers)},
		{"faults", w.faultsTold()},
		{"killed, stopped by SIGTERM, restarted", fmt.Sprintf("%d, %d, %d", kills, stops, starts-int64(len(w.replicas)))},
		{"rows of imports with an outcome, jobs, webhooks of jobs (calls)", fmt.Sprintf("%s, %s, %s (%s)", thousands(b.rows), thousands(b.jobs), thousands(told), thousands(calls))},
		{"users made, deleted again", fmt.Sprintf("%s, %s", thousands(len(w.people)), thousands(gone))},
		{"users compared with their accounts, accounts", fmt.Sprintf("%s, %s", thousands(len(found.users)), thousands(len(found.accounts)))},
		{"logins tried in the end", thousands(b.samples)},
		{"differences", differences(b.count)},
		{"memory after warm-up", memory(warm)},
		{"memory at the end", memory(end)},
		{"peak", fmt.Sprintf("%.1f MiB", mib(peak))},
		{"files and sockets, goroutines: after warm-up / at the end", fmt.Sprintf("%d, %d / %d, %d", warm.files, warm.goroutines, end.files, end.goroutines)},
	}
}

func differences(n int) string {
	if n == 0 {
		return "none"
	}
	return thousands(n)
}

func round(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// faultsTold is how many faults each upstream had, of how many calls.
func (w *world) faultsTold() string {
	var parts []string
	for _, u := range w.upstreams {
		calls, counted := u.counts()
		n := 0
		for _, k := range counted {
			n += k
		}
		parts = append(parts, fmt.Sprintf("%s %s of %s", u.name, thousands(n), thousands(calls)))
	}
	if len(parts) == 0 {
		return "none: nothing is over a network"
	}
	return strings.Join(parts, ", ")
}

// details prints what does not go into the table.
func (w *world) details(out io.Writer) {
	b := w.book
	fmt.Fprintf(out, "\nworld %s\n", w.name)
	for _, action := range slices.Sorted(maps.Keys(b.actions)) {
		fmt.Fprintf(out, "  %-18s %8s", action, thousands(b.actions[action]))
		for _, refusal := range slices.Sorted(maps.Keys(b.refusals)) {
			if status, ok := strings.CutPrefix(refusal, action+" "); ok && len(status) == 3 {
				fmt.Fprintf(out, "  %s: %s", status, thousands(b.refusals[refusal]))
			}
		}
		fmt.Fprintln(out)
	}
	for _, u := range w.upstreams {
		calls, counted := u.counts()
		fmt.Fprintf(out, "  %s: %s calls", u.name, thousands(calls))
		for _, what := range slices.Sorted(maps.Keys(counted)) {
			fmt.Fprintf(out, ", %s %s", what, thousands(counted[what]))
		}
		fmt.Fprintln(out)
	}
	for _, problem := range b.problems {
		fmt.Fprintf(out, "WRONG %s\n", problem)
	}
}
