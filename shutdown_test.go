package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/jobs"
)

// A running service is one that run has started in this process.
type running struct {
	t       *testing.T
	url     string
	signals chan os.Signal
	lines   chan map[string]any // of its log; closed at its end
	ended   chan error
}

// startRun starts the service on a free port.
func startRun(t *testing.T, env map[string]string) *running {
	t.Helper()
	vars := map[string]string{"HTTP_PORT": "0", "EMBEDDED_PATH": ":memory:", "RANDOM_PWD_GEN": "false", "LOG_LEVEL": "info"}
	maps.Copy(vars, env)
	s := &running{t: t, signals: make(chan os.Signal), lines: make(chan map[string]any, 1000), ended: make(chan error, 1)}
	ctx, stop := context.WithCancel(t.Context())
	logs, stdout := io.Pipe()
	over := make(chan struct{})
	t.Cleanup(func() { stop(); <-over })
	go func() {
		s.ended <- run(ctx, nil, environment(vars), stdout, s.signals)
		stdout.Close()
	}()
	go func() {
		defer close(over)
		defer close(s.lines)
		for lines := bufio.NewScanner(logs); lines.Scan(); {
			var line map[string]any
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Errorf("log line %q: %v", lines.Text(), err)
			}
			s.lines <- line
		}
	}()
	s.url = fmt.Sprintf("http://%s", s.await("listening")["addr"])
	return s
}

// await returns the next line of the log with a message.
func (s *running) await(message string) map[string]any {
	s.t.Helper()
	for line := range s.lines {
		if line["msg"] == message {
			return line
		}
	}
	s.t.Fatalf("the service ended with %v and did not log %q", <-s.ended, message)
	return nil
}

// drains sends SIGTERM and waits until it has been heard; it returns the delay in the log.
func (s *running) drains() any {
	s.t.Helper()
	s.signals <- syscall.SIGTERM
	return s.await("not ready any more, stopping soon")["delay"]
}

// end waits for the end of the service, which has to be a good one.
func (s *running) end() {
	s.t.Helper()
	s.await("stopped")
	if err := <-s.ended; err != nil {
		s.t.Errorf("run ended with %v", err)
	}
}

// ask makes a request; a body is JSON. leaves: the connection is not used again.
func (s *running) ask(method, path, body string) (status int, leaves bool, answer string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, res.Close, string(text)
}

const newCustomer = `{"userGroup":"customers","username":%q,"email":"%[1]s@example.com","password":"correct horse"}`

func TestServesOnWhileItIsAboutToStop(t *testing.T) {
	t.Parallel()
	s := startRun(t, map[string]string{"DELAY_SHUTDOWN_SECONDS": "3600"})
	if status, _, answer := s.ask("GET", "/-/ready", ""); status != 200 {
		t.Errorf("ready = %d %s", status, answer)
	}
	if got := s.drains(); got != "1h0m0s" {
		t.Errorf("the log has the delay %v", got)
	}
	status, leaves, answer := s.ask("GET", "/-/ready", "")
	var ready struct{ Name, Status, Message string }
	if err := json.Unmarshal([]byte(answer), &ready); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(struct{ Name, Status, Message string }{"user-manager", "KO", "the service is stopping"}, ready); status != 503 || diff != "" {
		t.Errorf("ready = %d (-want +got):\n%s", status, diff)
	}
	if !leaves {
		t.Error("an answer does not have Connection: close, so clients stay")
	}
	if status, _, answer := s.ask("GET", "/-/healthz", ""); status != 200 {
		t.Errorf("healthz = %d %s", status, answer)
	}
	if status, _, answer := s.ask("POST", "/users/", fmt.Sprintf(newCustomer, "ann")); status != 200 {
		t.Errorf("a user is not created any more: %d %s", status, answer)
	}
	s.signals <- syscall.SIGHUP // no file is to be read again
	s.end()
}

