package management

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"user-manager/providers"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// callTimeout is when a driver gives up a request.
const callTimeout = 10 * time.Second

// A tenant keeps accounts and runs import jobs, as far as the engine can tell. It has no
// goroutine: a job does its rows when somebody looks after they are due.
type tenant struct {
	plan *faults.Plan  // nil: nothing goes wrong
	took time.Duration // by a job
	// seen changes what a job's state says, told what a report says.
	seen func(*Job)
	told func([]RowError) []RowError

	mu      sync.Mutex
	users   map[string]map[string]any // by id; guarded by mu
	jobs    []*importJob              // guarded by mu
	log     []string                  // changes of single accounts; guarded by mu
	looks   []time.Time               // at jobs; guarded by mu
	largest int                       // bytes of a file; guarded by mu
	most    int                       // jobs at once; guarded by mu
	upserts int                       // jobs with upsert; guarded by mu
}

type importJob struct {
	rows    []map[string]any
	due     time.Time
	done    bool
	summary Summary
	report  []RowError
}

func newTenant() *tenant { return &tenant{users: map[string]map[string]any{}} }

func (t *tenant) importer() *Importer {
	return &Importer{Directory: t, Jobs: t, Connection: "people"}
}

// play makes a call, or lets it fail as the plan says.
func play[T any](ctx context.Context, t *tenant, route string, do func() (T, error)) (T, error) {
	var none T
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if ctx.Err() != nil {
		return none, upstream.Unanswered(providers.Service, route, context.Cause(ctx))
	}
	if t.plan == nil {
		return do()
	}
	injection := t.plan.Next(route)
	if status := injection.Fault.Status(); status != 0 {
		return none, Refusal(route, status, nil)
	}
	if injection.Fault == faults.Late {
		t.plan.Defer(func() { _, _ = do() })
	}
	if err := injection.Before(ctx); err != nil {
		return none, upstream.Unanswered(providers.Service, route, err)
	}
	got, err := do()
	if lost := injection.After(ctx); lost != nil {
		return none, upstream.Unanswered(providers.Service, route, lost)
	}
	return got, err
}

func refusal(route string, status int, message string) error {
	body, _ := json.Marshal(map[string]any{"statusCode": status, "error": http.StatusText(status), "message": message})
	return Refusal(route, status, body)
}

// settle does the rows of the jobs that are due. t.mu must be held.
func (t *tenant) settle() (active int) {
	for _, j := range t.jobs {
		switch {
		case time.Now().Before(j.due):
			active++
		case !j.done:
			j.done = true
			t.do(j)
		}
	}
	return active
}

func (t *tenant) do(j *importJob) {
	j.summary.Total = len(j.rows)
	emails, names := map[any]bool{}, t.names()
	for _, r := range j.rows {
		problem := RowProblem{}
		switch email := stored(textOf(r["email"])); {
		case emails[email]:
			problem = RowProblem{Code: "CONFLICT", Message: "A user with this email was already provided."}
		case !strings.Contains(email, "@"):
			problem = RowProblem{Code: "INVALID_FORMAT", Message: "Object didn't pass validation for format email: " + email, Path: "identities[0].profileData.email"}
		case t.users[AccountID(textOf(r["user_id"]))] != nil || names.has(r):
			problem = RowProblem{Code: "DUPLICATED_USER", Message: "The user already exist and upsert parameter is false"}
		}
		emails[stored(textOf(r["email"]))] = true
		if problem.Code != "" {
			j.summary.Failed++
			sent := map[string]string{}
			for name, value := range r {
				if text, ok := value.(string); ok {
					sent[name] = text
				}
			}
			j.report = append(j.report, RowError{Row: sent, Errors: []RowProblem{problem}})
			continue
		}
		j.summary.Inserted++
		names.add(t.add(textOf(r["user_id"]), r))
	}
}

// taken are names that users have.
type taken map[[2]string]bool

// names returns the names of all users. t.mu must be held.
func (t *tenant) names() taken {
	names := taken{}
	for _, u := range t.users {
		names.add(u)
	}
	return names
}

func (n taken) add(u map[string]any) {
	for _, property := range []string{"email", "username"} {
		n[[2]string{property, stored(textOf(u[property]))}] = true
	}
	delete(n, [2]string{"email", ""})
	delete(n, [2]string{"username", ""})
}

