package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/jobs"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/providers/providertest"
	"user-manager/upstream/faults"
)

// sights are how the service may see the provider: as an importer or not.
var sights = map[string]func(providers.Provider, *faults.Plan) providers.Provider{
	"in bulk":    providertest.NewFaultyImporter,
	"one by one": oneByOne,
}

// A bulkJob is a job that is tried with every fault at every upstream call, from the
// request for it to its end.
type bulkJob struct {
	kind, path string
	env        map[string]string
	prepare    func(h *harness)
	body       string
}

// bulkJobs are an activation of users of every sort, and mails to owners of accounts.
var bulkJobs = map[string]bulkJob{
	"activation": {kind: activationKind, path: "/jobs/bulk-activation", prepare: manySorts,
		body: `[{"filter":{"userId":"<id1>"}},{"filter":{"userId":"<id2>"}},{"filter":{"userId":"<id3>"}},{"filter":{"userId":"<id4>"}},
			{"filter":{"userId":"<id5>"}},{"filter":{"userId":"<id6>"}},{"filter":{"userId":"<id7>"}},{"filter":{"userId":"ffffffffffffffffffffffff"}}]`},
	"mails": {kind: mailKind, path: "/jobs/change-password/bulk", prepare: threeAccounts,
		body: `{"authUsersIds":["fake|<id2>","fake|<id4>","fake|ffffffffffffffffffffffff","fake|<id6>"]}`},
}

// manySorts makes users without accounts, of which <id2> is blocked and <id3> is in
// DRAFT; <id4>, whose account has another address; <id5>, whose account is gone; <id6>,
// whose address is that of the account of <id8>; and <id7> of a group without accounts.
func manySorts(h *harness) {
	later := "POST /users/?postponeAuthUserCreation=true"
	h.mustAll(
		later+` {"userGroup":"customers","email":"one@example.com","username":"one"}`,
		later+` {"userGroup":"customers","email":"two@example.com","blocked":true}`,
		later+` {"userGroup":"customers","email":"three@example.com"}`,
		noMail+` {"userGroup":"customers","email":"four@example.com"}`,
		noMail+` {"userGroup":"customers","email":"five@example.com"}`,
		later+` {"userGroup":"customers","email":"six@example.com"}`,
		`POST /users/ {"userGroup":"contacts","name":"Seven"}`,
		noMail+` {"userGroup":"customers","email":"eight@example.com"}`,
		`POST /users/state [{"filter":{"_id":"<id3>"},"stateTo":"DRAFT"}]`,
		`PATCH /crud/users/<id4> {"$set":{"email":"fourth@example.com"}}`,
		`PATCH /crud/users/<id8> {"$set":{"email":"eighth@example.com"}}`,
		`PATCH /crud/users/<id6> {"$set":{"email":"eight@example.com"}}`,
	)
	h.removeAccount("five@example.com")
}

// threeAccounts makes users, and <id2>, <id4> and <id6> the ids of their accounts.
func threeAccounts(h *harness) {
	for i, name := range []string{"one", "two", "three"} {
		h.mustAll(noMail+` {"userGroup":"customers","email":"`+name+`@example.com"}`, fmt.Sprintf("GET /users/?_p=authUserId&_sk=%d", i))
	}
}

// mustAll makes requests, each "POST /path body", that have to succeed.
func (h *harness) mustAll(requests ...string) {
	h.t.Helper()
	for _, request := range requests {
		method, rest, _ := strings.Cut(request, " ")
		path, body, _ := strings.Cut(rest, " ")
		h.must(method, path, body)
	}
}

// removeAccount removes an account behind the service's back.
func (h *harness) removeAccount(email string) {
	h.t.Helper()
	if h.tenant != nil {
		for id, account := range h.accounts() {
			if account["email"] == email {
				if err := h.provider.Delete(h.t.Context(), id); err != nil {
					h.t.Fatal(err)
				}
			}
		}
		return
	}
	q := crud.Query{Filter: crud.Document{"email": email}, States: crud.AllStates}
	if n, err := h.client.Collection("/fake/accounts").DeleteAll(h.t.Context(), q); err != nil || n != 1 {
		h.t.Fatalf("%d accounts removed, %v", n, err)
	}
}

// pass lets the service run for a while, with its jobs.
func (h *harness) pass(d time.Duration) { h.runJobs(func() { <-time.After(d) }) }

