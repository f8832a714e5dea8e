package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"user-manager/crud"
	"user-manager/jobs"
)

const mailsUnderWay = 16 // mails that are under way at once, at most

// A killedService is the built service on one store, killed and started again and again.
type killedService struct {
	t      *testing.T
	binary string
	store  *lasting
	env    []string
	p      *process
	rng    *rand.Rand
	users  int // in the crowd
	kills  int // during a job
}

func newKilledService(t *testing.T) *killedService {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and kills the service")
	}
	s := &killedService{t: t, binary: build(t), store: newLasting(t), rng: rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))}
	s.users, s.kills = amount(10_000, 3_000, 0), amount(10, 4, 0)
	s.env = append(s.store.env, "EMBEDDED_SYNC=normal", "USER_IMPORT_MAX_BYTES=100000000",
		"FAKE_OUTBOX_LIMIT=1000000", "AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND=100000")
	s.start()
	return s
}

func (s *killedService) start() {
	s.t.Helper()
	s.p = launch(s.t, s.binary, s.env...)
}

// kill ends the service as a power cut of its process would.
func (s *killedService) kill() {
	_ = s.p.cmd.Process.Kill()
	_ = s.p.cmd.Wait() // killed
	s.store.age()
}

// moments are when to kill: after so many of total are done, n times.
func (s *killedService) moments(n, total int) []int {
	var at []int
	for i := range n {
		at = append(at, (i*total+s.rng.IntN(total*9/10))/n)
	}
	return at
}

// ask makes a request and decodes the answer; an error is a service that is gone.
func (s *killedService) ask(method, path string, body io.Reader, media string, into any) (int, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.p.url+path, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", media)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return res.StatusCode, json.NewDecoder(res.Body).Decode(into)
}

// A shownJob is the answer to a request for a job, of either kind.
type shownJob struct {
	JobID    string
	Status   jobs.Status
	Summary  map[string]int
	Failures []any
	Progress struct{ Done, Total int }
}

// startJob asks for a job.
func (s *killedService) startJob(path string, ids any) string {
	s.t.Helper()
	body, err := json.Marshal(ids)
	if err != nil {
		s.t.Fatal(err)
	}
	var job shownJob
	if status, err := s.ask("POST", path, bytes.NewReader(body), "application/json", &job); status != 202 || err != nil {
		s.t.Fatalf("POST %s = %d, %v", path, status, err)
	}
	return path + "/" + job.JobID
}

// until waits until so many ids of a job have an outcome, or it is over.
func (s *killedService) until(job string, done int) shownJob {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(betweenLooks) {
		var got shownJob
		if status, err := s.ask("GET", job+"?progress=true", nil, "", &got); status != 200 || err != nil {
			s.t.Fatalf("GET %s = %d, %v", job, status, err)
		}
		if got.Progress.Done >= done || got.Status != jobs.Pending {
			return got
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("only %d of %d ids have an outcome", got.Progress.Done, got.Progress.Total)
		}
	}
}

// recorded are the outcomes in the store of a service that does not run, by id. Two of
// one id are reported.
func recorded(h *harness, job string) map[string]string {
	outcomes := map[string]string{}
	id := path.Base(job)
	parts := crud.Query{Filter: crud.Document{"type": "part", "jobId": id}, States: crud.AllStates}
	for part, err := range h.client.Collection("/jobs").All(h.t.Context(), parts) {
		if err != nil {
			h.t.Fatal(err)
		}
		for _, outcome := range part["outcomes"].([]any) {
			o := outcome.(map[string]any)
			id, result := o["id"].(string), o["result"].(string)
			if before, twice := outcomes[id]; twice {
				h.t.Errorf("%s has the outcomes %s and %s", id, before, result)
			}
			outcomes[id] = result
		}
	}
	return outcomes
}