// TestSIGHUP: with files to read again the service goes on, and without it ends as it does at
// SIGINT, also while it is about to stop; but for one that was to outlive its terminal.
func TestSIGHUP(t *testing.T) {
	t.Parallel()
	certified := newCertificateFiles(t, 1, time.Now().AddDate(1, 0, 0)).env()
	file := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(file, []byte(firstKey), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, test := range map[string]struct {
		env    map[string]string
		nohup  bool
		before []os.Signal
		ends   bool
	}{
		"nothing to read":                {nil, false, nil, true},
		"keys of the environment":        {map[string]string{"API_KEYS": firstKey}, false, nil, true},
		"nothing to read, about to stop": {nil, false, []os.Signal{syscall.SIGTERM}, true},
		"nothing to read, nohup":         {nil, true, nil, false},
		"nohup, about to stop":           {nil, true, []os.Signal{syscall.SIGTERM}, false},
		"a file of keys":                 {map[string]string{"API_KEYS_FILE": file}, false, nil, false},
		"a file of keys, nohup":          {map[string]string{"API_KEYS_FILE": file}, true, nil, false},
		"a certificate":                  {certified, false, nil, false},
		"a certificate, about to stop":   {certified, false, []os.Signal{syscall.SIGTERM}, false},
		"a certificate, twice":           {certified, false, []os.Signal{syscall.SIGHUP}, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			cfg, err := loadConfig(environment(test.env))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				life := newLife(cfg, stop, testLog(t))
				life.nohup = test.nohup
				signals := make(chan os.Signal)
				go life.obey(ctx, signals) // ends with ctx
				for _, s := range append(test.before, syscall.SIGHUP) {
					signals <- s
				}
				synctest.Wait()
				if ends := ctx.Err() != nil; ends != test.ends {
					t.Errorf("it ends: %v, want %v", ends, test.ends)
				}
				if got, want := len(life.reload), cfg.access.readsFiles(); got == 1 != want {
					t.Errorf("%d are to be read again, want any: %v", got, want)
				}
			})
		})
	}
}

// TestEndsWithItsTerminal sends the built service what a terminal does that is closed.
func TestEndsWithItsTerminal(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the service")
	}
	if nohup {
		t.Skip("nohup started the tests, and the service with them")
	}
	t.Parallel()
	p := launch(t, build(t), newLasting(t).env...)
	if err := p.stop(syscall.SIGHUP); err != nil {
		t.Errorf("exit after SIGHUP: %v\n%s", err, p.out)
	}
}

// TestFinishesWhatIsUnderWay stops the service while a request arrives, which is answered
// all the same.
func TestFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s := startRun(t, nil)
	body, rest := io.Pipe()
	type answer struct {
		status int
		err    error
	}
	answered := make(chan answer, 1)
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/users/", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue") // the body is sent once the service reads it
	go func() {
		res, err := (&http.Transport{ExpectContinueTimeout: time.Hour}).RoundTrip(req)
		if err != nil {
			answered <- answer{0, err}
			return
		}
		res.Body.Close()
		answered <- answer{res.StatusCode, nil}
	}()
	user := fmt.Sprintf(newCustomer, "ann")
	_, _ = io.WriteString(rest, user[:20]) // an error shows in the answer
	s.signals <- os.Interrupt
	if got := s.await("stopping")["requests"]; got != 1.0 {
		t.Errorf("the log has %v requests under way", got)
	}
	_, _ = io.WriteString(rest, user[20:])
	rest.Close()
	if got := <-answered; got.err != nil || got.status != 200 {
		t.Errorf("the request under way got %d, %v", got.status, got.err)
	}
	s.end()
}

