package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/upstream/faults"
)

// annOfBoth is a user with an account, both with the same names.
const annOfBoth = `{"userGroup":"customers","username":"ann","email":"ann@example.com"}`

// accountOf returns the account of a user as it is at the provider, and whether there is one.
func (h *harness) accountOf(user string) (account crud.Document, linked bool) {
	h.t.Helper()
	doc, err := h.client.Collection("/users").Get(h.t.Context(), h.seen.fill(user), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	id, linked := doc["authUserId"].(string)
	if !linked {
		return nil, false
	}
	is, err := h.provider.Account(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return crud.Document{"username": is.Username, "email": is.Email, "blocked": is.Blocked}, true
}

// TestImportMendsAccounts: a row that says what the user is already tells it to an account
// that is not so, as PATCH does.
func TestImportMendsAccounts(t *testing.T) {
	t.Parallel()
	var (
		yes, no      = true, false
		other, lower = "other", "ANN"
		address      = "other@example.com"
		inSync       = crud.Document{"username": "ann", "email": "ann@example.com", "blocked": false}
	)
	with := func(field string, value any) crud.Document {
		doc := maps.Clone(inSync)
		doc[field] = value
		return doc
	}
	for what, test := range map[string]struct {
		user    string // its fields beside those of annOfBoth
		change  providers.Change
		gone    bool   // the account is
		file    string // what is imported
		account crud.Document
		calls   int // of the provider
	}{
		"a user name":                         {change: providers.Change{Username: &other}, file: "username\nann", account: inSync, calls: 2},
		"an address":                          {change: providers.Change{Email: &address}, file: "email\nann@example.com", account: inSync, calls: 2},
		"both names":                          {change: providers.Change{Username: &other, Email: &address}, file: "email,username\nann@example.com,ann", account: inSync, calls: 2},
		"another field than the row fills":    {change: providers.Change{Username: &other}, file: "email\nann@example.com", account: with("username", "other"), calls: 1},
		"a field that accounts do not know":   {change: providers.Change{Username: &other}, file: "name\nAnn", account: with("username", "other")},
		"a name in other letters":             {change: providers.Change{Username: &lower}, file: "username\nann", account: inSync, calls: 1},
		"blocked, and the account is not":     {user: `"blocked":true`, change: providers.Change{Blocked: &no}, file: "blocked\ntrue", account: with("blocked", true), calls: 2},
		"not blocked, and the account is":     {user: `"blocked":false`, change: providers.Change{Blocked: &yes}, file: "blocked\nfalse", account: inSync, calls: 2},
		"a date to come, the account blocked": {user: `"expirationDate":"2999-01-01"`, change: providers.Change{Blocked: &yes}, file: "expirationDate\n2999-01-01", account: inSync, calls: 2},
		"blocked, as the account is":          {user: `"blocked":true`, file: "blocked\ntrue", account: with("blocked", true), calls: 1},
		"all as it is":                        {file: "username,email\nann,ann@example.com", account: inSync, calls: 1},
		"an account that is gone":             {gone: true, file: "email\nann@example.com", calls: 2},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			body := annOfBoth
			if test.user != "" {
				body = strings.TrimSuffix(annOfBoth, "}") + "," + test.user + "}"
			}
			h.must("POST", "/users/?sendEmail=false", body)
			h.must("GET", "/users/", "")
			authID, _ := h.all("/users")[0]["authUserId"].(string)
			if _, err := h.provider.Update(t.Context(), authID, test.change); err != nil {
				t.Fatal(err)
			}
			if test.gone {
				if err := h.provider.Delete(t.Context(), authID); err != nil {
					t.Fatal(err)
				}
			}
			header, row, _ := strings.Cut(test.file, "\n")
			for _, dryRun := range []string{"?dryRun=true", ""} {
				h.plan.Reset()
				file := "_id," + header + "\n<id1>," + row + "\n"
				got := h.call("PATCH", "/users/import"+dryRun, multipartBody(t, []string{"file"}, []byte(file)), multipartType)
				if !strings.HasPrefix(got.body, `{"updated":["<id1>"]`) {
					t.Errorf("%d %s, want that it is updated", got.status, got.body)
				}
			}
			account, linked := h.accountOf("<id1>")
			if diff := cmp.Diff(test.account, account); diff != "" || linked == test.gone {
				t.Errorf("linked: %v; account (-want +got):\n%s", linked, diff)
			}
			calls := slices.DeleteFunc(h.plan.Calls(), func(call string) bool { return !strings.HasPrefix(call, "Auth ") })
			if len(calls) != test.calls {
				t.Errorf("calls of the provider: %q, want %d", calls, test.calls)
			}
		})
	}
}

// countedAccounts is a provider of accounts whose addresses are made of their ids; it
// counts how often they are read.
type countedAccounts struct {
	providers.Provider
	mu    sync.Mutex
	reads int // guarded by mu
}

func (p *countedAccounts) count() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
}

func countedAccount(id string) providers.Account {
	return providers.Account{ID: id, Email: strings.TrimPrefix(id, "counted|")}
}