// killDuring kills the service at random moments of a job and calls look with the store
// and the outcomes in it before each next start. It returns the job as it is at its end.
func (s *killedService) killDuring(job string, look func(h *harness, outcomes map[string]string)) shownJob {
	s.t.Helper()
	interrupted, before := 0, map[string]string{}
	for _, done := range s.moments(s.kills, s.users) {
		if s.until(job, done).Status == jobs.Pending {
			interrupted++
		}
		s.kill()
		h, closed := s.store.open()
		now := recorded(h, job)
		for id, outcome := range before {
			if now[id] != outcome {
				s.t.Errorf("the outcome of %s was %q and is %q after a kill", id, outcome, now[id])
			}
		}
		look(h, now)
		if err := closed(); err != nil {
			s.t.Fatal(err)
		}
		before = now
		s.start()
	}
	if interrupted < s.kills/2 {
		s.t.Errorf("only %d kills interrupted the job: the test shows little", interrupted)
	}
	return s.until(job, s.users+1)
}

// crowd is a CSV file of n users with addresses of their own.
func crowd(n int) string {
	var file strings.Builder
	file.WriteString("userGroup,email,username,name\n")
	for i := range n {
		fmt.Fprintf(&file, "customers,user%d@example.com,user%d,User %d\n", i, i, i)
	}
	return file.String()
}

// importCrowd imports the file; an error is a service that is gone.
func (s *killedService) importCrowd(file string) (fileReport, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "users.csv")
	if err != nil {
		s.t.Fatal(err)
	}
	_, _ = io.WriteString(part, file) // into memory
	_ = form.Close()
	var report fileReport
	status, err := s.ask("PATCH", "/users/import", &body, form.FormDataContentType(), &report)
	if err == nil && status != 200 {
		err = fmt.Errorf("import = %d", status)
	}
	return report, err
}

// TestKilledDuringBulkOperations takes a crowd through import, activation and mails, and
// kills the service in the middle of each, again and again. In the end everybody is
// there once, has one account and one outcome in each job, and was mailed.
func TestKilledDuringBulkOperations(t *testing.T) {
	t.Parallel()
	s := newKilledService(t)
	s.importKilled()
	s.mailKilled(s.activateKilled(s.userIDs()))
}

