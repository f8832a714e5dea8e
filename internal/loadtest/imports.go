package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// runImports writes how fast imports are beside SQLite alone, and how fast jobs are.
func runImports(ctx context.Context, o options, lab *lab, stdout, stderr io.Writer) error {
	b, err := newBench(ctx, o, lab, nil)
	if err != nil {
		return err
	}
	var imports []*bulkSeries
	jobs := jobSeries()
	for _, rows := range o.rows {
		imports = append(imports, &bulkSeries{file: file{rows: rows}}, &bulkSeries{file: file{rows: rows, arrays: true}})
	}
	for round := range o.rounds {
		fmt.Fprintf(stderr, "round %d of %d\n", round+1, o.rounds)
		for _, s := range imports {
			if err := b.importBeside(ctx, s, round); err != nil {
				return err
			}
		}
		if err := b.threeSteps(ctx, jobs); err != nil {
			return err
		}
	}
	writeImports(stdout, imports)
	writeHalves(stdout, imports)
	fmt.Fprint(stdout, "\n### One after the other, each by a fresh process\n\n")
	writeJobs(stdout, jobs)
	return nil
}

// runLimited writes how fast the three steps are within the limits.
func runLimited(ctx context.Context, o options, lab *lab, stdout, stderr io.Writer) error {
	b, err := newBench(ctx, o, lab, findLimit(ctx))
	if err != nil {
		return err
	}
	jobs := jobSeries()
	for round := range o.rounds {
		fmt.Fprintf(stderr, "round %d of %d\n", round+1, o.rounds)
		if err := b.threeSteps(ctx, jobs); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "\n### Within %d %% of a processor and %d MiB\n\n%s\n\n", limitPercent, limitMiB, b.limit.words())
	writeJobs(stdout, jobs)
	return nil
}

// importBeside imports a file and inserts the same with SQLite alone. Who begins changes
// from round to round.
func (b *bench) importBeside(ctx context.Context, s *bulkSeries, round int) error {
	folder, err := os.MkdirTemp(b.lab.folder, "data-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) // the next needs the room
	var r bulkRun
	var alone time.Duration
	for turn := range 2 {
		if turn == round%2 {
			_, r, err = b.importRun(ctx, s.file, folder, s.hasHalves())
		} else {
			alone, err = insertAlone(ctx, s.file, folder, b.sync)
		}
		if err != nil {
			return err
		}
	}
	r.alone = alone
	s.rounds = append(s.rounds, r)
	return nil
}

// threeSteps imports, activates and mails users, and notes each.
func (b *bench) threeSteps(ctx context.Context, all []*bulkSeries) error {
	folder, err := os.MkdirTemp(b.lab.folder, "data-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	ids, imported, err := b.importRun(ctx, file{rows: b.users}, folder, false)
	if err != nil {
		return err
	}
	activation, mails, err := b.jobRuns(ctx, ids, folder)
	if err != nil {
		return err
	}
	for i, r := range []bulkRun{imported, activation, mails} {
		if err := r.complete(all[i].title); err != nil {
			return err
		}
		all[i].rounds = append(all[i].rounds, r)
	}
	return nil
}
