package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	watchEvery = 10 * time.Millisecond // that a user is looked for: little beside an import
	jobEvery   = 10 * time.Millisecond // that a job is asked for
	slowEvery  = time.Second           // likewise of a limited process
)

// A bulkRun is one import or job, of one process that did nothing else.
type bulkRun struct {
	wanted, done int
	took         time.Duration
	peak         int64         // bytes in memory, at most
	share        float64       // of one processor
	firstHalf    time.Duration // until the middle row of an import was there; 0: not looked for
	alone        time.Duration // that SQLite alone takes
}

// rate is what was done in a second.
func (r bulkRun) rate() float64 { return perSecond(r.done, r.took) }

func perSecond(n int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// complete says that not all was done.
func (r bulkRun) complete(what string) error {
	if r.done != r.wanted {
		return fmt.Errorf("%s: %d of %d", what, r.done, r.wanted)
	}
	return nil
}

// A bench runs processes of the service.
type bench struct {
	options
	lab    *lab
	binary string
	limit  *limit // nil: none
	every  time.Duration
}

func newBench(ctx context.Context, o options, l *lab, limit *limit) (*bench, error) {
	module, err := moduleFolder(ctx)
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, lab: l, binary: filepath.Join(l.folder, "user-manager"), limit: limit, every: jobEvery}
	if limit != nil {
		b.every = slowEvery
	}
	return b, build(ctx, module, b.binary)
}

// program is the service with room for large files and mails without a limit.
func (b *bench) program() program {
	p := service(b.binary, b.options, ours{path: "/users/"})
	plain := p.command
	p.command = func(ctx context.Context, path, port, dir string) *exec.Cmd {
		cmd := b.limit.command(ctx, path)
		cmd.Env = append(plain(ctx, path, port, dir).Env,
			"USER_IMPORT_MAX_BYTES=1073741824", "AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND=100000")
		cmd.Env = append(cmd.Env, b.limit.environment()...)
		return cmd
	}
	return p
}

// measure has a process of its own, on the data in folder, do something.
func (b *bench) measure(ctx context.Context, folder string, do func(*target) (bulkRun, error)) (bulkRun, error) {
	t, err := b.lab.start(ctx, b.program(), folder)
	if err != nil {
		return bulkRun{}, err
	}
	defer t.process.stop()
	defer b.limit.hold(t.process)()
	begin, worked := time.Now(), t.process.cpu()
	r, err := do(t)
	r.share = (t.process.cpu() - worked).Seconds() / time.Since(begin).Seconds()
	r.peak = t.process.peak()
	return r, err
}

// importRun imports a file into an empty store, which it leaves in folder.
func (b *bench) importRun(ctx context.Context, f file, folder string, halves bool) (ids []string, r bulkRun, err error) {
	r, err = b.measure(ctx, folder, func(t *target) (bulkRun, error) {
		r := bulkRun{wanted: f.rows}
		begin := time.Now()
		g, within := errgroup.WithContext(ctx)
		if halves {
			g.Go(func() (err error) {
				r.firstHalf, err = watch(within, t, f.email((f.rows-1)/2), begin)
				return err
			})
		}
		g.Go(func() (err error) {
			ids, r.took, err = importFile(within, t, f)
			return err
		})
		err := g.Wait()
		r.done = len(ids)
		return r, err
	})
	return ids, r, err
}

// watch returns how long after begin the user with the given address was there. That is
// looked up by a unique index, which takes as long however many users there are.
func watch(ctx context.Context, t *target, email string, begin time.Time) (time.Duration, error) {
	c := newConn(t.address, begin.Add(maxLoading))
	defer c.close()
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-ticker.C:
		}
		r := ours{path: "/crud/users/"}.getByEmail(email)
		_, body, err := c.do(ctx, r)
		if err != nil {
			return 0, err
		}
		if bytes.Contains(body, []byte(r.holds)) {
			return time.Since(begin), nil
		}
	}
}

// jobRuns activates the users with the given ids in the store in folder, and mails them.
func (b *bench) jobRuns(ctx context.Context, ids []string, folder string) (activation, mails bulkRun, err error) {
	activation, err = b.measure(ctx, folder, func(t *target) (bulkRun, error) {
		n, took, err := activate(ctx, t, ids, b.every)
		return bulkRun{wanted: len(ids), done: n, took: took}, err
	})
	if err != nil {
		return activation, mails, err
	}
	mails, err = b.measure(ctx, folder, func(t *target) (bulkRun, error) {
		accounts, err := accountsOf(ctx, t)
		if err != nil {
			return bulkRun{}, err
		}
		n, took, err := mailAll(ctx, t, accounts, b.every)
		return bulkRun{wanted: len(ids), done: n, took: took}, err
	})
	return activation, mails, err
}

// runImports writes how fast imports are beside SQLite alone, and how fast jobs are.
func runImports(ctx context.Context, o options, lab *lab, stdout, stderr io.Writer) error {
	b, err := newBench(ctx, o, lab, nil)
	if err != nil {
		return err
	}
	var imports []*bulkSeries
	jobs := jobSeries()
	for _, rows := range o.rows {
		imports = append(imports, &bulkSeries{file: file{rows, false}}, &bulkSeries{file: file{rows, true}})
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
	ids, imported, err := b.importRun(ctx, file{b.users, false}, folder, false)
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