func (p *countedAccounts) Account(_ context.Context, id string) (providers.Account, error) {
	p.count()
	return countedAccount(id), nil
}

// countedBatches is countedAccounts as a [providers.BatchReader].
type countedBatches struct{ *countedAccounts }

func (p countedBatches) Accounts(_ context.Context, ids []string) (map[string]providers.Account, error) {
	p.count()
	found := map[string]providers.Account{}
	for _, id := range ids {
		found[id] = countedAccount(id)
	}
	return found, nil
}

// TestUnchangedImportReadsFewAccounts imports what is there already.
func TestUnchangedImportReadsFewAccounts(t *testing.T) {
	t.Parallel()
	const n = 250
	for what, most := range map[string]int{"one by one": n, "in batches": 3} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var counted *countedAccounts
			h := newHarnessWith(t, nil, func(p providers.Provider, _ *faults.Plan) providers.Provider {
				counted = &countedAccounts{Provider: p}
				if what == "in batches" {
					return countedBatches{counted}
				}
				return counted
			})
			users := make([]crud.Document, n)
			for i := range users {
				email := fmt.Sprintf("user%d@example.com", i)
				users[i] = crud.Document{"userGroup": "customers", "email": email, "authUserId": "counted|" + email}
			}
			ids, err := h.client.Collection("/users").InsertAll(t.Context(), users)
			if err != nil {
				t.Fatal(err)
			}
			file := "_id,userGroup,email\n"
			for i, id := range ids {
				file += fmt.Sprintf("%s,customers,USER%d@example.com\n", id, i)
				file = strings.Replace(file, "USER", "user", 1)
			}
			h.plan.Reset()
			report := reportOf(t, h.sendFile(file))
			if len(report.Updated) != n || counted.reads > most || counted.reads == 0 {
				t.Errorf("%d updated with %d reads, want %d with at most %d", len(report.Updated), counted.reads, n, most)
			}
			for _, call := range h.plan.Calls() {
				if !strings.HasPrefix(call, "CRUD GET ") {
					t.Errorf("%s, though nothing changes", call)
				}
			}
		})
	}
}

// waiting is a provider whose calls wait until it is let go.
type waiting struct {
	providers.Provider
	free chan struct{}
}

func (p waiting) Account(ctx context.Context, id string) (providers.Account, error) {
	<-p.free
	return p.Provider.Account(ctx, id)
}

func (p waiting) Update(ctx context.Context, id string, c providers.Change) (providers.Account, error) {
	<-p.free
	return p.Provider.Update(ctx, id, c)
}

// TestImportsThatWaitForNobody import while another operation is under way: nobody waits
// for what a cell says that is no id, and a dry run for nothing at all.
func TestImportsThatWaitForNobody(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		orphan bool   // the account has no user
		under  string // what is under way: it has begun to call the provider
		path   string
		file   string
		want   string
	}{
		"an id like a lock of an account": {
			orphan: true,
			under:  `POST /users/with-id {"authUserId":"fake|<id2>","userGroup":"customers"}`,
			path:   "/users/import", file: "_id,name\naccount fake|<id2>,Ann\n",
			want: `{"updated":[],"inserted":[],"invalid":[{"row":2,"error":"Skipping record: _id: there is no such user"}]}`,
		},
		"a dry run": {
			under: `PATCH /users/<id1> {"$set":{"blocked":true}}`,
			path:  "/users/import?dryRun=true", file: "_id,name\n<id1>,Ann\n",
			want: `{"updated":["<id1>"],"insertable":0,"invalid":[]}`,
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				h := newHarnessWith(t, nil, func(p providers.Provider, _ *faults.Plan) providers.Provider { return waiting{p, free} })
				h.must("POST", "/users/?sendEmail=false", annOfBoth)
				h.seen.hide(h.all("/users")[0]["authUserId"].(string))
				if test.orphan {
					h.clear()
				}
				ended := make(chan reply, 1)
				method, rest, _ := strings.Cut(test.under, " ")
				path, body, _ := strings.Cut(rest, " ")
				go func() { ended <- h.call(method, path, body) }()
				synctest.Wait()
				select {
				case got := <-ended:
					t.Fatalf("%s = %d %s, and nothing is under way", test.under, got.status, got.body)
				default:
				}
				got := h.call("PATCH", test.path, multipartBody(t, []string{"file"}, []byte(h.seen.fill(test.file))), multipartType)
				if got.body != test.want {
					t.Errorf("%d %s, want %s", got.status, got.body, test.want)
				}
				close(free)
				<-ended
			})
		})
	}
}

// TestDryRunSettlesNothing: what an earlier operation left is no business of a dry run.
func TestDryRunSettlesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		h.must("POST", "/users/?sendEmail=false", annOfBoth)
		h.plan.Reset()
		h.plan.ArmFrom(4, faults.Unreachable)
		h.call("PATCH", "/users/<id1>", `{"$set":{"blocked":true}}`)
		if h.api.users.Unsettled() == 0 {
			t.Fatalf("nothing is left of %q", h.plan.Calls())
		}
		h.plan.Reset()
		h.call("PATCH", "/users/import?dryRun=true", multipartBody(t, []string{"file"}, []byte(h.seen.fill("_id,name\n<id1>,Ann\n"))), multipartType)
		for _, call := range h.plan.Calls() {
			if !strings.HasPrefix(call, "CRUD GET ") {
				t.Errorf("a dry run calls %s", call)
			}
		}
	})
}

