package embedded

import (
	"bufio"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// Variables of the process that is killed.
const (
	killedPath  = "EMBEDDED_TEST_KILLED_PATH"
	killedSync  = "EMBEDDED_TEST_KILLED_SYNC"
	killedRound = "EMBEDDED_TEST_KILLED_ROUND"
)

// TestKill kills a process that writes, at any moment, again and again on one file.
func TestKill(t *testing.T) {
	for _, sync := range []string{"full", "normal"} {
		t.Run(sync, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			l := &ledger{}
			for round := range rounds(10) {
				killOne(t, path, sync, round, l)
				holds(t, path, l.users, l.users)
			}
			if len(l.users) < rounds(10) {
				t.Errorf("only %d users were created", len(l.users))
			}
		})
	}
}

// killOne starts the process, notes what it says and kills it after some lines.
func killOne(t *testing.T, path, sync string, round int, l *ledger) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), killedPath+"="+path, killedSync+"="+sync, killedRound+"="+strconv.Itoa(round))
	stdin, err := cmd.StdinPipe() // its end ends the process, should we not get to kill it
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	after := 1 + rand.IntN(1500)
	n := 0
	for ; lines.Scan(); n++ {
		l.note(lines.Text())
		if n == after {
			cmd.Process.Kill() // what is in the pipe by now was said before
		}
	}
	cmd.Wait() // it was killed
	if n <= after {
		t.Errorf("the process ended by itself, its last line is %q", lines.Text())
	}
}

// TestKilled is the process that is killed: it does nothing in a usual run.
func TestKilled(t *testing.T) {
	path := os.Getenv(killedPath)
	if path == "" {
		t.Skip("it is run by TestKill")
	}
	s := openStore(t, Config{Path: path, Sync: os.Getenv(killedSync), Collections: []Definition{Users("/users")}})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	load(t.Context(), t, s, "k"+os.Getenv(killedRound), func(line string) { os.Stdout.WriteString(line + "\n") })
}

// TestSyncOfCommits asks SQLite itself how a commit is made durable.
func TestSyncOfCommits(t *testing.T) {
	for sync, want := range map[string]int64{"": 2, "full": 2, "normal": 1} {
		s := openStore(t, Config{Path: filepath.Join(t.TempDir(), "store.db"), Sync: sync, Collections: []Definition{Users("/users")}})
		if got := pragmaValue(t, s, "PRAGMA synchronous"); got != want {
			t.Errorf("sync %q: synchronous is %v, want %d", sync, got, want)
		}
		if got := pragmaValue(t, s, "PRAGMA journal_mode"); got != "wal" {
			t.Errorf("sync %q: journal_mode is %v, want wal", sync, got)
		}
	}
}
