package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
)

// leastHalved is from where on the halves of an import are told apart.
const leastHalved = 10_000

// A bulkSeries is an import or a job, once for each round.
type bulkSeries struct {
	title  string // of a step
	file   file   // of an import
	rounds []bulkRun
}

// jobSeries are those of the three steps.
func jobSeries() []*bulkSeries {
	return []*bulkSeries{{title: "import"}, {title: "activation"}, {title: "mails"}}
}

func (s *bulkSeries) hasHalves() bool { return s.file.rows >= leastHalved }

// median is the round in the middle, of an even number the slower of the two, with the
// most memory of all.
func (s *bulkSeries) median() bulkRun {
	sorted := slices.SortedFunc(slices.Values(s.rounds), func(a, b bulkRun) int { return cmp.Compare(b.took, a.took) })
	r := sorted[(len(sorted)-1)/2]
	for _, other := range s.rounds {
		r.peak = max(r.peak, other.peak)
	}
	return r
}

// writeImports compares imports with SQLite alone.
func writeImports(w io.Writer, all []*bulkSeries) {
	fmt.Fprint(w, "\n### Import, each by a fresh process\n\n")
	rows := [][]string{{"rows", "arrays", "time", "rows/s", "peak memory", "SQLite alone, rows/s", "ratio"}}
	for _, s := range all {
		r := s.median()
		alone := perSecond(r.wanted, r.alone)
		rows = append(rows, []string{
			thousands(float64(s.file.rows)), yesNo(s.file.arrays), seconds(r.took), thousands(r.rate()), mebibytes(r.peak),
			thousands(alone), ratio(r.rate(), alone),
		})
	}
	writeTable(w, rows)
}

// writeHalves compares the second half of each large import with the first.
func writeHalves(w io.Writer, all []*bulkSeries) {
	rows := [][]string{{"rows", "arrays", "first half, rows/s", "second half, rows/s", "ratio"}}
	for _, s := range all {
		if !s.hasHalves() {
			continue
		}
		r := s.median()
		half := (r.done + 1) / 2
		first, second := perSecond(half, r.firstHalf), perSecond(r.done-half, r.took-r.firstHalf)
		rows = append(rows, []string{
			thousands(float64(s.file.rows)), yesNo(s.file.arrays), thousands(first), thousands(second), ratio(second, first),
		})
	}
	if len(rows) > 1 {
		fmt.Fprint(w, "\n### The halves of an import\n\n")
		writeTable(w, rows)
	}
}

// writeJobs writes steps and what each took.
func writeJobs(w io.Writer, all []*bulkSeries) {
	rows := [][]string{{"", "users", "time", "users/s", "peak memory", "of one processor"}}
	for _, s := range all {
		r := s.median()
		rows = append(rows, []string{
			s.title, thousands(float64(r.done)) + " of " + thousands(float64(r.wanted)), seconds(r.took), thousands(r.rate()), mebibytes(r.peak), percent(r.share),
		})
	}
	writeTable(w, rows)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
}

func percent(share float64) string {
	return strconv.FormatFloat(100*share, 'f', 1, 64) + " %"
}