// lockedFile has updates of n users, every third of which sets a column more.
func (h *harness) lockedFile(n int) string {
	h.t.Helper()
	users := make([]crud.Document, n)
	for i := range users {
		users[i] = crud.Document{"userGroup": "customers", "email": fmt.Sprintf("user%d@example.com", i)}
	}
	ids, err := h.client.Collection("/users").InsertAll(h.t.Context(), users)
	if err != nil {
		h.t.Fatal(err)
	}
	file := "_id,name,surname\n"
	for i, id := range ids {
		surname := ""
		if i%3 == 0 {
			surname = "Smith"
		}
		file += fmt.Sprintf("%s,Ann,%s\n", id, surname)
	}
	return file
}

// TestColumnsThatTheCallerMayNotWrite: rows that set one are refused at once, and the
// others are written.
func TestColumnsThatTheCallerMayNotWrite(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	file := h.lockedFile(60)
	h.plan.Reset()
	got := h.call("PATCH", "/users/import", multipartBody(t, []string{"file"}, []byte(file)), multipartType, "acl_write_columns: name")
	report := reportOf(t, got)
	if len(report.Updated) != 40 || len(report.Invalid) != 20 {
		t.Fatalf("%d updated and %d invalid, want 40 and 20", len(report.Updated), len(report.Invalid))
	}
	for i, invalid := range report.Invalid {
		if want := `Skipping record: the store refuses the user: You cannot edit "surname" field`; invalid.Error != want || invalid.Row != 3*i+2 {
			t.Errorf("row %d: %s, want row %d: %s", invalid.Row, invalid.Error, 3*i+2, want)
		}
	}
	calls := slices.DeleteFunc(h.plan.Calls(), func(call string) bool { return !strings.Contains(call, "PATCH") })
	if diff := cmp.Diff([]string{"CRUD PATCH /users/bulk", "CRUD PATCH /users/bulk"}, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// TestPropertiesWithDots: what the store would take for a path can neither be inserted nor
// changed.
func TestPropertiesWithDots(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	group := crud.Document{"userGroup": "dotted", "label": "dotted", "crudSchema": map[string]any{
		"type": "object",
		"properties": map[string]any{
			"userGroup": map[string]any{"type": "string"}, "authUserId.x": map[string]any{"type": "string"},
			"a.b": map[string]any{"type": "string"}, "a": map[string]any{"type": "object"},
		},
	}}
	if _, err := h.client.Collection("/ums-config").Insert(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	h.must("POST", "/users/?postponeAuthUserCreation=true", `{"userGroup":"dotted"}`)
	before := h.all("/users")
	got := h.sendFile("_id,userGroup,authUserId.x,a.b\n,dotted,x,\n,dotted,,x\n<id1>,,x,\n<id1>,,,x\n")
	report := reportOf(t, got)
	var problems []string
	for _, invalid := range report.Invalid {
		problems = append(problems, invalid.Error)
	}
	refused := func(column string) string {
		return `Skipping record: column "` + column + `": has a dot in the name of its property, which cannot be imported`
	}
	want := []string{refused("authUserId.x"), refused("a.b"), refused("authUserId.x"), refused("a.b")}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("%s\nproblems (-want +got):\n%s", got.body, diff)
	}
	if diff := cmp.Diff(before, h.all("/users")); diff != "" {
		t.Errorf("users (-before +after):\n%s", diff)
	}
}

// TestImportOutlastsShortFailures fails each read of an import, and each change of many
// users, once: a file of many rows does not break off for that.
func TestImportOutlastsShortFailures(t *testing.T) {
	t.Parallel()
	var calls []string
	var want fileReport
	synctest.Test(t, func(t *testing.T) {
		h := readyForFile(t)
		want = reportOf(t, h.sendFile(mixedFile))
		calls = h.plan.Calls()
	})
	picked := inRequests.picked(0)
	for n := range calls {
		for _, fault := range []faults.Fault{faults.Refuse503, faults.Refuse429, faults.Unreachable, faults.Timeout, faults.DropAnswer} {
			if !picked() {
				continue
			}
			t.Run(fmt.Sprintf("%d, %v", n+1, fault), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := readyForFile(t)
					h.plan.Arm(n+1, fault)
					got := h.sendFile(mixedFile)
					if call := h.plan.Calls()[n]; !repeatable(call) {
						return
					}
					if diff := cmp.Diff(want, reportOf(t, got)); diff != "" {
						t.Errorf("%s: answer (-without the fault +with it):\n%s", h.plan.Calls()[n], diff)
					}
				})
			})
		}
	}
}

// repeatable reports whether a call is one that an import may make again whatever became
// of it.
func repeatable(call string) bool {
	return call == "CRUD GET /users/" || call == "CRUD GET /ums-config/" || call == "CRUD PATCH /users/bulk" || call == "Auth Account"
}
