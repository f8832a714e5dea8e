package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	proc "user-manager/internal/process"
)

// Bounds on a process.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 15 * time.Second
	pollInterval = 500 * time.Microsecond
)

// A program is a built service and how it is started.
type program struct {
	name    string
	path    string
	dialect dialect
	command func(ctx context.Context, path, port, dir string) *exec.Cmd
}

// service is this service, which takes its settings from the environment: only what it
// needs is handed on.
func service(path string, o options, d dialect) program {
	return program{"user-manager " + d.(ours).path, path, d, func(ctx context.Context, path, port, dir string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, path)
		cmd.Env = append(proc.Environment(),
			"HTTP_HOST=127.0.0.1", "HTTP_PORT="+port, "LOG_LEVEL=error", "DELAY_SHUTDOWN_SECONDS=0",
			"EMBEDDED_PATH="+filepath.Join(dir, "users.db"), "EMBEDDED_SYNC="+o.sync)
		return cmd
	}}
}

// rival is PocketBase.
func rival(path string) program {
	return program{"PocketBase", path, pocketbase{}, func(ctx context.Context, path, port, dir string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, path, "serve", "--http=127.0.0.1:"+port, "--dir="+dir)
		cmd.Env = proc.Environment()
		return cmd
	}}
}

// A process is a program that runs.
type process struct {
	cmd     *exec.Cmd
	output  *bytes.Buffer // only read once it has ended
	ended   chan struct{}
	toFirst time.Duration // from its start to its first answer
}

// start runs p on data in dir and waits for its first answer.
func start(ctx context.Context, p program, dir string) (*target, error) {
	port, err := proc.FreePort()
	if err != nil {
		return nil, err
	}
	cmd := p.command(ctx, p.path, port, dir)
	run := &process{cmd: cmd, output: &bytes.Buffer{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = run.output, run.output
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	t := &target{name: p.name, address: "127.0.0.1:" + port, dialect: p.dialect, people: newPeople(), process: run}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the process, which stop waits for
		cmd.Wait() // how it ended is no news: it was told to, or has not answered
		close(run.ended)
	}()
	if err := t.awaitFirst(ctx); err != nil {
		run.stop()
		return nil, fmt.Errorf("%s does not answer: %w\n%s", p.name, err, run.output)
	}
	run.toFirst = time.Since(begin)
	return t, nil
}

// awaitFirst asks until there is an answer.
func (t *target) awaitFirst(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		_, err := ask(ctx, t, t.dialect.health())
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-t.process.ended:
			return fmt.Errorf("it has ended")
		case <-time.After(pollInterval):
		}
	}
}

// stop ends the process and waits for it; a nil one is nobody's to end.
func (p *process) stop() {
	if p == nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		p.cmd.Process.Kill()
		<-p.ended
	}
}

// memory is what the process has in memory, in bytes; 0 for none.
func (p *process) memory() int64 {
	if p == nil {
		return 0
	}
	return proc.Resident(p.cmd.Process.Pid)
}

// cpu is how long the process has worked so far, on all cores together; 0 for none.
func (p *process) cpu() time.Duration {
	if p == nil {
		return 0
	}
	return proc.CPU(p.cmd.Process.Pid)
}

// peak is the most that the process has had in memory, in bytes.
func (p *process) peak() int64 { return proc.Peak(p.cmd.Process.Pid) }

// existing is a service that runs already.
func existing(ctx context.Context, url string, d dialect) (*target, error) {
	address, err := loopback(ctx, url)
	if err != nil {
		return nil, err
	}
	t := &target{name: url + d.(ours).path, address: address, dialect: d, people: newPeople()}
	if _, err := ask(ctx, t, d.health()); err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return t, nil
}
