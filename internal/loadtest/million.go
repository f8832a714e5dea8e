package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// What the large run compares.
const (
	few  = 1_000
	many = 1_000_000
)

// runMillion writes how much slower a get is among many documents than among few. The
// two are measured in turns.
func runMillion(ctx context.Context, o options, lab *lab, stdout, stderr io.Writer) error {
	gets, err := chosen("get,email")
	if err != nil {
		return err
	}
	o.scenarios, o.starts, o.pocketbase = gets, 1, false
	for _, path := range o.paths {
		one := o
		one.paths = []string{path, path}
		trials, err := lab.trials(ctx, one)
		if err != nil {
			return err
		}
		if err := compareSizes(ctx, one, trials, stdout, stderr); err != nil {
			return err
		}
	}
	return nil
}

func compareSizes(ctx context.Context, o options, trials []*trial, stdout, stderr io.Writer) error {
	for i, n := range []int{few, many} {
		fmt.Fprintf(stderr, "loading %d documents\n", n)
		if err := fill(ctx, trials[i].target, n); err != nil {
			return err
		}
	}
	for round := range o.rounds {
		if err := runRound(ctx, o, trials, round); err != nil {
			return err
		}
	}
	writeSizes(stdout, trials[0].series, trials[1].series)
	fmt.Fprintf(stdout, "\nMemory with %s documents: %s.\n", thousands(many), mebibytes(trials[1].process.memory()))
	for _, t := range trials {
		t.process.stop()
	}
	return errors.Join(failures(trials[0].series), failures(trials[1].series))
}

func writeSizes(w io.Writer, a, b *series) {
	fmt.Fprintf(w, "\n### %s: %s documents and %s, requests/s\n\n", a.name, thousands(few), thousands(many))
	rows := [][]string{{"scenario", "connections", thousands(few), "p50", thousands(many), "p50", "times slower"}}
	for i, m := range a.measurements {
		x, y := m.median(), b.measurements[i].median()
		rows = append(rows, []string{
			m.scenario.title, strconv.Itoa(m.workers),
			thousands(x.rate()), milliseconds(x.latencies.Percentile(50)),
			thousands(y.rate()), milliseconds(y.latencies.Percentile(50)), ratio(x.rate(), y.rate()),
		})
	}
	writeTable(w, rows)
}