// runJobs does f while the service runs, with its jobs.
func (h *harness) runJobs(f func()) {
	h.t.Helper()
	ctx, stop := context.WithCancel(h.t.Context())
	var g errgroup.Group
	g.Go(func() error { return h.api.users.Run(ctx) })
	g.Go(func() error { return h.api.jobs.Run(ctx) })
	defer func() {
		stop()
		if err := g.Wait(); err != nil {
			h.t.Error(err)
		}
		h.resigned()
	}()
	f()
}

// awaitJobs waits, on the bubble's clock, until no job is open, and reports whether that
// came to be; the service has to run.
func (h *harness) awaitJobs(longest time.Duration) bool {
	h.t.Helper()
	open := crud.Query{Filter: crud.Document{"type": "job", "status": jobs.Pending}, States: crud.AllStates}
	for end := time.Now().Add(longest); ; <-time.After(time.Second) {
		n, err := h.client.Collection("/jobs").Count(h.t.Context(), open)
		if err != nil {
			h.t.Fatal(err)
		}
		if n == 0 || time.Now().After(end) {
			return n == 0
		}
	}
}

// An ended is what came of a job: of each id, its outcome.
type ended map[string]string

// end reads the one job that there is to be and what came of it, beside the plan.
func (h *harness) end(b bulkJob) ended {
	h.t.Helper()
	h.plan.Heal()
	job, err := h.api.jobs.Job(h.t.Context(), b.kind, h.seen.fill("<job1>"))
	if err != nil {
		h.t.Fatal(err)
	}
	outcomes, sum := ended{}, 0
	for o, err := range h.api.jobs.Outcomes(h.t.Context(), job) {
		if err != nil {
			h.t.Fatal(err)
		}
		text := o.Result
		for _, problem := range o.Problems {
			text += " " + problem.Code + ": " + problem.Message
		}
		if before, twice := outcomes[h.seen.hide(o.ID)]; twice {
			h.t.Errorf("%s has two outcomes, %s and %s", h.seen.hide(o.ID), before, text)
		}
		outcomes[h.seen.hide(o.ID)] = text
	}
	for _, n := range job.Counts {
		sum += n
	}
	if job.Status != jobs.Completed || job.Done != job.Total || sum != job.Total || len(outcomes) != job.Total {
		h.t.Errorf("the job is %s: %d of %d ids are done, the counts are %v, and %d have an outcome", job.Status, job.Done, job.Total, job.Counts, len(outcomes))
	}
	return outcomes
}

// inOrder returns w with its accounts in an order that does not depend on when they
// were made.
func (w world) inOrder() world {
	slices.SortFunc(w.Accounts, func(a, b crud.Document) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return w
}

// checkPairing reports users whose authUserId is of no account, accounts of no user or of
// several, and accounts that can log in and must not.
func (h *harness) checkPairing() {
	h.t.Helper()
	h.checkBelonging()
	owners := map[string]int{}
	for _, user := range h.all("/users") {
		id, _ := user["authUserId"].(string)
		owners[id]++
	}
	for id, account := range h.accounts() {
		if n := owners[id]; n != 1 {
			h.t.Errorf("the account of %v has %d users", account["email"], n)
		}
	}
	if err := h.failClosed(false); err != nil {
		h.t.Error(err)
	}
}

// mails counts the mails in the outbox by their address.
func (h *harness) mails() map[string]int {
	counts := map[string]int{}
	if h.tenant != nil {
		for _, to := range h.tenant.Mails() {
			counts[to]++
		}
		return counts
	}
	for _, mail := range h.all("/fake/outbox") {
		counts[fmt.Sprint(mail["to"])]++
	}
	return counts
}

// A bulkResult is what a job leaves.
type bulkResult struct {
	outcomes ended
	world    world
	mails    map[string]int
}

// start prepares a harness for the job.
func (b bulkJob) start(t *testing.T, sight string) *harness {
	t.Helper()
	env := map[string]string{"AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND": "1000"}
	maps.Copy(env, b.env)
	var h *harness
	if sight == atATenant {
		h = newTenantHarness(t, env, auth0test.Config{ImportRate: 1, IndexLag: time.Second})
	} else {
		h = newHarnessWith(t, env, sights[sight])
	}
	b.prepare(h)
	h.plan.Reset()
	return h
}

func (b bulkJob) request(h *harness) reply {
	return h.call("POST", b.path, strings.ReplaceAll(b.body, "fake|", h.idPrefix()))
}

// carriedOut runs the job with nothing going wrong.
func (b bulkJob) carriedOut(t *testing.T, sight string) (calls []string, want bulkResult) {
	h := b.start(t, sight)
	if got := b.request(h); got.status != 202 {
		t.Fatalf("POST %s = %d %s", b.path, got.status, got.body)
	}
	h.runJobs(func() { h.awaitJobs(time.Hour) })
	calls = h.plan.Calls()
	return calls, b.result(h)
}

// result reads what the job leaves once everything is settled.
func (b bulkJob) result(h *harness) bulkResult {
	h.t.Helper()
	h.settle()
	h.checkPairing()
	return bulkResult{h.end(b), h.world().inOrder(), h.mails()}
}

// TestEveryFaultOfAJob fails each upstream call of a job in each way, from the request
// for it to its end. In the end every user has the outcome that it has when nothing goes
// wrong, users and accounts are as they are then, and no mail is sent twice whose answer
// came.
func TestEveryFaultOfAJob(t *testing.T) {
	t.Parallel()
	for name, b := range bulkJobs {
		for sight := range sights {
			if b.kind == mailKind && sight != "in bulk" {
				continue // mails are the same
			}
			t.Run(name+" "+sight, func(t *testing.T) {
				t.Parallel()
				b.tryFaults(t, sight, "")
			})
		}
	}
}

// tryFaults tries those that are picked of every fault at every call whose name begins with
// prefix.
func (b bulkJob) tryFaults(t *testing.T, sight, prefix string) {
	var calls []string
	var want bulkResult
	synctest.Test(t, func(t *testing.T) { calls, want = b.carriedOut(t, sight) })
	picked := inJobs.picked(0)
	for n, call := range calls {
		if !strings.HasPrefix(call, prefix) {
			continue
		}
		for _, c := range faultCases(n + 1) {
			if !picked() {
				continue
			}
			t.Run(fmt.Sprintf("%d %s, %s", n+1, strings.ReplaceAll(call, "/", "_"), c.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { b.checkFault(t, sight, n+1, c, want) })
			})
		}
	}
}

