package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// measured is an outcome of n answers that took d each, and errors.
func measured(n int, d, took time.Duration, errors int) *outcome {
	o := &outcome{took: took, cpu: time.Duration(n) * d / 10, errors: errors}
	for range n {
		o.latencies.Record(d)
	}
	return o
}

func TestTables(t *testing.T) {
	one := &series{
		name: "this", idle: 20 << 20, loaded: 50 << 20,
		fresh: []time.Duration{30 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond},
		again: []time.Duration{9 * time.Millisecond},
		measurements: []*measurement{
			{scenarioNamed("get"), 1, []*outcome{
				measured(3000, 300*time.Microsecond, time.Second, 0),
				measured(1000, time.Millisecond, time.Second, 2),
				measured(2000, 500*time.Microsecond, time.Second, 0),
			}},
			{scenarioNamed("deep"), 64, []*outcome{measured(1_234_567, 60, time.Second, 0)}},
		},
	}
	other := &series{
		name: "that", idle: 24 << 20, loaded: 44 << 20,
		measurements: []*measurement{
			{scenarioNamed("get"), 1, []*outcome{measured(1000, time.Millisecond, time.Second, 0)}},
			{scenarioNamed("deep"), 64, []*outcome{measured(0, 0, time.Second, 7)}},
		},
	}
	var out bytes.Buffer
	writeSeries(&out, one)
	writeProcesses(&out, []*series{one, other})
	writeRatios(&out, []*series{one, other})
	writeSizes(&out, one, other)
	golden := filepath.Join("testdata", "tables.golden.md")
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}