// TestKeepsJobs stops the service during a job, which the next start completes: every mail
// is sent, and none twice.
func TestKeepsJobs(t *testing.T) {
	t.Parallel()
	inProcessOnly(t, "the fake's accounts are in the file")
	file := filepath.Join(t.TempDir(), "users.db")
	env := map[string]string{"EMBEDDED_PATH": file, "DELAY_SHUTDOWN_SECONDS": "0", "AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND": "0.001"}
	s := startRun(t, env)
	for i := range 5 {
		if status, _, answer := s.ask("POST", "/users/?sendResetPwdEmail=false", fmt.Sprintf(newCustomer, fmt.Sprintf("user-%d", i))); status != 200 {
			t.Fatalf("create = %d %s", status, answer)
		}
	}
	var users []struct{ AuthUserID string }
	if status, _, answer := s.ask("GET", "/users/", ""); status != 200 || json.Unmarshal([]byte(answer), &users) != nil {
		t.Fatalf("users = %d %s", status, answer)
	}
	var accounts []string
	for _, user := range users {
		accounts = append(accounts, user.AuthUserID)
	}
	list, err := json.Marshal(map[string]any{"authUsersIds": accounts})
	if err != nil {
		t.Fatal(err)
	}
	status, _, answer := s.ask("POST", "/jobs/change-password/bulk", string(list))
	var job shownJob
	if err := json.Unmarshal([]byte(answer), &job); status != 202 || err != nil {
		t.Fatalf("start the job = %d %s, %v", status, answer, err)
	}
	s.untilJob(job.JobID, func(j shownJob) bool { return j.Progress.Done > 0 })
	s.signals <- syscall.SIGTERM
	if got := s.await("stopping")["jobs"]; got != 1.0 {
		t.Errorf("the log has %v jobs under way", got)
	}
	s.end()

	env["AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND"] = "1000"
	s = startRun(t, env)
	s.untilJob(job.JobID, func(j shownJob) bool { return j.Status != jobs.Pending })
	status, _, answer = s.ask("GET", "/fake/outbox", "")
	var mails []struct{ To string }
	if err := json.Unmarshal([]byte(answer), &mails); status != 200 || err != nil {
		t.Fatalf("outbox = %d %s, %v", status, answer, err)
	}
	sent := map[string]int{}
	for _, mail := range mails {
		sent[mail.To]++
	}
	want := map[string]int{}
	for i := range 5 {
		want[fmt.Sprintf("user-%d@example.com", i)] = 1
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	s.signals <- os.Interrupt
	s.end()
}

// untilJob waits until a job of mails is as it should be.
func (s *running) untilJob(id string, is func(shownJob) bool) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(betweenLooks) {
		status, _, answer := s.ask("GET", "/jobs/change-password/bulk/"+id+"?progress=true", "")
		var job shownJob
		if err := json.Unmarshal([]byte(answer), &job); status != 200 || err != nil {
			s.t.Fatalf("the job = %d %s, %v", status, answer, err)
		}
		if is(job) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the job does not come on: %s", answer)
		}
	}
}

// TestEndsWhileItOpens stops the service while it waits for its store: it does not begin to
// serve.
func TestEndsWhileItOpens(t *testing.T) {
	t.Parallel()
	url, asked := silent(t)
	env := atStore(url)
	env["HTTP_PORT"], env["DELAY_SHUTDOWN_SECONDS"] = "0", "0"
	signals := make(chan os.Signal, 1)
	go func() { <-asked; signals <- syscall.SIGTERM }()
	var log bytes.Buffer
	if err := run(t.Context(), nil, environment(env), &log, signals); err != nil {
		t.Errorf("run ended with %v", err)
	}
	if lines := log.String(); !strings.Contains(lines, `"stopped"`) || strings.Contains(lines, `"listening"`) {
		t.Errorf("the log:\n%s", lines)
	}
}

// TestExitsWithNothingWrong sends the built service a real signal.
func TestExitsWithNothingWrong(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the service")
	}
	t.Parallel()
	p := launch(t, build(t), append(newLasting(t).env, "DELAY_SHUTDOWN_SECONDS=1")...)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for status := 200; status == 200; <-time.After(betweenLooks) {
		res, err := http.Get(p.url + "/-/ready")
		if err != nil {
			t.Fatalf("it does not go on for a while: %v", err)
		}
		res.Body.Close()
		status = res.StatusCode
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("exit after SIGTERM: %v\n%s", err, p.out)
	}
}
