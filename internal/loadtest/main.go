// Loadtest drives a running service and says how fast it is.
//
//	go run ./internal/loadtest                                   build, start, measure, stop
//	go run ./internal/loadtest -path /crud/users/,/users/        the store by itself, and users without an account
//	go run ./internal/loadtest -pocketbase -rounds 3             the same of PocketBase, in turns, and ratios
//	go run ./internal/loadtest -memory -pocketbase               memory over 100,000 creates
//	go run ./internal/loadtest -million                          a get among 1,000,000 documents and among 1,000
//	go run ./internal/loadtest -import                           imports of CSV files beside SQLite alone, an activation and mails
//	go run ./internal/loadtest -limited                          the same within 5 % of a processor and 70 MiB
//	go run ./internal/loadtest -expire                           how late users are blocked that expire
//	go run ./internal/loadtest -url http://127.0.0.1:3000        a service that runs already
//
// It is a closed loop: so many workers, each with its own keep-alive connection, ask
// the next thing when they have the answer to the last. Load goes to loopback
// addresses only, and has an end in time. The status of every answer is checked, and
// of what holds documents how many; a run in which one was wrong exits with 1.
// Latencies are of right answers and known to 1.6 percent. CPU is what the service worked
// for an answer, on all cores together: on a machine that others use too it says more
// than requests in a second do.
//
// The command runs on the same machine as the service and takes its share of it. It
// speaks HTTP by itself, because net/http's client takes more than the service does.
// With -url the documents are deleted at the end; users at /users/ are in the group
// contacts of the demo groups.
//
// # What is fair to PocketBase
//
// PocketBase 0.36.8 is built from the module in the folder pocketbase, with the
// versions of its own go.mod, its SQLite included, and by the same compiler. Where there
// is a choice it has the faster one:
//
//   - Durability is the same: PocketBase opens its files with WAL and
//     synchronous=NORMAL (core/db_connect.go), so -sync normal is the default here, not
//     full as in the service.
//   - Its collection has the columns of the documents, unique indexes on username and
//     email without a condition, open rules, and no other index; the service keeps three
//     more. Its email is a text field, which is not validated.
//   - Its log of requests, on by default and written to a second database, is off. So is
//     its rate limiter, by default. The service logs errors alone (LOG_LEVEL=error).
//   - Its lists and filters do without the count of all records (skipTotal=1), and
//     are not sorted. The service does not count or sort either.
//   - Its installer, which makes an account and opens a browser, is off.
//   - Both are asked in turns, each alone at the time: the one that is not asked is
//     idle. Who begins changes from round to round, and each run has a short one of the
//     same kind before it that is not measured.
//
// What PocketBase answers is about as long as what the service answers.
//
// # What is fair to SQLite
//
// Beside each import the same documents are inserted into SQLite by this command, in
// batches of as many rows, with the same driver, pragmas and indexes as the embedded
// store's. They are encoded as they are written. It has less to do: no file is read,
// nothing is checked, looked up or answered, and the statement is prepared once. It is
// what an import could come to at most, not another way to do one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

// run measures what args ask for and writes tables to stdout.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	lab, err := openLab()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.close()) }()
	measured := runScenarios
	switch {
	case o.memory:
		measured = runMemory
	case o.million:
		measured = runMillion
	case o.limited:
		measured = runLimited
	case o.expiring:
		measured = runExpiring
	case o.imports:
		measured = runImports
	}
	if err := measured(ctx, o, lab, stdout, stderr); err != nil {
		return err
	}
	return writeMachine(stdout)
}

// writeMachine says how busy the machine was, where that can be known.
func writeMachine(w io.Writer) error {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return nil
	}
	_, err = fmt.Fprintf(w, "\nLoad average at the end: %s", load)
	return err
}