// atATenant is the sight of a service whose provider is a tenant of Auth0.
const atATenant = "at a tenant"

// TestEveryFaultOfAJobAtATenant is TestEveryFaultOfAJob with the requests to a tenant.
func TestEveryFaultOfAJobAtATenant(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	for name, b := range bulkJobs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b.tryFaults(t, atATenant, "Auth0 ")
		})
	}
}

// A faultCase is a way in which a call fails, and perhaps the calls after it.
type faultCase struct {
	name   string
	fault  faults.Fault
	arm    func(*faults.Plan)
	lasts  bool          // until the test heals it
	repeat bool          // the work may be done although its answer is lost
	heal   time.Duration // after which nothing goes wrong any more; 0: at the end
	late   time.Duration // after which late work is done
}

func faultCases(n int) []faultCase {
	var all []faultCase
	for _, fault := range faults.All() {
		c := faultCase{fault: fault, name: fault.String(), arm: func(p *faults.Plan) { p.Arm(n, fault) }, repeat: fault == faults.DropAnswer || fault == faults.Late}
		all = append(all, c)
	}
	all = append(all, faultCase{fault: faults.Late, name: "work done 10s late", arm: func(p *faults.Plan) { p.Arm(n, faults.Late) }, repeat: true, late: 10 * time.Second})
	if n%2 == 0 {
		return all
	}
	for fault, heal := range map[faults.Fault]time.Duration{faults.Refuse500: 20 * time.Second, faults.Refuse429: 2 * time.Minute, faults.DropAnswer: 20 * time.Second} {
		c := faultCase{fault: fault, name: fmt.Sprintf("from there on for %v, %s", heal, fault), arm: func(p *faults.Plan) { p.ArmFrom(n, fault) }, heal: heal}
		c.repeat = fault == faults.DropAnswer || heal > time.Minute // beyond the lease, what was not recorded is done again
		all = append(all, c)
	}
	return all
}

func (b bulkJob) checkFault(t *testing.T, sight string, n int, c faultCase, want bulkResult) {
	h := b.start(t, sight)
	c.arm(h.plan)
	first := b.request(h)
	if first.status != 202 {
		checkErrorBody(t, first)
		h.plan.Heal()
		if got := b.request(h); got.status != 202 {
			t.Fatalf("made again = %d %s, after %d %s", got.status, got.body, first.status, first.body)
		}
	}
	over := false
	h.runJobs(func() {
		if c.late > 0 {
			<-time.After(c.late)
			h.plan.Deliver()
		}
		if c.heal > 0 {
			<-time.After(c.heal)
			h.plan.Heal()
		}
		over = h.awaitJobs(time.Hour)
	})
	calls := h.plan.Calls()
	h.plan.Heal()
	h.plan.Deliver()
	if !over { // an import may take as long as it likes, until the service is started anew
		if i := n - 1; c.fault != faults.Timeout || !slices.Contains(calls[i:], "Auth Import") {
			t.Error("the job is still open after an hour")
		}
		h.runJobs(func() { h.awaitJobs(time.Hour) })
	}
	got := b.result(h)
	h.checkMails(got, want, calls, n, c)
	got.mails = want.mails
	if diff := gocmp.Diff(want, got, gocmp.AllowUnexported(bulkResult{})); diff != "" {
		t.Errorf("what the job leaves (-without a fault +with it):\n%s", diff)
	}
}

