package users

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"user-manager/csvimport"
	"user-manager/upstream"
)

// ImportOptions are the choices of an import.
type ImportOptions struct {
	// BatchSize is how many rows are written together, at least 1.
	BatchSize int
	// DryRun: everything is checked and nothing is written.
	DryRun bool
	// Interrupt makes the source of the rows end soon. It is called when writing breaks off
	// while rows may still be read; nil: they come without delay.
	Interrupt func()
}

// An ImportReport says what became of the rows: each is in exactly one of its parts.
type ImportReport struct {
	Updated  []string // ids of users, in the order of their rows
	Inserted []string // likewise; empty in a dry run
	// Insertable is how many rows a dry run would have inserted.
	Insertable int
	Invalid    []InvalidRow
	// LastRow is the last row that is in the report.
	LastRow int
}

// An InvalidRow is a row that was left out. Row is what a spreadsheet shows: the header
// is 1. Error names the columns and never a value.
type InvalidRow struct {
	Row   int    `json:"row"`
	Error string `json:"error"`
}

// An ImportError is an import that broke off, and what it had done by then.
type ImportError struct {
	Report ImportReport
	Err    error
}

// Error says why it broke off and how far it had come.
func (e *ImportError) Error() string { return e.Err.Error() + e.Progress() }

// Progress says how far it had come, as the end of a sentence.
func (e *ImportError) Progress() string {
	r := e.Report
	return fmt.Sprintf("; before that %d users were inserted and %d updated, and %d rows were invalid, up to row %d",
		len(r.Inserted), len(r.Updated), len(r.Invalid), max(r.LastRow, 1))
}

// Unwrap returns why the import broke off.
func (e *ImportError) Unwrap() error { return e.Err }

// Import makes a user of each row without an "_id" and changes the users of the others.
// A row is checked against the schema of its group, as [Service.Create] and
// [Service.Patch] do, and one that is refused by a check, a unique field or an upstream
// is invalid, which concerns no other row. New users get no accounts; a change reaches
// the account that a user has. A new user's timer is scheduled soon after, if imported
// users have one at all ([Config]); one that a user has already follows its date. The error is an [*ImportError] when a store, a provider
// or the file breaks off midway, with the cause in its chain; the same file can be
// imported again then.
//
// That user names and addresses are unique is the business of the store's indexes, which
// cannot be asked for. A dry run takes it that they are there. On an embedded store whose
// definition of the users lacks them it calls a row invalid that the import makes a user
// of; a store over the network is looked into before each insertion, so that there they
// come to the same.
func (s *Service) Import(ctx context.Context, rows *csvimport.Reader, opts ImportOptions) (ImportReport, error) {
	im := &importer{
		Service: s, opts: opts, groups: newLoadedGroups(s.groups),
		uniques: slices.Clone(nameKeys), problems: map[string]string{}, seen: map[nameDigest]bool{}, own: map[string]bool{},
	}
	defer s.imported()
	batches := make(chan *importBatch, 1)
	g, within := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(batches)
		return upstream.Protect(func() error { return im.read(within, rows, batches) })
	})
	var broken error // by write: what ends the reading then is no more than its consequence
	g.Go(func() error {
		broken = upstream.Protect(func() error { return im.write(within, batches) })
		if broken != nil && opts.Interrupt != nil {
			opts.Interrupt()
		}
		return broken
	})
	if err := g.Wait(); err != nil {
		return im.report, &ImportError{im.report, cmp.Or(broken, err)}
	}
	return im.report, nil
}

// importer is one import under way: read prepares a batch while write is at work on the
// one before.
type importer struct {
	*Service
	opts   ImportOptions
	groups *loadedGroups
	// What only write and what it calls touch:
	report   ImportReport
	problems map[string]string // those of invalid rows, each kept once
	uniques  []uniqueKey
	seen     map[nameDigest]bool // dry run: the names that rows take, and give up
	own      map[string]bool     // ids of users that the import has made
	older    map[string]bool     // ids of users made shortly before it; nil: not looked for
	suspects []int               // rows that the store could not store, since it last stored one
}
