package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options is what the command line asks for.
type options struct {
	url         string
	paths       []string
	duration    time.Duration
	warmup      time.Duration
	concurrency []int
	scenarios   []scenario
	documents   int
	rounds      int
	starts      int
	sync        string
	pocketbase  bool
	memory      bool
	million     bool
	imports     bool
	limited     bool
	expiring    bool
	rows        []int // of the files that are imported
	users       int   // of a job
}

// Bounds of what can be asked for.
const (
	maxWorkers   = 1024
	maxDuration  = 10 * time.Minute
	maxDocuments = 1_000_000
	maxRounds    = 100
	maxRows      = 200_000
	leastLoaded  = pageSkip + 200 // what the pages need
)

// parseOptions reads the command line.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var paths, concurrency, only, rows string
	flags := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.url, "url", "", "a running service, http://host:port on this machine; unset: one is built and started")
	flags.StringVar(&paths, "path", "/crud/users/", "comma-separated: /crud/users/, /users/")
	flags.DurationVar(&o.duration, "duration", 3*time.Second, "of each scenario at each concurrency")
	flags.DurationVar(&o.warmup, "warmup", 200*time.Millisecond, "the same load before each that is measured")
	flags.StringVar(&concurrency, "concurrency", "1,16,64", "comma-separated numbers of workers")
	flags.StringVar(&only, "only", "", "comma-separated scenarios: get, email, list25, list200, deep, patch, create, delete; unset: all")
	flags.IntVar(&o.documents, "documents", 10_000, "documents to begin with")
	flags.IntVar(&o.rounds, "rounds", 1, "times that everything is measured, the targets in turns")
	flags.IntVar(&o.starts, "starts", 5, "times that a start is measured; 0: not at all")
	flags.StringVar(&o.sync, "sync", "normal", "EMBEDDED_SYNC of the service that is started: full or normal")
	flags.BoolVar(&o.pocketbase, "pocketbase", false, "compare with PocketBase")
	flags.BoolVar(&o.memory, "memory", false, "instead: memory over 100,000 creates")
	flags.BoolVar(&o.million, "million", false, "instead: a get among 1,000,000 documents and among 1,000")
	flags.BoolVar(&o.imports, "import", false, "instead: imports of CSV files beside SQLite alone, an activation and mails")
	flags.BoolVar(&o.limited, "limited", false, "instead: an import, an activation and mails within 5 % of a processor and 70 MiB")
	flags.BoolVar(&o.expiring, "expire", false, "instead: how late users are blocked that expire")
	flags.StringVar(&rows, "rows", "200,1000,10000,100000", "comma-separated numbers of rows, each of a file to import")
	flags.IntVar(&o.users, "users", 10_000, "users of an activation and of mails, rows of the import with -limited, users that expire")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q: is not an option", flags.Arg(0))
	}
	if err := o.completeRows(rows); err != nil {
		return o, err
	}
	return o, o.complete(paths, concurrency, only)
}

// completeRows reads the sizes of files and checks that of jobs.
func (o *options) completeRows(rows string) error {
	for text := range strings.SplitSeq(rows, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxRows {
			return fmt.Errorf("-rows %q: must be numbers from 1 to %d", text, maxRows)
		}
		o.rows = append(o.rows, n)
	}
	if o.users < 1 || o.users > maxRows {
		return fmt.Errorf("-users: must be from 1 to %d", maxRows)
	}
	return nil
}

// complete reads the lists and checks everything.
func (o *options) complete(paths, concurrency, only string) (err error) {
	if o.scenarios, err = chosen(only); err != nil {
		return err
	}
	for path := range strings.SplitSeq(paths, ",") {
		if !slices.Contains([]string{"/crud/users/", "/users/"}, path) {
			return fmt.Errorf("-path %q: is not one of /crud/users/, /users/", path)
		}
		o.paths = append(o.paths, path)
	}
	for text := range strings.SplitSeq(concurrency, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxWorkers {
			return fmt.Errorf("-concurrency %q: must be numbers from 1 to %d", text, maxWorkers)
		}
		o.concurrency = append(o.concurrency, n)
	}
	return o.check()
}

func (o *options) check() error {
	switch {
	case o.duration <= 0 || o.duration > maxDuration || o.warmup < 0 || o.warmup > maxDuration:
		return fmt.Errorf("-duration and -warmup: must be at most %s", maxDuration)
	case o.documents < leastLoaded || o.documents > maxDocuments:
		return fmt.Errorf("-documents: must be from %d, which the deep page needs, to %d", leastLoaded, maxDocuments)
	case o.rounds < 1 || o.rounds > maxRounds || o.starts < 0 || o.starts > maxRounds:
		return fmt.Errorf("-rounds and -starts: must be at most %d", maxRounds)
	case o.sync != "full" && o.sync != "normal":
		return fmt.Errorf("-sync %q: must be full or normal", o.sync)
	case o.url != "" && (o.pocketbase || o.memory || o.million || o.imports || o.limited || o.expiring):
		return fmt.Errorf("-url: -pocketbase, -memory, -million, -import, -limited and -expire start what they measure")
	}
	return nil
}

func (o *options) dialects() []dialect {
	var all []dialect
	for _, path := range o.paths {
		all = append(all, ours{path: path, byID: path == "/crud/users/"})
	}
	return all
}