// importKilled imports a crowd, killed thrice, and then whole.
func (s *killedService) importKilled() {
	s.t.Helper()
	file := crowd(s.users)
	interrupted := 0
	for _, count := range s.moments(3, s.users) {
		ended := make(chan error, 1)
		go func() {
			_, err := s.importCrowd(file)
			ended <- err
		}()
		s.untilUsers(count)
		s.kill()
		if err := <-ended; err != nil {
			interrupted++
		}
		s.start()
	}
	if interrupted == 0 {
		s.t.Error("no kill interrupted the import: the test shows nothing")
	}
	report, err := s.importCrowd(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if report.rows() != s.users || len(report.Updated) != 0 || len(report.Invalid) == 0 {
		s.t.Errorf("the same file again: %d inserted, %d updated, %d invalid", len(report.Inserted), len(report.Updated), len(report.Invalid))
	}
}

// untilUsers waits until there are so many users.
func (s *killedService) untilUsers(count int) {
	s.t.Helper()
	n := 0
	for deadline := time.Now().Add(time.Minute); n < count; <-time.After(betweenLooks) {
		if status, err := s.ask("GET", "/users/count", nil, "", &n); status != 200 || err != nil {
			s.t.Fatalf("count = %d, %v", status, err)
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("only %d users are there", n)
		}
	}
}

// userIDs returns the ids of all users, each of whom is there once.
func (s *killedService) userIDs() []string {
	s.t.Helper()
	s.kill()
	h, closed := s.store.open()
	var ids []string
	addresses := map[any]bool{}
	for _, user := range h.all("/users") {
		ids = append(ids, user["_id"].(string))
		addresses[user["email"]] = true
	}
	if len(ids) != s.users || len(addresses) != s.users {
		s.t.Errorf("%d users with %d addresses, want %d", len(ids), len(addresses), s.users)
	}
	if err := closed(); err != nil {
		s.t.Fatal(err)
	}
	s.start()
	return ids
}

// activateKilled activates users and returns the ids of their accounts by address.
func (s *killedService) activateKilled(ids []string) map[string]string {
	s.t.Helper()
	var body []any
	for _, id := range ids {
		body = append(body, map[string]any{"filter": map[string]any{"userId": id}})
	}
	job := s.startJob("/jobs/bulk-activation", body)
	end := s.killDuring(job, func(h *harness, outcomes map[string]string) {
		for id, outcome := range outcomes {
			if outcome != "inserted" {
				s.t.Errorf("%s: %s", id, outcome)
			}
		}
	})
	want := map[string]int{"failed": 0, "updated": 0, "inserted": s.users, "total": s.users}
	if end.Status != jobs.Completed || !maps.Equal(end.Summary, want) || len(end.Failures) != 0 {
		s.t.Errorf("the activation is %s: %v, %d failures", end.Status, end.Summary, len(end.Failures))
	}
	s.p.awaitSettled(s.t)
	s.kill()
	h, closed := s.store.open()
	if got := recorded(h, job); len(got) != s.users {
		s.t.Errorf("%d users have an outcome", len(got))
	}
	accounts := s.accountsOf(h)
	if err := closed(); err != nil {
		s.t.Fatal(err)
	}
	s.store.checkPairs(s.users)
	s.start()
	return accounts
}

// accountsOf returns the ids of accounts by the address of their user, which must be
// theirs too.
func (s *killedService) accountsOf(h *harness) map[string]string {
	s.t.Helper()
	addresses, of := map[string]any{}, map[string]string{}
	for _, account := range h.all("/fake/accounts") {
		addresses[accountID(account)] = account["email"]
	}
	if len(addresses) != s.users {
		s.t.Errorf("%d accounts of %d users", len(addresses), s.users)
	}
	for _, user := range h.all("/users") {
		id, _ := user["authUserId"].(string)
		email, _ := user["email"].(string)
		if addresses[id] != email {
			s.t.Errorf("%s has the account of %v", email, addresses[id])
		}
		of[email] = id
	}
	return of
}

// mailKilled mails the owners of accounts. A mail whose outcome was in the store at a kill
// is not sent again; of the others, those that were under way may be.
func (s *killedService) mailKilled(accounts map[string]string) {
	s.t.Helper()
	job := s.startJob("/jobs/change-password/bulk", map[string]any{"authUsersIds": slices.Sorted(maps.Values(accounts))})
	settled := map[string]int{} // mails to those with an outcome, when it was first seen
	end := s.killDuring(job, func(h *harness, outcomes map[string]string) {
		sent := h.mails()
		for email, id := range accounts {
			if _, seen := settled[email]; !seen && outcomes[id] != "" {
				settled[email] = sent[email]
			}
		}
	})
	want := map[string]int{"failed": 0, "completed": s.users, "total": s.users}
	if end.Status != jobs.Completed || !maps.Equal(end.Summary, want) || len(end.Failures) != 0 {
		s.t.Errorf("the mails are %s: %v, %d failures", end.Status, end.Summary, len(end.Failures))
	}
	if err := s.p.stop(syscall.SIGTERM); err != nil {
		s.t.Errorf("exit after SIGTERM: %v\n%s", err, s.p.out)
	}
	h, closed := s.store.open()
	defer closed()
	sent, again := h.mails(), 0
	for email := range accounts {
		if n, seen := settled[email]; seen && n != sent[email] {
			s.t.Errorf("%s was mailed again though the outcome was kept: %d times, then %d", email, n, sent[email])
		}
		if n := sent[email]; n < 1 || n > 2 {
			s.t.Errorf("%s was mailed %d times", email, n)
		}
		again += sent[email] - 1
	}
	if again > s.kills*mailsUnderWay {
		s.t.Errorf("%d mails were sent twice, more than %d kills can have interrupted", again, s.kills)
	}
	if got := recorded(h, job); len(got) != s.users {
		s.t.Errorf("%d accounts have an outcome", len(got))
	}
}
