package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/internal/logtest"
)

// A process is the built service, running.
type process struct {
	cmd *exec.Cmd
	url string
	out *bytes.Buffer // its standard error; read once the process is over
}

// build returns the binary of the service. Over connections that of the tests is it, see
// asService.
func build(t *testing.T) string {
	t.Helper()
	if *network {
		binary, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		return binary
	}
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// built builds the service once for all tests, in a folder that TestMain removes.
var built = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(buildFolder, "user-manager")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

// launch starts the service on a free port and waits until it listens.
func launch(t *testing.T, binary string, env ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), binary), out: &bytes.Buffer{}}
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append([]string{"HTTP_PORT=0", "DELAY_SHUTDOWN_SECONDS=0", "PATH=" + os.Getenv("PATH")}, env...)
	if *network {
		p.cmd.Env = append(p.cmd.Env, asService+"=1", "AUTH_MODULE=fake-beside")
	}
	p.cmd.Stderr = p.out
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() }) // it may be over
	lines := bufio.NewScanner(stdout)
	for p.url == "" && lines.Scan() {
		var line struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
			p.url = "http://" + line.Addr
		}
	}
	if p.url == "" {
		_ = p.cmd.Wait()
		t.Fatalf("the service does not listen: %s", p.out)
	}
	go logtest.For(t).Lines(stdout) // ends with the process
	return p
}

// betweenLooks is the pause between two looks at a service that is a process of its own:
// without it they would take one of two cores away from it.
const betweenLooks = 5 * time.Millisecond

// stop ends the process with a signal and returns how it exited.
func (p *process) stop(signal syscall.Signal) error {
	_ = p.cmd.Process.Signal(signal)
	return p.cmd.Wait()
}

// awaitSettled waits until the service has settled what the last one left.
func (p *process) awaitSettled(t *testing.T) {
	t.Helper()
	// over connections a process counts as gone after a minute
	for deadline := time.Now().Add(depending(30*time.Second, 3*time.Minute)); time.Now().Before(deadline); <-time.After(betweenLooks) {
		res, err := http.Get(p.url + "/-/check-up")
		if err != nil {
			t.Fatal(err)
		}
		var status struct{ UnsettledOperations int }
		err = json.NewDecoder(res.Body).Decode(&status)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if status.UnsettledOperations == 0 {
			return
		}
	}
	t.Error("what the last process left is not settled")
}

func post(url, body string) (int, string, error) {
	res, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(answer), err
}

// TestKilledWhileCreating kills the service under concurrent creations, again and
// again. After the next start every acknowledged user is there and can log in, and
// every user has its account and every account its user.
func TestKilledWhileCreating(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and kills the service")
	}
	t.Parallel()
	binary, store := build(t), newLasting(t)
	env := append(store.env, "RANDOM_PWD_GEN=false")
	var mu sync.Mutex
	var acknowledged []string // names; guarded by mu
	const rounds, creators = 4, 16
	interrupted := 0
	for round := range rounds {
		p := launch(t, binary, env...)
		until := int64(30 + 25*round)
		var created atomic.Int64
		var g errgroup.Group
		for creator := range creators {
			g.Go(func() error {
				for i := 0; ; i++ {
					name := fmt.Sprintf("user-%d-%d-%d", round, creator, i)
					status, answer, err := post(p.url+"/users/", `{"userGroup":"customers","username":"`+name+`","email":"`+name+`@example.com","password":"correct horse"}`)
					if err != nil {
						return nil // killed
					}
					if status != http.StatusOK {
						return fmt.Errorf("create = %d %s", status, answer)
					}
					mu.Lock()
					acknowledged = append(acknowledged, name)
					mu.Unlock()
					if created.Add(1) == until {
						_ = p.cmd.Process.Kill()
					}
				}
			})
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		_ = p.cmd.Wait() // killed
		interrupted += store.left()
	}
	if interrupted == 0 {
		t.Error("no kill interrupted an operation: the test shows nothing")
	}
	if !*everyCall {
		store.age() // over connections the dead count as gone only after a minute
	}
	p := launch(t, binary, env...)
	p.awaitSettled(t)
	for _, name := range acknowledged {
		status, answer, err := post(p.url+"/oauth/token", `{"username":"`+name+`","password":"correct horse"}`)
		if err != nil || status != http.StatusOK {
			t.Errorf("log in of an acknowledged user = %d %s, %v", status, answer, err)
		}
	}
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Errorf("exit after SIGTERM: %v\n%s", err, p.out)
	}
	store.checkPairs(len(acknowledged))
}

// left returns how many operations the journal notes.
func (s *lasting) left() int {
	s.t.Helper()
	h, done := s.open()
	defer done()
	return len(h.notes())
}

// checkPairs reports every user without its account and every account without its user.
func (s *lasting) checkPairs(least int) {
	t := s.t
	t.Helper()
	h, done := s.open()
	defer done()
	users, accounts := map[string]bool{}, map[string]bool{}
	for _, user := range h.all("/users") {
		id, _ := user["authUserId"].(string)
		users[id] = true
	}
	for _, account := range h.all("/fake/accounts") {
		accounts[accountID(account)] = true
	}
	for id := range users {
		if !accounts[id] {
			t.Errorf("user with authUserId %q has no account", id)
		}
	}
	for id := range accounts {
		if !users[id] {
			t.Errorf("account %q has no user", id)
		}
	}
	if len(users) < least {
		t.Errorf("%d users, but %d were acknowledged", len(users), least)
	}
}
