package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A measurement is a scenario at a concurrency, once for each round.
type measurement struct {
	scenario scenario
	workers  int
	rounds   []*outcome
}

// sorted returns the rounds, the slowest first.
func (m *measurement) sorted() []*outcome {
	return slices.SortedFunc(slices.Values(m.rounds), func(a, b *outcome) int {
		return cmp.Compare(a.rate(), b.rate())
	})
}

// median is the round in the middle, of an even number the slower of the two.
func (m *measurement) median() *outcome { return m.sorted()[(len(m.rounds)-1)/2] }

func (m *measurement) best() *outcome { return m.sorted()[len(m.rounds)-1] }

// leastWork is that of the round in which the service worked least for an answer, which
// others on the machine change less than they change the time it takes.
func (m *measurement) leastWork() time.Duration {
	return slices.MinFunc(m.rounds, func(a, b *outcome) int { return cmp.Compare(a.work(), b.work()) }).work()
}

func (m *measurement) errors() int {
	n := 0
	for _, o := range m.rounds {
		n += o.errors
	}
	return n
}

// A series is all that was measured of a target, in the order of all others.
type series struct {
	name         string
	measurements []*measurement
	fresh, again []time.Duration // starts: on an empty folder, on the documents
	idle, loaded int64           // bytes in memory: after the start, after the load
}

// errors is how many answers of all were wrong or missing.
func (s *series) errors() int {
	n := 0
	for _, m := range s.measurements {
		n += m.errors()
	}
	return n
}

// writeSeries writes what was measured of one target: the median round of each.
func writeSeries(w io.Writer, s *series) {
	fmt.Fprintf(w, "\n### %s\n\n", s.name)
	rows := [][]string{{"scenario", "connections", "requests/s", "best", "p50", "p95", "p99", "max", "CPU", "errors"}}
	for _, m := range s.measurements {
		o := m.median()
		h := &o.latencies
		rows = append(rows, []string{
			m.scenario.title, strconv.Itoa(m.workers), thousands(o.rate()), thousands(m.best().rate()),
			milliseconds(h.Percentile(50)), milliseconds(h.Percentile(95)), milliseconds(h.Percentile(99)), milliseconds(h.Max),
			microseconds(o.work()),
			strconv.Itoa(m.errors()),
		})
	}
	writeTable(w, rows)
}

// writeProcesses writes memory and start of those that were started.
func writeProcesses(w io.Writer, all []*series) {
	rows := [][]string{{"", "memory idle", "memory after the load", "first answer, empty folder", "first answer, documents there"}}
	for _, s := range all {
		if s.idle > 0 {
			rows = append(rows, []string{s.name, mebibytes(s.idle), mebibytes(s.loaded), medianTime(s.fresh), medianTime(s.again)})
		}
	}
	if len(rows) > 1 {
		fmt.Fprint(w, "\n### Memory and start\n\n")
		writeTable(w, rows)
	}
}

// writeRatios compares each of the first series with the last.
func writeRatios(w io.Writer, all []*series) {
	other := all[len(all)-1]
	for _, s := range all[:len(all)-1] {
		fmt.Fprintf(w, "\n### %s and %s, requests/s and CPU for each\n\n", s.name, other.name)
		rows := [][]string{{"scenario", "connections", "median", other.name, "ratio", "best", other.name, "ratio", "CPU", other.name, "ratio"}}
		for i, m := range s.measurements {
			o := other.measurements[i]
			rows = append(rows, []string{
				m.scenario.title, strconv.Itoa(m.workers),
				thousands(m.median().rate()), thousands(o.median().rate()), ratio(m.median().rate(), o.median().rate()),
				thousands(m.best().rate()), thousands(o.best().rate()), ratio(m.best().rate(), o.best().rate()),
				microseconds(m.leastWork()), microseconds(o.leastWork()), ratio(float64(o.leastWork()), float64(m.leastWork())),
			})
		}
		writeTable(w, rows)
	}
}

// writeTable writes a Markdown table; all columns but the first are numbers.
func writeTable(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	for n, row := range rows {
		writeRow(w, row, widths)
		if n == 0 {
			writeRule(w, widths)
		}
	}
}

func writeRow(w io.Writer, row []string, widths []int) {
	for i, cell := range row {
		if i == 0 {
			fmt.Fprintf(w, "| %-*s ", widths[i], cell)
		} else {
			fmt.Fprintf(w, "| %*s ", widths[i], cell)
		}
	}
	fmt.Fprintln(w, "|")
}

func writeRule(w io.Writer, widths []int) {
	for i, width := range widths {
		if i == 0 {
			fmt.Fprintf(w, "| %s ", strings.Repeat("-", width))
		} else {
			fmt.Fprintf(w, "| %s: ", strings.Repeat("-", width-1))
		}
	}
	fmt.Fprintln(w, "|")
}

// thousands writes 12345.6 as 12,346.
func thousands(v float64) string {
	text := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 2, 64) + " ms"
}

func microseconds(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return strconv.FormatInt(d.Microseconds(), 10) + " µs"
}

func mebibytes(n int64) string {
	return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
}

func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "-"
	}
	return strconv.FormatFloat(a/b, 'f', 2, 64)
}

func medianTime(all []time.Duration) string {
	if len(all) == 0 {
		return "-"
	}
	return milliseconds(slices.Sorted(slices.Values(all))[(len(all)-1)/2])
}
