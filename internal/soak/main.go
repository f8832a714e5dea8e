// Command soak proves the whole service: it starts two copies of it on one store with all
// neighbours as stand-ins behind faults of their own, and a third one that has everything
// inside; loads them with all that clients do, kills and restarts two of them, and in the end
// compares every user with its account and what was acknowledged with what there is:
//
//	go run ./internal/soak
//
// It prints a report in Markdown, and exits with 1 when anything differs. Memory of the copies
// is compared between the end and a time after warm-up.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/internal/process"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := soak(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// errDifferent is that something is not as it must be; the report says what.
var errDifferent = errors.New("not all is as it must be")

// soak runs the command.
func soak(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.module, err = process.ModuleFolder(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(stdout, "seed %d\n", o.seed)
	binary := filepath.Join(dir, "user-manager")
	if err := process.Build(ctx, o.module, binary); err != nil {
		return err
	}
	r := &run{o: o, out: stdout}
	return r.all(ctx, binary, dir)
}

// A run is one soak.
type run struct {
	o      options
	out    io.Writer
	worlds []*world
	gauges []*gauge // of the first copy of each world
	found  []*comparison
}

// all sets the worlds up, loads them, has them settle, and compares.
func (r *run) all(ctx context.Context, binary, dir string) (err error) {
	defer func() {
		for _, w := range r.worlds {
			err = errors.Join(err, w.close(ctx))
		}
	}()
	for _, open := range []func(context.Context, options, string, string) (*world, error){newRemote, newEmbedded} {
		w, err := open(ctx, r.o, binary, dir)
		if err != nil {
			return err
		}
		r.worlds = append(r.worlds, w)
	}
	if err := r.load(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	for _, w := range r.worlds {
		if err := r.compare(ctx, w); err != nil {
			return err
		}
	}
	return r.report()
}

// load loads all worlds for the duration.
func (r *run) load(ctx context.Context) error {
	began := time.Now()
	during, cancel := context.WithTimeout(ctx, r.o.duration)
	defer cancel()
	g, during := errgroup.WithContext(during)
	for i, w := range r.worlds {
		clients := r.o.clients
		if i > 0 {
			clients = max(clients/3, 1)
		}
		w.book.began = began
		gauge := &gauge{replica: w.replicas[0], alone: len(w.replicas) == 1, began: began}
		r.gauges = append(r.gauges, gauge)
		g.Go(func() error { gauge.run(during); return nil })
		g.Go(func() error { return w.load(during, clients) })
	}
	g.Go(func() error { r.tell(during, began); return nil })
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// settle ends the faults and waits until nothing is open any more.
func (r *run) settle(ctx context.Context) error {
	fmt.Fprintln(r.out, "no more load and no more faults; waiting until nothing is open")
	began := time.Now()
	errs := make([]error, len(r.worlds))
	var g sync.WaitGroup
	for i, w := range r.worlds {
		w.heal()
		g.Go(func() {
			if errs[i] = w.settle(ctx, r.out); errs[i] == nil {
				errs[i] = w.loginsAllowed(ctx)
			}
		})
	}
	g.Wait()
	fmt.Fprintf(r.out, "nothing is open after %v\n", time.Since(began).Round(time.Second))
	for i, w := range r.worlds {
		if errs[i] != nil && ctx.Err() == nil {
			w.book.wrong("%v; the last lines of its copies:\n%s", errs[i], w.lastLines())
			errs[i] = nil
		}
	}
	return errors.Join(errs...)
}

func (w *world) lastLines() string {
	var all string
	for _, r := range w.replicas {
		all += r.name + ":\n" + r.log.last() + "\n"
	}
	return all
}

// compare stops a world's copies where they have the store, and compares.
func (r *run) compare(ctx context.Context, w *world) error {
	var g sync.WaitGroup
	for _, replica := range w.replicas {
		g.Go(func() { replica.stop(ctx) })
	}
	g.Wait()
	c, err := w.compare(ctx)
	if err == nil {
		r.found = append(r.found, c)
	}
	return err
}
