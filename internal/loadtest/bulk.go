package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	proc "user-manager/internal/process"
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
	module, err := proc.ModuleFolder(ctx)
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, lab: l, binary: filepath.Join(l.folder, "user-manager"), limit: limit, every: jobEvery}
	if limit != nil {
		b.every = slowEvery
	}
	return b, proc.Build(ctx, module, b.binary)
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
