package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"user-manager/internal/process"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// A replica is one copy of the service, which may be killed and started again.
type replica struct {
	name, binary string
	port         string
	env          []string
	dir          string
	drain        time.Duration // how long it serves after SIGTERM
	log          *logWatch
	book         *book
	up           atomic.Bool // requests are led here

	mu    sync.Mutex
	cmd   *exec.Cmd     // guarded by mu; nil while it does not run
	ended chan struct{} // guarded by mu; closed when the process is over
	asked bool          // guarded by mu; it was told to end

	starts, kills, stops atomic.Int64
}

// newReplica makes a copy that does not run yet.
func newReplica(name, binary, dir string, o options, env []string, b *book) (*replica, error) {
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	r := &replica{name: name, binary: binary, port: port, dir: dir, drain: o.drain, book: b, log: &logWatch{book: b, name: name}}
	r.env = append(process.Environment(), append(env, "HTTP_HOST=127.0.0.1", "HTTP_PORT="+port)...)
	return r, nil
}

func (r *replica) url() string { return "http://127.0.0.1:" + r.port }

// pid is that of the process, 0 when there is none.
func (r *replica) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd == nil {
		return 0
	}
	return r.cmd.Process.Pid
}

// start starts the process and waits until it answers.
func (r *replica) start(ctx context.Context) error {
	cmd, ended := exec.Command(r.binary), make(chan struct{})
	cmd.Env, cmd.Dir = r.env, r.dir
	cmd.Stdout, cmd.Stderr = r.log, r.log
	if err := cmd.Start(); err != nil {
		return err
	}
	r.mu.Lock()
	r.cmd, r.ended, r.asked = cmd, ended, false
	r.mu.Unlock()
	r.starts.Add(1)
	go func() { // ends with the process, which kill or stop waits for
		err := cmd.Wait()
		r.mu.Lock()
		if !r.asked {
			r.book.wrong("%s ended by itself: %v; its last lines:\n%s", r.name, err, r.log.last())
		}
		r.mu.Unlock()
		close(ended)
	}()
	if err := r.answers(ctx, ended); err != nil {
		return fmt.Errorf("%s does not answer: %w\n%s", r.name, err, r.log.last())
	}
	r.up.Store(true)
	return nil
}

// answers waits for the first answer.
func (r *replica) answers(ctx context.Context, ended chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, "GET", r.url()+"/-/healthz", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-ended:
			return errors.New("it has ended")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// end sends the process a signal that ends it.
func (r *replica) end(signal syscall.Signal) (*exec.Cmd, chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd == nil {
		return nil, nil
	}
	r.asked = true
	_ = r.cmd.Process.Signal(signal) // it may be over
	cmd := r.cmd
	r.cmd = nil
	return cmd, r.ended
}

// kill ends the process at once. Requests are led there until somebody notices.
func (r *replica) kill() {
	cmd, ended := r.end(syscall.SIGKILL)
	if cmd == nil {
		return
	}
	<-ended
	r.up.Store(false)
	r.kills.Add(1)
}

// stop ends the process as a platform does: it is told, requests are led elsewhere, and it
// has to end well in time.
func (r *replica) stop(ctx context.Context) {
	cmd, ended := r.end(syscall.SIGTERM)
	if cmd == nil {
		return
	}
	wait(ctx, r.drain/2) // for who leads requests to see that it is not ready
	r.up.Store(false)
	select {
	case <-ended:
	case <-time.After(stopTimeout):
		_ = cmd.Process.Kill()
		<-ended
		r.book.wrong("%s does not end within %v of SIGTERM", r.name, stopTimeout)
		return
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		r.book.wrong("%s exits with %d after SIGTERM; its last lines:\n%s", r.name, code, r.log.last())
	}
	r.stops.Add(1)
}

// wait waits for d, or until ctx is done.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
