package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// options are what the command line says.
type options struct {
	duration, settle time.Duration
	kills, outages   time.Duration // mean times between them; 0: none
	drain            time.Duration // DELAY_SHUTDOWN_SECONDS
	clients, people  int
	rows, idlers     int
	faults           float64
	tolerance        float64
	seed             uint64
	hasty            bool
	logLevel, logs   string

	module string // where this module is
}

// warmUp is after how long memory is compared from: two minutes of ten.
func (o options) warmUp() time.Duration { return o.duration / 5 }

const usage = `Ten minutes of mixed load on the whole service, with faults upstream, kills and
restarts. In the end every user is compared with its account, and what was
acknowledged with what there is. It exits with 1 when anything differs.

`

// parse reads the command line. It writes help to stderr.
func parse(args []string, stderr io.Writer) (options, error) {
	o := options{drain: time.Second}
	set := flag.NewFlagSet("soak", flag.ContinueOnError)
	set.SetOutput(io.Discard) // mistakes are told by the error
	set.Usage = func() {}
	set.DurationVar(&o.duration, "duration", 10*time.Minute, "how long there is load")
	set.DurationVar(&o.settle, "settle", 12*time.Minute, "how long it may take after that until nothing is open any more")
	set.DurationVar(&o.kills, "kills", 20*time.Second, "mean time between two kills, or stops, of a copy; 0: none")
	set.DurationVar(&o.outages, "outages", 40*time.Second, "mean time between two outages of an upstream, of 1 to 4 seconds")
	set.IntVar(&o.clients, "clients", 12, "clients of the two copies; a third as many of the other one")
	set.IntVar(&o.people, "people", 120, "users of each client, from which on it creates no more than it deletes")
	set.IntVar(&o.rows, "rows", 2000, "rows of a large file")
	set.IntVar(&o.idlers, "idlers", 40, "connections that are slow, half open or silent")
	set.Float64Var(&o.faults, "faults", 0.02, "part of the upstream calls that something happens to")
	set.Float64Var(&o.tolerance, "tolerance", 0.1, "part of the memory after warm-up by which it may have grown at the end")
	set.Uint64Var(&o.seed, "seed", 0, "of all chances; 0: any")
	set.BoolVar(&o.hasty, "hasty", false, "do not wait until notes of what is settled are closed, which may take six minutes")
	set.StringVar(&o.logLevel, "log-level", "info", "LOG_LEVEL of the service")
	set.StringVar(&o.logs, "logs", "", "a folder for the logs of the service; unset: nowhere")
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, usage)
		set.SetOutput(stderr)
		set.PrintDefaults()
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w; -help has all flags", err)
	case set.NArg() > 0:
		return o, fmt.Errorf("unknown argument %q", set.Arg(0))
	}
	for o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000)
	}
	return o, o.check()
}

// check returns the first value that there cannot be.
func (o options) check() error {
	switch {
	case o.duration <= 0 || o.settle <= 0 || o.outages <= 0:
		return errors.New("-duration, -settle and -outages: must be more than 0")
	case o.kills < 0:
		return errors.New("-kills: must not be below 0")
	case o.clients < 1 || o.people < 1 || o.rows < 1 || o.idlers < 0:
		return errors.New("-clients, -people and -rows: must be 1 or more, and -idlers not below 0")
	case !(o.faults >= 0 && o.faults < 1):
		return errors.New("-faults: must be from 0 to less than 1")
	case !(o.tolerance >= 0):
		return errors.New("-tolerance: must not be below 0")
	}
	return nil
}
