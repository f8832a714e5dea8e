// Package process builds programs of this module and looks at running ones, by /proc where
// there is one.
package process

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Build compiles a package of this module, or of one in a folder of its own.
func Build(ctx context.Context, folder, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, ".")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", folder, err, out)
	}
	return nil
}

// ModuleFolder is where this module is.
func ModuleFolder(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "user-manager").Output()
	if err != nil {
		return "", fmt.Errorf("find the module (run this inside of it): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Environment returns the little of this process's environment that a started one gets.
func Environment() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOMAXPROCS", "GOGC", "GOMEMLIMIT"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// FreePort returns a port that is free now, which is as much as can be known.
func FreePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	return port, err
}

// Resident returns what a process has in memory, in bytes; 0 where /proc does not tell.
func Resident(pid int) int64 { return memoryIn(read(pid, "status"), "VmRSS:") }

// Peak returns the most that a process has had in memory, in bytes; 0 where /proc does not
// tell.
func Peak(pid int) int64 { return memoryIn(read(pid, "status"), "VmHWM:") }

// CPU returns how long a process has worked so far, on all cores together; 0 where /proc does
// not tell.
func CPU(pid int) time.Duration { return cpuIn(read(pid, "stat")) }

// Files returns how many files, sockets among them, a process has open; 0 where /proc does
// not tell.
func Files(pid int) int {
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

func read(pid int, what string) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + what)
	if err != nil {
		return ""
	}
	return string(text)
}

// clockTick is the unit of the times in /proc; it is the same on all architectures.
const clockTick = time.Second / 100

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
