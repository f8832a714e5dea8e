package main

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// What a limited process may take.
const (
	limitPercent = 5  // of one processor
	limitMiB     = 70 // of memory
	turn         = 5 * time.Millisecond
	probeTimeout = 10 * time.Second
)

// A limit is how processes are kept within the limits. A nil one keeps nothing.
type limit struct {
	scope []string // the command line, before the program's, of a scope of systemd; nil: by turns
}

// findLimit returns a scope of systemd where there is one, and else turns.
func findLimit(ctx context.Context) *limit {
	scope := []string{"systemd-run", "--scope", "--quiet", "--collect", "-p", "CPUQuota=5%", "-p", "MemoryMax=70M", "-p", "MemorySwapMax=0"}
	if os.Geteuid() != 0 {
		scope = append(scope, "--user")
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if exec.CommandContext(ctx, scope[0], append(scope[1:], "true")...).Run() != nil {
		return &limit{}
	}
	return &limit{scope}
}

// words say how processes are kept within the limits.
func (l *limit) words() string {
	const settings = " GOMAXPROCS is 1 and GOMEMLIMIT 60MiB."
	if l.scope != nil {
		return "The process is in a scope of systemd with CPUQuota=5% and MemoryMax=70M." + settings
	}
	return "There is no scope of systemd here: from its first answer the process is stopped and let go on by signals, for 5 % of the time. " +
		"Its memory is not limited but measured." + settings
}

// environment is what a limited process gets beside that of others.
func (l *limit) environment() []string {
	if l == nil {
		return nil
	}
	return []string{"GOMAXPROCS=1", "GOMEMLIMIT=60MiB"}
}

// command returns the command that starts the program.
func (l *limit) command(ctx context.Context, path string) *exec.Cmd {
	if l == nil || l.scope == nil {
		return exec.CommandContext(ctx, path)
	}
	return exec.CommandContext(ctx, l.scope[0], append(l.scope[1:len(l.scope):len(l.scope)], path)...)
}

// hold keeps p within the limits until release is called, after which it goes on freely.
func (l *limit) hold(p *process) (release func()) {
	if l == nil || l.scope != nil {
		return func() {}
	}
	over := make(chan struct{})
	var turns sync.WaitGroup
	turns.Go(func() { takeTurns(p, over) })
	return func() {
		close(over)
		turns.Wait()
	}
}

// takeTurns lets p run for a while and stops it for so much longer that it has run for
// limitPercent of the time, also when a turn has become longer than it was to be.
func takeTurns(p *process, over <-chan struct{}) {
	defer p.cmd.Process.Signal(syscall.SIGCONT) // it may be gone
	pause := func(d time.Duration) (goOn bool) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-over:
			return false
		case <-p.ended:
			return false
		case <-timer.C:
			return true
		}
	}
	for {
		begin := time.Now()
		p.cmd.Process.Signal(syscall.SIGCONT)
		if !pause(turn) {
			return
		}
		p.cmd.Process.Signal(syscall.SIGSTOP)
		if !pause(time.Since(begin) * (100 - limitPercent) / limitPercent) {
			return
		}
	}
}
