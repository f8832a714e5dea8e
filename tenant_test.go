package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/jobs"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/secret"
	"user-manager/upstream/faults"
)

// tenantPassword is one that a tenant takes.
const tenantPassword = "Correct-Horse-7-Battery"

// atTenant are the settings of a service whose provider is a tenant of Auth0.
func atTenant(more map[string]string) map[string]string {
	vars := map[string]string{
		"EMBEDDED_PATH": ":memory:", "RANDOM_PWD_GEN": "false",
		"AUTH_MODULE": "auth0", "AUTH0_DOMAIN": "tenant.test", "AUTH0_AUDIENCE": auth0test.Audience,
		"AUTH0_CLIENT_ID": auth0test.ClientID, "AUTH0_CLIENT_SECRET": auth0test.ClientSecret,
		"AUTH0_MANAGEMENT_CLIENT_ID": auth0test.ManagementClientID, "AUTH0_MANAGEMENT_CLIENT_SECRET": auth0test.ManagementClientSecret,
	}
	maps.Copy(vars, more)
	return vars
}

// newTenantHarness makes a service on a store in memory and a tenant. The calls of both
// are the plan's: those of the tenant are requests.
func newTenantHarness(t *testing.T, env map[string]string, tenant auth0test.Config) *harness {
	t.Helper()
	vars := atTenant(env)
	cfg, err := loadConfig(environment(vars))
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, plan: faults.NewPlan(), seen: newPlaceholders()}
	tenant.Faults = h.plan
	h.tenant = auth0test.New(tenant)
	return h.open(vars, cfg, providers.Settings{Base: crud.InProcess(h.tenant)}, asItIs)
}

// asItIs is the provider without faults of its own.
func asItIs(p providers.Provider, _ *faults.Plan) providers.Provider { return p }

// atTenantToo are the operations that reach the provider.
var atTenantToo = []string{"create", "create blocked", "register", "create with id", "create with id, blocked", "patch the address",
	"patch to blocked", "patch to unblocked", "delete", "soft-delete", "soft-delete, keeping the account", "state to TRASH", "state to PUBLIC",
	"change password", "log in", "refresh", "user info", "patch in bulk, by id"}

// TestEveryFaultAtEveryCallOfATenant is TestEveryFaultAtEveryCall with a tenant as the
// provider, whose requests fail one by one.
func TestEveryFaultAtEveryCallOfATenant(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	for i, o := range operations() {
		if slices.Contains(atTenantToo, o.name) {
			o.service = func(t *testing.T, env map[string]string) *harness {
				return newTenantHarness(t, env, auth0test.Config{IndexLag: time.Second})
			}
			t.Run(o.name, func(t *testing.T) {
				t.Parallel()
				o.tryFaults(t, atRemotes.picked(i))
			})
		}
	}
}

// TestActivationAtATenant activates thousands of users at a tenant with the limits of its free
// plan: all get the account that their user describes, by as many import jobs at once as
// there may be, and in no more than a twentieth over the time that two jobs need.
func TestActivationAtATenant(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	n := amount(10_000, 5_000, 2_000)
	rowsPerSecond := float64(n) / 500
	synctest.Test(t, func(t *testing.T) {
		h := newTenantHarness(t, nil, auth0test.Config{Limits: auth0test.Free(), ImportRate: rowsPerSecond, IndexLag: time.Second})
		ids := h.crowd(n)
		began := time.Now()
		h.must("POST", activations, usersBody(ids...))
		h.runJobs(func() { h.awaitJobs(4 * time.Hour) })
		took := time.Since(began)

		var job shownJob
		if err := json.Unmarshal([]byte(h.must("GET", activations+"/<job1>", "").body), &job); err != nil {
			t.Fatal(err)
		}
		if want := map[string]int{"inserted": n, "updated": 0, "failed": 0, "total": n}; !maps.Equal(want, job.Summary) {
			t.Errorf("the job is %s: %v, want %v", job.Status, job.Summary, want)
		}
		h.checkTenant(n)
		seen := h.tenant.Seen()
		if seen.ActiveImports != 2 || seen.LargestImport > 512_000 || seen.LargestImport == 0 {
			t.Errorf("%d import jobs at once and a file of %d bytes, want 2 and no more than 512,000", seen.ActiveImports, seen.LargestImport)
		}
		least := time.Duration(float64(n) / (2 * rowsPerSecond) * float64(time.Second))
		most := least * 21 / 20
		if n < 5_000 { // of so few users the smallest file is a good part
			most += least / 10
		}
		if took > most {
			t.Errorf("it took %v, want %v at most, where two jobs need %v", took, most, least)
		}
		t.Logf("%d users in %v of the tenant's time, where two jobs at once need %v: %d jobs, largest file %d bytes, %v", n, took, least, seen.Imports, seen.LargestImport, seen.Requests)
	})
}