// checkMails reports mails that did not go out, or went out twice though no answer of the
// provider was lost.
func (h *harness) checkMails(got, want bulkResult, calls []string, n int, c faultCase) {
	h.t.Helper()
	lossy := c.repeat && (c.heal > 0 || n <= len(calls) && isMail(calls[n-1]))
	for to := range want.mails {
		if sent := got.mails[to]; sent < 1 || sent > 1 && !lossy {
			h.t.Errorf("%d mails were sent to %s", sent, to)
		}
	}
	if len(got.mails) != len(want.mails) {
		h.t.Errorf("mails to %v, want to %v", slices.Collect(maps.Keys(got.mails)), slices.Collect(maps.Keys(want.mails)))
	}
}

// TestEveryFaultOfReadingAJob fails each upstream call of the requests that read a job:
// the answer is the job, or an error, and the same request made again gives the job.
func TestEveryFaultOfReadingAJob(t *testing.T) {
	t.Parallel()
	for name, b := range bulkJobs {
		for _, over := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, completed %v", name, over), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := b.start(t, "in bulk")
					b.request(h)
					if over {
						h.runJobs(func() { h.awaitJobs(time.Hour) })
					}
					read := func() reply { return h.call("GET", b.path+"/<job1>", "") }
					h.plan.Reset()
					want := read()
					for n := range h.plan.Calls() {
						for _, fault := range faults.All() {
							h.plan.Reset()
							h.plan.Arm(n+1, fault)
							if got := read(); got.status > 299 {
								checkErrorBody(t, got)
							} else if got.body != want.body {
								t.Errorf("with %v at call %d = %d %s, want %s", fault, n+1, got.status, got.body, want.body)
							}
							h.plan.Heal()
							if got := read(); got.status != want.status || got.body != want.body {
								t.Errorf("made again after %v at call %d = %d %s, want %s", fault, n+1, got.status, got.body, want.body)
							}
						}
					}
				})
			})
		}
	}
}

// TestRandomFaultsOfAJob activates thirty users while a tenth of the calls fail. In the
// end each has one outcome, each account one user, and nobody can log in who must not.
func TestRandomFaultsOfAJob(t *testing.T) {
	t.Parallel()
	for seed := range amount(200, depending(14, 6), 2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomJob(t, rand.New(rand.NewPCG(uint64(seed), 7))) })
		})
	}
}

func randomJob(t *testing.T, rng *rand.Rand) {
	sight := slices.Sorted(maps.Keys(sights))[rng.IntN(len(sights))]
	b := bulkJob{kind: activationKind, path: "/jobs/bulk-activation", prepare: func(h *harness) { h.addUsers(30, rng) }, body: activationOf(30)}
	h := b.start(t, sight)
	some := faults.All()
	if sight == "in bulk" { // an import that has no answer ends when the service does
		some = slices.DeleteFunc(some, func(f faults.Fault) bool { return f == faults.Timeout })
	}
	for range 20 {
		h.plan.Arm(1+rng.IntN(150), some[rng.IntN(len(some))])
	}
	got := b.request(h)
	for got.status != 202 {
		checkErrorBody(t, got)
		got = b.request(h)
	}
	h.runJobs(func() {
		for range rng.IntN(4) {
			<-time.After(time.Duration(rng.IntN(20)) * time.Second)
			h.plan.Deliver()
		}
		for range 180 { // an hour
			if h.awaitJobs(20 * time.Second) {
				break
			}
			h.plan.Deliver()
		}
	})
	h.plan.Heal()
	h.plan.Deliver()
	h.settle()
	h.checkPairing()
	failed := 0
	for id, outcome := range h.end(b) {
		switch {
		case strings.Contains(outcome, "UPSTREAM_UNAVAILABLE"): // six tries failed while others succeeded
			failed++
		case outcome != "inserted" && outcome != "updated":
			t.Errorf("%s %s: %s", sight, id, outcome)
		}
	}
	without := 0
	for _, user := range h.world().Users {
		if user["account"] != true {
			without++
		}
	}
	if without > failed {
		t.Errorf("%d users have no account, %d failed", without, failed)
	}
}