func (n taken) has(u map[string]any) bool {
	return n[[2]string{"email", stored(textOf(u["email"]))}] || n[[2]string{"username", stored(textOf(u["username"]))}]
}

// owner returns what of u is another's, or its own if the account is there. t.mu must be held.
func (t *tenant) owner(key string, u map[string]any) string {
	if _, ok := t.users[AccountID(key)]; ok {
		return "user_id"
	}
	return t.taken("", u)
}

func (t *tenant) taken(self string, u map[string]any) string {
	for id, other := range t.users {
		for _, property := range []string{"email", "username"} {
			if mine := stored(textOf(u[property])); id != self && mine != "" && mine == other[property] {
				return property
			}
		}
	}
	return ""
}

func (t *tenant) add(key string, u map[string]any) map[string]any {
	user := map[string]any{"user_id": AccountID(key), "email_verified": false}
	for _, property := range []string{"email", "username"} {
		if value := stored(textOf(u[property])); value != "" {
			user[property] = value
		}
	}
	if blocked, ok := u["blocked"]; ok {
		user["blocked"] = blocked
	}
	t.users[AccountID(key)] = user
	return user
}

func (t *tenant) locked(do func() (providers.Account, error)) (providers.Account, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle()
	return do()
}

func (t *tenant) Read(ctx context.Context, id string) (providers.Account, error) {
	const route = "GET /api/v2/users/:id"
	return play(ctx, t, route, func() (providers.Account, error) {
		return t.locked(func() (providers.Account, error) {
			u, ok := t.users[id]
			if !ok {
				return providers.Account{}, refusal(route, 404, "The user does not exist.")
			}
			return AccountOf(maps.Clone(u))
		})
	})
}

func (t *tenant) ReadMany(ctx context.Context, ids []string) (map[string]providers.Account, error) {
	return play(ctx, t, "GET /api/v2/users", func() (map[string]providers.Account, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.settle()
		found := map[string]providers.Account{}
		for _, id := range ids {
			if u, ok := t.users[id]; ok {
				a, err := AccountOf(maps.Clone(u))
				if err != nil {
					return nil, err
				}
				found[id] = a
			}
		}
		return found, nil
	})
}

func (t *tenant) Create(ctx context.Context, a providers.NewAccount) (providers.Account, error) {
	const route = "POST /api/v2/users"
	return play(ctx, t, route, func() (providers.Account, error) {
		return t.locked(func() (providers.Account, error) {
			body := Creation(a, "people")
			if t.owner(a.Key, body) != "" {
				return providers.Account{}, refusal(route, 409, "The user already exists.")
			}
			t.log = append(t.log, "create "+cmp.Or(a.Username, a.Email))
			return AccountOf(maps.Clone(t.add(a.Key, body)))
		})
	})
}

func (t *tenant) Patch(ctx context.Context, id string, body map[string]any) (providers.Account, error) {
	const route = "PATCH /api/v2/users/:id"
	return play(ctx, t, route, func() (providers.Account, error) {
		return t.locked(func() (providers.Account, error) {
			sent, _ := json.Marshal(body)
			t.log = append(t.log, string(sent))
			before, ok := t.users[id]
			if !ok {
				return providers.Account{}, refusal(route, 404, "User not found.")
			}
			after, err := t.patched(route, before, body)
			if err != nil {
				return providers.Account{}, err
			}
			t.users[id] = after
			return AccountOf(maps.Clone(after))
		})
	})
}

func (t *tenant) patched(route string, before, body map[string]any) (map[string]any, error) {
	_, username := body["username"]
	_, email := body["email"]
	after := maps.Clone(before)
	for name, value := range body {
		switch {
		case name == "connection":
		case value == nil:
			delete(after, name)
		case name == "email" || name == "username":
			after[name] = stored(textOf(value))
		default:
			after[name] = value
		}
	}
	if _, verified := body["email_verified"]; email && !verified {
		after["email_verified"] = false
	}
	switch {
	case username && email:
		return nil, refusal(route, 400, "Cannot update username and email simultaneously.")
	case (username || email) && body["connection"] != "people":
		return nil, refusal(route, 400, "Connection is missing.")
	case after["email"] == nil && after["username"] == nil:
		return nil, refusal(route, 400, "No name is left.")
	case email && after["email"] != nil && !strings.Contains(textOf(after["email"]), "@"):
		return nil, refusal(route, 400, "Payload validation error: 'Object didn't pass validation for format email: "+textOf(after["email"])+"' on property email.")
	case t.taken(textOf(before["user_id"]), body) != "":
		return nil, refusal(route, 409, "The user already exists.")
	}
	return after, nil
}

