package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// How documents are made outside of what is measured.
const (
	loaders       = 16
	bulkSize      = 1000
	deletesWanted = 6000 // there to be deleted, for each second of a run
)

// runScenarios measures the scenarios on all targets, in turns.
func runScenarios(ctx context.Context, o options, lab *lab, stdout, stderr io.Writer) error {
	trials, err := lab.trials(ctx, o)
	if err != nil {
		return err
	}
	for _, t := range trials {
		if err := fill(ctx, t.target, o.documents); err != nil {
			return err
		}
	}
	for round := range o.rounds {
		fmt.Fprintf(stderr, "round %d of %d\n", round+1, o.rounds)
		if err := runRound(ctx, o, trials, round); err != nil {
			return err
		}
	}
	for _, t := range trials {
		t.series.loaded = t.process.memory()
		if t.process == nil {
			err = errors.Join(err, clean(ctx, t.target))
		} else {
			err = errors.Join(err, lab.startAgain(ctx, t, o.starts))
		}
	}
	return errors.Join(err, report(stdout, stderr, trials))
}

// runRound measures everything once. Who begins changes from round to round.
func runRound(ctx context.Context, o options, trials []*trial, round int) error {
	order := slices.Clone(trials)
	if round%2 == 1 {
		slices.Reverse(order)
	}
	row := 0
	for _, s := range o.scenarios {
		for _, workers := range o.concurrency {
			for _, t := range order {
				out, err := measure(ctx, o, t.target, s, workers)
				if err != nil {
					return err
				}
				t.note(row, s, workers, out)
			}
			row++
		}
	}
	for _, t := range trials {
		if err := drain(ctx, t.target); err != nil {
			return fmt.Errorf("%s: delete what was created: %w", t.target.name, err)
		}
	}
	return nil
}

func (t *trial) note(row int, s scenario, workers int, out *outcome) {
	if row == len(t.measurements) {
		t.measurements = append(t.measurements, &measurement{scenario: s, workers: workers})
	}
	m := t.measurements[row]
	m.rounds = append(m.rounds, out)
}

// measure puts one load on one target, after a short one of the same kind.
func measure(ctx context.Context, o options, t *target, s scenario, workers int) (*outcome, error) {
	if s.removes {
		wanted := int((o.duration + o.warmup).Seconds() * deletesWanted)
		if missing := wanted - t.people.left(); missing > 0 {
			if err := create(ctx, t, missing, loaders); err != nil {
				return nil, err
			}
		}
	}
	if o.warmup > 0 {
		drive(ctx, t, load{scenario: s, workers: workers, duration: o.warmup})
	}
	out := drive(ctx, t, load{scenario: s, workers: workers, duration: o.duration})
	return out, ctx.Err()
}

// fill gives a target the documents to begin with.
func fill(ctx context.Context, t *target, n int) error {
	if _, ok := t.dialect.(ours); !ok {
		if err := create(ctx, t, n, loaders); err != nil {
			return err
		}
		t.people.loaded, t.people.spare = t.people.spare, nil
		return nil
	}
	for len(t.people.loaded) < n {
		ids, err := bulk(ctx, t, min(bulkSize, n-len(t.people.loaded)))
		if err != nil {
			return fmt.Errorf("%s: load documents: %w", t.name, err)
		}
		t.people.loaded = append(t.people.loaded, ids...)
	}
	return nil
}

func bulk(ctx context.Context, t *target, n int) ([]string, error) {
	people := make([]person, n)
	for i := range people {
		people[i] = t.people.next()
	}
	body, err := ask(ctx, t, ours{}.bulk(people))
	if err != nil {
		return nil, err
	}
	return idsIn(t.dialect, body)
}

// clean deletes the documents of a service that goes on running.
func clean(ctx context.Context, t *target) error {
	t.people.keep(t.people.loaded)
	return drain(ctx, t)
}

// report writes all tables. It returns an error if an answer was wrong.
func report(stdout, stderr io.Writer, trials []*trial) error {
	var all []*series
	var failed []error
	for _, t := range trials {
		all = append(all, t.series)
		writeSeries(stdout, t.series)
		failed = append(failed, failures(t.series))
	}
	writeProcesses(stdout, all)
	if len(all) > 1 {
		writeRatios(stdout, all)
	}
	return errors.Join(failed...)
}

// failures says how many answers were wrong, and the first of each measurement.
func failures(s *series) error {
	n := s.errors()
	if n == 0 {
		return nil
	}
	err := fmt.Errorf("%s: %d wrong or missing answers", s.name, n)
	for _, m := range s.measurements {
		for _, o := range m.rounds {
			if o.firstErr != nil {
				err = fmt.Errorf("%w\n%s, %d connections: %w", err, m.scenario.title, m.workers, o.firstErr)
			}
		}
	}
	return err
}