// addUsers adds n users, <id1> and so on; some have an account, some may not log in.
func (h *harness) addUsers(n int, rng *rand.Rand) {
	h.t.Helper()
	for i := range n {
		path := "POST /users/?postponeAuthUserCreation=true"
		if rng.IntN(5) == 0 {
			path = noMail
		}
		h.mustAll(fmt.Sprintf(`%s {"userGroup":"customers","email":"user%d@example.com","blocked":%v}`, path, i, rng.IntN(5) == 0))
	}
}

// activationOf is the body of an activation of <id1> to <idn>.
func activationOf(n int) string {
	var entries []map[string]any
	for i := range n {
		entries = append(entries, map[string]any{"filter": map[string]any{"userId": fmt.Sprintf("<id%d>", i+1)}})
	}
	var body strings.Builder
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(entries) // maps and texts
	return body.String()
}

// TestActivationWithoutProvider lets the provider alone fail, from one of its calls on,
// longer than a job waits for it. Every user has one outcome then, nothing is left half
// done, and the same activation completes once the provider is back.
func TestActivationWithoutProvider(t *testing.T) {
	t.Parallel()
	for _, sight := range slices.Sorted(maps.Keys(sights)) {
		picked := density{2, 7, 11}.picked(0)
		for _, fault := range []faults.Fault{faults.Refuse500, faults.Unreachable, faults.DropAnswer, faults.Late, faults.Timeout} {
			for _, from := range []int{1, 3, 8} {
				if !picked() {
					continue
				}
				t.Run(fmt.Sprintf("%s, %v from call %d on", sight, fault, from), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { withoutProvider(t, sight, fault, from) })
				})
			}
		}
	}
}

func withoutProvider(t *testing.T, sight string, fault faults.Fault, from int) {
	h, provider := providerApart(t, sight)
	const n = 12
	h.addUsers(n, rand.New(rand.NewPCG(uint64(from), 3)))
	provider.Reset()
	provider.ArmFrom(from, fault)
	h.must("POST", activations, activationOf(n))
	over := false
	h.runJobs(func() { over = h.awaitJobs(time.Hour) })
	provider.Heal()
	provider.Deliver()
	if !over { // an import that has no answer ends when the service does
		h.runJobs(func() { over = h.awaitJobs(time.Hour) })
	}
	h.settle()
	h.checkPairing()
	h.must("POST", activations, activationOf(n))
	h.runJobs(func() { h.awaitJobs(time.Hour) })
	h.settle()
	h.checkPairing()
	for _, job := range []string{"<job1>", "<job2>"} {
		var got shownJob
		if err := json.Unmarshal([]byte(h.must("GET", activations+"/"+job, "").body), &got); err != nil {
			t.Fatal(err)
		}
		s := got.Summary
		if s["total"] != n || s["failed"]+s["updated"]+s["inserted"] != n || len(got.Failures) != s["failed"] || job == "<job2>" && s["failed"] > 0 {
			t.Errorf("%s: %v with %d failures", job, s, len(got.Failures))
		}
	}
	if accounts := h.all("/fake/accounts"); len(accounts) != n {
		t.Errorf("%d accounts of %d users", len(accounts), n)
	}
}

// providerApart makes a harness whose provider has a plan of its own.
func providerApart(t *testing.T, sight string) (*harness, *faults.Plan) {
	t.Helper()
	plan := faults.NewPlan()
	h := newHarnessWith(t, nil, func(p providers.Provider, _ *faults.Plan) providers.Provider { return sights[sight](p, plan) })
	return h, plan
}

// TestActivationOverAnOutage: a provider that is away for half a minute delays the users
// that have accounts, and fails none of them.
func TestActivationOverAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, provider := providerApart(t, "in bulk")
		const n = 100
		for i := range n {
			h.mustAll(fmt.Sprintf(`%s {"userGroup":"customers","email":"user%d@example.com"}`, noMail, i))
		}
		provider.Reset()
		provider.ArmFrom(20, faults.Refuse503)
		h.must("POST", activations, activationOf(n))
		h.runJobs(func() {
			<-time.After(30 * time.Second)
			provider.Heal()
			h.awaitJobs(time.Hour)
		})
		if got, want := h.must("GET", activations+"/<job1>", "").body, over("<job1>", summary(0, n, 0)); !sameJSON(got, want) {
			t.Errorf("job = %s, want %s", got, want)
		}
	})
}
