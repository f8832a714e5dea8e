package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	proc "user-manager/internal/process"
)

// restTime is what a process gets to settle after its start.
const restTime = 2 * time.Second

// A trial is a target with what is measured of it.
type trial struct {
	*target
	*series
	program program
	folder  string
}

// A lab is a folder with programs and data, and the processes in it.
type lab struct {
	folder  string
	running []*process
}

func openLab() (*lab, error) {
	folder, err := os.MkdirTemp("", "loadtest-")
	return &lab{folder: folder}, err
}

// close stops everything and removes the data.
func (l *lab) close() error {
	for _, p := range l.running {
		p.stop()
	}
	return os.RemoveAll(l.folder)
}

// programs builds what is to be measured.
func (l *lab) programs(ctx context.Context, o options) ([]program, error) {
	module, err := proc.ModuleFolder(ctx)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(l.folder, "user-manager")
	if err := proc.Build(ctx, module, path); err != nil {
		return nil, err
	}
	var all []program
	for _, d := range o.dialects() {
		all = append(all, service(path, o, d))
	}
	if !o.pocketbase {
		return all, nil
	}
	path = filepath.Join(l.folder, "pocketbase")
	if err := proc.Build(ctx, filepath.Join(module, "internal", "loadtest", "pocketbase"), path); err != nil {
		return nil, err
	}
	return append(all, rival(path)), nil
}

// trials starts what is to be measured, or finds it.
func (l *lab) trials(ctx context.Context, o options) ([]*trial, error) {
	var all []*trial
	if o.url != "" {
		for _, d := range o.dialects() {
			t, err := existing(ctx, o.url, d)
			if err != nil {
				return nil, err
			}
			all = append(all, &trial{target: t, series: &series{name: t.name}})
		}
		return all, nil
	}
	programs, err := l.programs(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, p := range programs {
		t, err := l.trial(ctx, p, o.starts)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// trial starts a program several times, each on an empty folder, and leaves the last.
func (l *lab) trial(ctx context.Context, p program, starts int) (*trial, error) {
	s := &series{name: p.name}
	for n := 1; ; n++ {
		folder, err := os.MkdirTemp(l.folder, "data-")
		if err != nil {
			return nil, err
		}
		t, err := l.start(ctx, p, folder)
		if err != nil {
			return nil, err
		}
		s.fresh = append(s.fresh, t.process.toFirst)
		if n < starts {
			t.process.stop()
			continue
		}
		time.Sleep(restTime) // what it does after its start is not the idle state
		s.idle = t.process.memory()
		return &trial{target: t, series: s, program: p, folder: folder}, nil
	}
}

func (l *lab) start(ctx context.Context, p program, folder string) (*target, error) {
	t, err := start(ctx, p, folder)
	if err == nil {
		l.running = append(l.running, t.process)
	}
	return t, err
}

// startAgain ends a trial's process and measures starts on the data that it left.
func (l *lab) startAgain(ctx context.Context, t *trial, starts int) error {
	t.process.stop()
	for range starts {
		again, err := l.start(ctx, t.program, t.folder)
		if err != nil {
			return err
		}
		t.again = append(t.again, again.process.toFirst)
		again.process.stop()
	}
	return nil
}