// crowd puts n users without accounts into the store, every tenth of them blocked, and
// returns their ids.
func (h *harness) crowd(n int) []string {
	h.t.Helper()
	var ids []string
	for some := range slices.Chunk(slices.Collect(numbers(n)), 1000) {
		var users []crud.Document
		for _, i := range some {
			users = append(users, crud.Document{"userGroup": "customers", "email": fmt.Sprintf("user%05d@example.com", i),
				"username": fmt.Sprintf("user%05d", i), "blocked": i%10 == 0})
		}
		made, err := h.client.Collection("/users").InsertAll(h.t.Context(), users)
		if err != nil {
			h.t.Fatal(err)
		}
		ids = append(ids, made...)
	}
	return ids
}

func numbers(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// checkTenant compares every user with its account: n of both, which belong together.
func (h *harness) checkTenant(n int) {
	h.t.Helper()
	accounts := maps.Collect(h.accounts())
	users := h.all("/users")
	if len(users) != n || len(accounts) != n {
		h.t.Errorf("%d users and %d accounts, want %d", len(users), len(accounts), n)
	}
	wrong := 0
	for _, user := range users {
		id, _ := user["authUserId"].(string)
		account := accounts[id]
		if account == nil || account["email"] != user["email"] || account["username"] != user["username"] || account["blocked"] != (user["blocked"] == true) {
			wrong++
		}
	}
	if wrong > 0 {
		h.t.Errorf("%d users have not the account that they describe", wrong)
	}
}

// TestMailsAtATenant sends mails at a tenant that takes 300 calls a minute: whatever
// pace is configured, each goes out once, and whoever logs in meanwhile does not wait.
func TestMailsAtATenant(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	paces := []string{"1000", "3", "10", "1", "2", "5"}
	for _, perSecond := range paces[:amount(6, 3, 1)] {
		t.Run(perSecond+" a second", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { mailsAtTenant(t, perSecond) })
		})
	}
}

