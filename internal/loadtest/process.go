package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
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

// build compiles a package of this module, or of one in a folder of its own.
func build(ctx context.Context, folder, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, ".")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", folder, err, out)
	}
	return nil
}

// moduleFolder is where this module is.
func moduleFolder(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "user-manager").Output()
	if err != nil {
		return "", fmt.Errorf("find the module (run this inside of it): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// service is this service, which takes its settings from the environment: only what it
// needs is handed on.
func service(path string, o options, d dialect) program {
	return program{"user-manager " + d.(ours).path, path, d, func(ctx context.Context, path, port, dir string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, path)
		cmd.Env = append(environment(),
			"HTTP_HOST=127.0.0.1", "HTTP_PORT="+port, "LOG_LEVEL=error",
			"EMBEDDED_PATH="+filepath.Join(dir, "users.db"), "EMBEDDED_SYNC="+o.sync)
		return cmd
	}}
}

// rival is PocketBase.
func rival(path string) program {
	return program{"PocketBase", path, pocketbase{}, func(ctx context.Context, path, port, dir string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, path, "serve", "--http=127.0.0.1:"+port, "--dir="+dir)
		cmd.Env = environment()
		return cmd
	}}
}

// environment is the same for all, and little.
func environment() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOMAXPROCS", "GOGC", "GOMEMLIMIT"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
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
	port, err := freePort()
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

// freePort returns a port that is free now, which is as much as can be known.
func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	return port, err
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

// memory is what the process has in memory, in bytes; 0 where /proc does not tell.
func (p *process) memory() int64 {
	if p == nil {
		return 0
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	return residentIn(string(text))
}

// clockTick is the unit of the times in /proc; it is the same on all architectures.
const clockTick = time.Second / 100

// cpu is how long the process has worked so far, on all cores together; 0 where /proc
// does not tell.
func (p *process) cpu() time.Duration {
	if p == nil {
		return 0
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/stat")
	if err != nil {
		return 0
	}
	return cpuIn(string(text))
}

// cpuIn reads user and system time from a process's stat. The name of the program, in
// brackets, may hold anything.
func cpuIn(stat string) time.Duration {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick
}

// peak is the most that the process has had in memory, in bytes; 0 where /proc does not
// tell.
func (p *process) peak() int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	return memoryIn(string(text), "VmHWM:")
}

// residentIn reads VmRSS from a process's status.
func residentIn(status string) int64 { return memoryIn(status, "VmRSS:") }

// memoryIn reads what a process's status has by a name.
func memoryIn(status, name string) int64 {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

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
