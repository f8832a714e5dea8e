package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
)

// The steps of the memory run.
const (
	memoryStep  = 20_000
	memorySteps = 5
)

// runMemory writes how much memory each target has after so many creates.
func runMemory(ctx context.Context, o options, lab *lab, stdout, _ io.Writer) error {
	trials, err := lab.trials(ctx, o)
	if err != nil {
		return err
	}
	rows := [][]string{{"memory after creates"}}
	for step := range memorySteps + 1 {
		rows[0] = append(rows[0], thousands(float64(step*memoryStep)))
	}
	for _, t := range trials {
		row := []string{t.target.name, mebibytes(t.process.memory())}
		for range memorySteps {
			if err := create(ctx, t.target, memoryStep, loaders); err != nil {
				return err
			}
			row = append(row, mebibytes(t.process.memory()))
		}
		rows = append(rows, row)
		t.process.stop()
	}
	fmt.Fprintf(stdout, "\n### Memory over %s creates, %s connections\n\n", thousands(memorySteps*memoryStep), strconv.Itoa(loaders))
	writeTable(stdout, rows)
	return nil
}