func (t *tenant) Start(ctx context.Context, users []byte, upsert bool, externalID string) (string, error) {
	return play(ctx, t, importRoute, func() (string, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		active := t.settle()
		_, form := Form(Field{"connection_id", "con_ftSSLHb0O7rcUGmF"}, users, upsert, externalID)
		if len(form) > requestLimit {
			return "", refusal(importRoute, 413, "Payload content length greater than maximum allowed: 512000.")
		}
		if active == jobsAtOnce {
			return "", refusal(importRoute, 429, "There are 2 active import users jobs, please wait until some of them are finished and try again")
		}
		j := &importJob{due: time.Now().Add(t.took)}
		if err := json.Unmarshal(users, &j.rows); err != nil {
			return "", refusal(importRoute, 400, "Users file must be JSON.")
		}
		t.jobs = append(t.jobs, j)
		t.largest, t.most = max(t.largest, len(form)), max(t.most, active+1)
		if upsert {
			t.upserts++
		}
		return fmt.Sprintf("job_%016d", len(t.jobs)), nil
	})
}

func (t *tenant) job(id string) *importJob {
	n := 0
	_, _ = fmt.Sscanf(id, "job_%d", &n)
	return t.jobs[n-1]
}

func (t *tenant) Status(ctx context.Context, id string) (Job, error) {
	t.mu.Lock()
	t.looks = append(t.looks, time.Now())
	t.mu.Unlock()
	return play(ctx, t, jobRoute, func() (Job, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.settle()
		j := t.job(id)
		state := Job{ID: id, Status: "pending"}
		if j.done {
			sum := j.summary
			state.Status, state.Summary = "completed", &sum
		}
		if t.seen != nil {
			t.seen(&state)
		}
		if state.Status == gone {
			return Job{}, refusal(jobRoute, 404, "Job not found.")
		}
		return state, nil
	})
}

func (t *tenant) Errors(ctx context.Context, id string) ([]RowError, error) {
	return play(ctx, t, "GET /api/v2/jobs/:id/errors", func() ([]RowError, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		report := slices.Clone(t.job(id).report)
		if t.told != nil {
			report = t.told(report)
			if report == nil {
				return nil, &upstream.Error{Service: providers.Service, Route: "GET /api/v2/jobs/:id/errors", Err: upstream.ErrAnswer}
			}
		}
		return report, nil
	})
}

// have gives the tenant an account.
func (t *tenant) have(key string, user map[string]any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.add(key, user)
}

// shown returns the accounts: key, user name, address, and whether they are blocked.
func (t *tenant) shown() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle()
	var lines []string
	for id, u := range t.users {
		line := strings.TrimPrefix(id, scheme) + " " + textOf(u["username"]) + " " + textOf(u["email"])
		if u["blocked"] == true {
			line += " blocked"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// describe shows an error with its cause.
func describe(err error) string {
	var parts []string
	for ; err != nil; err = errors.Unwrap(err) {
		parts = append(parts, err.Error())
	}
	return strings.Join(parts, ": ")
}

// importAll imports accounts and wants an outcome for each.
func importAll(t *testing.T, i *Importer, accounts ...providers.ImportAccount) []providers.ImportOutcome {
	t.Helper()
	outcomes, err := i.Import(t.Context(), accounts)
	if err != nil {
		t.Fatalf("Import: %s", describe(err))
	}
	return outcomes
}

// sorted compares requests that were made at once.
var sorted = cmpopts.SortSlices(strings.Compare)

// codes returns outcomes without the words of refusals.
func codes(outcomes []providers.ImportOutcome) []providers.ImportOutcome {
	short := slices.Clone(outcomes)
	for i, o := range short {
		if o.Refusal != nil {
			short[i].Refusal = &providers.ImportRefusal{Code: o.Refusal.Code}
		}
	}
	return short
}
