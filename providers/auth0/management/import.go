package management

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"user-manager/providers"
	"user-manager/upstream"
)

// An Importer imports accounts through a tenant's jobs; it has the methods of a
// [providers.Importer]. Directory and Jobs must be set. It must not be copied once it is in
// use.
//
// Accounts that exist are changed singly. New ones go into the file of a job, with a
// user_id that is their key, so that an account which an earlier Import made is found by
// its id. Those without an address, which a row must have, are made singly, with a password
// that nobody knows.
//
// A job never has upsert set. With it a row is matched by its address alone: it would change
// the account of somebody else who has that address, reset what they have verified, and be
// reported as done, although no account has our id. Without it such a row fails, as does the
// row of an account that stands already; of those that failed so, the accounts with our ids
// are read, and brought to what is given by requests of their own (which a block or another
// name would need anyway: upsert updates neither).
type Importer struct {
	Directory  Directory
	Jobs       Jobs
	Polling    Polling
	Connection string       // as for [Update]
	Log        *slog.Logger // nil: nothing is logged
	// FanOut bounds the requests for single accounts that are made at once; 0:
	// [upstream.FanOut]. The Imports that are allowed at once share them.
	FanOut int

	turns turns
	pace  pace
}

// ImportLimits implements [providers.Importer]: one file of a job, two jobs at once. Of more
// Imports at once the jobs wait for each other.
func (i *Importer) ImportLimits() providers.ImportLimits { return limits }

// Import implements [providers.Importer]. Of more accounts than the limits allow it makes
// several jobs, one after the other.
func (i *Importer) Import(ctx context.Context, accounts []providers.ImportAccount) ([]providers.ImportOutcome, error) {
	if ctx.Err() != nil {
		return nil, stopped(ctx, importRoute)
	}
	im := newImporting(i, accounts)
	if err := im.run(upstream.InBackground(ctx)); err != nil {
		if im.touched.Load() {
			err = upstream.Partly(err)
		}
		return nil, err
	}
	return im.outcomes, nil
}

// An importing is one Import at work.
type importing struct {
	*Importer
	log      *slog.Logger
	dir      Directory
	given    []providers.ImportAccount
	outcomes []providers.ImportOutcome // by the index of given; each written by one goroutine at a time
	later    []bool                    // by the index of given: one before it wants the same name
	touched  *atomic.Bool              // something may have been changed at the tenant
}

func newImporting(i *Importer, accounts []providers.ImportAccount) *importing {
	touched := new(atomic.Bool)
	log := i.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &importing{
		Importer: i, log: log, dir: noting{i.Directory, touched}, touched: touched,
		given: accounts, outcomes: make([]providers.ImportOutcome, len(accounts)), later: laterOnes(accounts),
	}
}

// run begins with the accounts that exist, so that a name which one of them gives up is free
// for a new one.
func (im *importing) run(ctx context.Context) error {
	existing, rows, first, last := im.sort()
	if err := im.bringExisting(ctx, existing); err != nil {
		return err
	}
	if err := im.each(ctx, first, im.makeSingle); err != nil {
		return err
	}
	for file := range im.files(rows) {
		if err := im.importFile(ctx, file); err != nil {
			return err
		}
	}
	return im.each(ctx, last, im.makeSingle)
}

// sort tells the accounts that exist, the rows of jobs, and those that are to be made
// singly: before the jobs, or, when somebody before them wants their name, after. What
// cannot be an account is refused.
func (im *importing) sort() (existing, rows, first, last []int) {
	for at, a := range im.given {
		switch {
		case a.ID != "":
			existing = append(existing, at)
		case a.Username == "" && a.Email == "":
			im.refuse(at, providers.ErrInvalid, "An account needs a username or an email address.")
		case isRow(a) && sizeOf(a) > limits.Bytes:
			im.refuse(at, providers.ErrInvalid, "The account is too large for an import.")
		case isRow(a):
			rows = append(rows, at)
		case im.later[at]:
			last = append(last, at)
		default:
			first = append(first, at)
		}
	}
	return existing, rows, first, last
}

// files cuts rows into those of one job each.
func (im *importing) files(rows []int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		for chunk := range providers.ImportChunks(im.accounts(rows), limits) {
			if !yield(rows[:len(chunk)]) {
				return
			}
			rows = rows[len(chunk):]
		}
	}
}

// accounts returns those at the given indexes.
func (im *importing) accounts(at []int) []providers.ImportAccount {
	accounts := make([]providers.ImportAccount, len(at))
	for i, n := range at {
		accounts[i] = im.given[n]
	}
	return accounts
}

// each does something for several accounts, a few at once. Those that want a name which
// another before them wants too come last and in order. After an error no more are begun.
func (im *importing) each(ctx context.Context, indexes []int, do func(context.Context, int) error) error {
	g, going := errgroup.WithContext(ctx)
	g.SetLimit(max(cmp.Or(im.FanOut, upstream.FanOut)/jobsAtOnce, 1))
	var last []int
	for _, at := range indexes {
		if im.later[at] {
			last = append(last, at)
			continue
		}
		g.Go(func() error {
			switch {
			case ctx.Err() != nil:
				return stopped(ctx, importRoute)
			case going.Err() != nil: // the error is another's
				return nil
			}
			return upstream.Protect(func() error { return do(ctx, at) }) // with ctx: what was begun comes to its end
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, at := range last {
		if err := do(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

// laterOnes reports of each account whether one before it wants the same name.
func laterOnes(accounts []providers.ImportAccount) []bool {
	type name struct{ property, value string }
	seen := map[name]bool{}
	later := make([]bool, len(accounts))
	for i, a := range accounts {
		for _, n := range []name{{"username", stored(a.Username)}, {"email", stored(a.Email)}} {
			if n.value != "" {
				later[i] = later[i] || seen[n]
				seen[n] = true
			}
		}
	}
	return later
}

// noting is a directory that notes whether something may have been changed.
type noting struct {
	Directory
	touched *atomic.Bool
}

func (n noting) note(err error) {
	if !upstream.Refused(err) { // no error among them
		n.touched.Store(true)
	}
}

func (n noting) Create(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	made, err := n.Directory.Create(ctx, a)
	n.note(err)
	return made, err
}

func (n noting) Patch(ctx context.Context, id string, body map[string]any) (providers.Account, error) {
	after, err := n.Directory.Patch(ctx, id, body)
	n.note(err)
	return after, err
}