func mailsAtTenant(t *testing.T, perSecond string) {
	n := amount(1000, 600, 400)
	h := newTenantHarness(t, map[string]string{"AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND": perSecond}, auth0test.Config{Limits: auth0test.Free()})
	var ids []string
	for i := range n {
		account, err := h.provider.Create(t.Context(), providers.NewAccount{Key: fmt.Sprintf("%024x", i), Email: fmt.Sprintf("user%05d@example.com", i), Password: secret.New(tenantPassword)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, account.ID)
	}
	body, err := json.Marshal(map[string]any{"authUsersIds": ids})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	h.must("POST", "/jobs/change-password/bulk", string(body))
	var logins logins
	h.runJobs(func() {
		logins.until(h, func() bool {
			return !strings.Contains(h.must("GET", "/jobs/change-password/bulk/<job1>", "").body, "pending")
		})
	})
	var job struct {
		Summary map[string]int `json:"summary"`
	}
	if err := json.Unmarshal([]byte(h.must("GET", "/jobs/change-password/bulk/<job1>", "").body), &job); err != nil {
		t.Fatal(err)
	}
	if job.Summary["failed"] != 0 || job.Summary["total"] != n {
		t.Errorf("the job's summary is %v, want %d and none failed", job.Summary, n)
	}
	mails := h.tenant.Mails()
	slices.Sort(mails)
	if len(mails) != n || len(slices.Compact(mails)) != n {
		t.Errorf("%d mails, want one each to %d owners", len(mails), n)
	}
	if logins.made < 10 || logins.slowest > 3*time.Second {
		t.Errorf("%d logins, the slowest took %v, want all at once", logins.made, logins.slowest)
	}
	t.Logf("%d mails in %v, %d logins beside them, the slowest in %v; %v", n, time.Since(began), logins.made, logins.slowest, h.tenant.Seen())
}

// logins are those of people while a job runs.
type logins struct {
	made    int
	slowest time.Duration
}

// until has somebody log in every few seconds until over reports true.
func (l *logins) until(h *harness, over func() bool) {
	for !over() {
		<-time.After(3 * time.Second)
		began := time.Now()
		name := fmt.Sprintf("user%05d@example.com", l.made%100)
		got := h.call("POST", "/oauth/token", fmt.Sprintf(`{"username":%q,"password":%q}`, name, tenantPassword))
		l.slowest = max(l.slowest, time.Since(began))
		l.made++
		if got.status != http.StatusOK {
			h.t.Errorf("login of %s = %d %s", name, got.status, got.body)
			return
		}
	}
}

// TestCheckUpOfATenant: it says what the tenant has against the settings.
func TestCheckUpOfATenant(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	for name, test := range map[string]struct {
		env    map[string]string
		tenant auth0test.Config
		says   string
	}{
		"all is well":              {says: `"status":"OK"`},
		"a wrong secret":           {env: map[string]string{"AUTH0_MANAGEMENT_CLIENT_SECRET": "x"}, says: `401 status code: Unauthorized"`},
		"a scope is missing":       {tenant: auth0test.Config{Scopes: []string{"read:users", "create:users", "update:users", "read:connections"}}, says: `lacks the scopes delete:users"`},
		"the tenant's domain only": {env: map[string]string{"AUTH0_DOMAIN": "other.test"}, says: `Service not enabled within domain: https://other.test/api/v2/"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newTenantHarness(t, test.env, test.tenant)
				got := h.call("GET", "/-/check-up", "")
				if !strings.Contains(got.body, test.says) {
					t.Errorf("check-up = %d %s, want %s", got.status, got.body, test.says)
				}
			})
		})
	}
}

// follow reads a job's events until so many ids have an outcome, or it is over.
func (s *killedService) follow(job string, done int) {
	s.t.Helper()
	res, err := http.Get(s.p.url + job + "/events")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	for events := bufio.NewScanner(res.Body); events.Scan(); {
		var progress struct{ Done int }
		if data, ok := strings.CutPrefix(events.Text(), "data: "); ok && json.Unmarshal([]byte(data), &progress) == nil && progress.Done >= done {
			return
		}
	}
}

// TestKilledDuringAnActivationAtATenant kills the service while import jobs run. In the end
// everybody has one account, whichever process asked for it.
func TestKilledDuringAnActivationAtATenant(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	const n = 1200
	s := newKilledService(t)
	s.kill()
	server := httptest.NewUnstartedServer(nil)
	tenant := auth0test.New(auth0test.Config{Domain: "http://" + server.Listener.Addr().String(), ImportRate: 300, IndexLag: 100 * time.Millisecond})
	server.Config.Handler = tenant
	server.Start()
	defer server.Close()
	s.env = append(s.env, "AUTH_MODULE=auth0", "AUTH0_DOMAIN="+server.URL, "AUTH0_CLIENT_ID="+auth0test.ClientID, "AUTH0_CLIENT_SECRET="+auth0test.ClientSecret,
		"AUTH0_MANAGEMENT_CLIENT_ID="+auth0test.ManagementClientID, "AUTH0_MANAGEMENT_CLIENT_SECRET="+auth0test.ManagementClientSecret)
	h, closed := s.store.open()
	ids := h.crowd(n)
	if err := closed(); err != nil {
		t.Fatal(err)
	}
	s.start()
	var body []any
	for _, id := range ids {
		body = append(body, map[string]any{"filter": map[string]any{"userId": id}})
	}
	job := s.startJob("/jobs/bulk-activation", body)
	for _, done := range []int{1, n / 4, n / 2} {
		s.follow(job, done)
		s.kill()
		s.start()
	}
	if got := s.until(job, 0); got.Status != jobs.Pending {
		t.Errorf("the job is %s after all kills: the test shows little", got.Status)
	}
	s.follow(job, n+1)
	end := s.until(job, 0)
	if want := map[string]int{"inserted": n, "updated": 0, "failed": 0, "total": n}; !maps.Equal(want, end.Summary) {
		t.Errorf("the job is %s: %v, want %v", end.Status, end.Summary, want)
	}
	s.p.awaitSettled(t)
	s.kill()
	h, closed = s.store.open()
	h.tenant = tenant
	h.checkTenant(n)
	if err := closed(); err != nil {
		t.Fatal(err)
	}
	if seen := tenant.Seen(); seen.ActiveImports > 2 {
		t.Errorf("%d import jobs at once", seen.ActiveImports)
	}
}
