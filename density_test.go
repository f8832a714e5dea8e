package main

import (
	"flag"
	"testing"
)

// A run of all tests tries a part of what could be tried: the parts are small enough for
// every change to wait for, and spread so that each call of an operation meets some of the
// faults, and each fault some of the calls. With -every a run tries all of it, which takes
// many times as long: that is for changes of the order of steps, of retries and of the journal.
// With -short, which is meant for the race detector, it tries less than usual: what runs at
// once is the same for most faults, and is seen after a few.
var everyCall = flag.Bool("every", false, "try every fault at every upstream call, all random sequences and the largest numbers of users, not a part of them")

// amount is how many there are of what a test makes many of: users, mails, random sequences.
func amount(every, usually, short int) int {
	switch {
	case *everyCall:
		return every
	case testing.Short():
		return short
	}
	return usually
}

// A density is how many cases of a test there are for one that is tried. It should have no
// factor in common with how many ways there are in which a call fails: otherwise these would
// be the same ones at each call.
type density struct{ usually, overConnections, short int }

// Densities of faults. Over connections the order of steps is the same, and what is new are
// retries, which the packages upstream and crud try for themselves.
var (
	inRequests = density{5, 37, 101}  // of an operation, see operations
	atRemotes  = density{23, 23, 173} // of the same operations, with requests to a tenant of Auth0
	inJobs     = density{17, 71, 331} // of jobs and imports, which make many calls
)

func (d density) stride() int {
	if *everyCall {
		return 1
	}
	return amount(1, depending(d.usually, d.overConnections), d.short)
}

// picked returns a function that reports, case by case, whether to try it. from shifts the
// choice, so that not all operations meet the first fault at their first call.
func (d density) picked(from int) func() bool {
	stride := d.stride()
	n := 13*from - 1
	return func() bool {
		n++
		return n%stride == 0
	}
}
