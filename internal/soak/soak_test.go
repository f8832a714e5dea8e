package main

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"user-manager/crud"
	"user-manager/crud/embedded"
	"user-manager/internal/process"
)

// small is a soak of seconds, whose faults leave nothing open for long.
func small(t *testing.T, args ...string) options {
	t.Helper()
	args = append([]string{"-duration", "1500ms", "-clients", "3", "-people", "20", "-rows", "50", "-idlers", "4", "-faults", "0", "-kills", "0",
		"-settle", "30s", "-seed", "7", "-tolerance", "9"}, args...)
	o, err := parse(args, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	o.drain = 0
	if o.module, err = process.ModuleFolder(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

// built builds the service.
func built(t *testing.T, o options) (binary, dir string) {
	t.Helper()
	dir = t.TempDir()
	binary = filepath.Join(dir, "user-manager")
	if err := process.Build(t.Context(), o.module, binary); err != nil {
		t.Fatal(err)
	}
	return binary, dir
}

// TestSoak runs a little of everything, without faults.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the service")
	}
	t.Parallel()
	o := small(t)
	binary, dir := built(t, o)
	var out bytes.Buffer
	r := &run{o: o, out: &out}
	if err := r.all(t.Context(), binary, dir); err != nil {
		t.Fatalf("%v:\n%s", err, &out)
	}
	if !strings.Contains(out.String(), "| differences | none | none |") {
		t.Errorf("the report is:\n%s", &out)
	}
}

// TestKilled: a copy with everything inside is killed once, and all that it acknowledged is
// there. A user that is lost then is seen.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the service")
	}
	t.Parallel()
	o := small(t)
	binary, dir := built(t, o)
	w, err := newEmbedded(t.Context(), o, binary, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(t.Context())
	half, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	time.AfterFunc(500*time.Millisecond, w.replicas[0].kill)
	if err := w.load(half, 3); err != nil {
		t.Fatal(err)
	}
	if err := w.replicas[0].start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.settle(t.Context(), t.Output()); err != nil {
		t.Error(err)
	}
	w.replicas[0].stop(t.Context())
	if _, err := w.compare(t.Context()); err != nil {
		t.Error(err)
	}
	if w.replicas[0].kills.Load() != 1 || len(w.people) == 0 {
		t.Errorf("%d kills, %d people", w.replicas[0].kills.Load(), len(w.people))
	}
	for _, problem := range w.book.problems {
		t.Error(problem)
	}
	lose(t, w)
	if _, err := w.compare(t.Context()); err != nil {
		t.Error(err)
	}
	if told := strings.Join(w.book.problems, "\n"); !strings.Contains(told, "an account has no user") {
		t.Errorf("a user was taken out of the store; told is %q", told)
	}
}

// lose takes a user with an account out of a world's file.
func lose(t *testing.T, w *world) {
	t.Helper()
	db, err := embedded.Open(t.Context(), embedded.Config{Path: w.file, Collections: definitions(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store, err := clientOf(db)
	if err != nil {
		t.Fatal(err)
	}
	users := store.Collection("/users")
	user, err := users.First(t.Context(), crud.Query{Filter: map[string]any{"authUserId": map[string]any{"$exists": true}}})
	if err == nil {
		err = users.Delete(t.Context(), text(user, "_id"))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// pair is a user with its account, as a world has them when all is well.
func pair() (user, account crud.Document) {
	user = crud.Document{"_id": "1", "__STATE__": "PUBLIC", "authUserId": "auth0|1", "email": "a@" + domain, "username": "a", "name": "A", "roles": []any{"boss"}}
	return user, crud.Document{"email": "a@" + domain, "username": "a"}
}

// TestDifferences: what is wrong is seen.
func TestDifferences(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		spoil func(c *comparison, user, account crud.Document)
		want  string // part of what is told; "": nothing is wrong
	}{
		"nothing":                    {func(*comparison, crud.Document, crud.Document) {}, ""},
		"an account without a user":  {func(c *comparison, _, _ crud.Document) { c.accounts["auth0|2"] = crud.Document{} }, "an account has no user"},
		"a user without its account": {func(c *comparison, _, _ crud.Document) { delete(c.accounts, "auth0|1") }, "a user's account is not there"},
		"a blocked user's account that is not": {func(c *comparison, user, _ crud.Document) {
			user["blocked"] = true
			c.world.people[0].blocked.held = true
		}, "the account is blocked: false, and should be true"},
		"an account that is blocked alone": {func(_ *comparison, _, account crud.Document) { account["blocked"] = true }, "the account is blocked: true"},
		"a user in TRASH who may log in": {func(c *comparison, user, _ crud.Document) {
			user["__STATE__"] = "TRASH"
			c.world.people[0].state.held = "TRASH"
		}, "should be true"},
		"a user that is lost": {func(c *comparison, _, _ crud.Document) { c.users, c.accounts, c.granted = nil, nil, nil }, "a user is lost"},
		"a user that is deleted and there": {func(c *comparison, _, _ crud.Document) { c.world.people[0].exists.held = false },
			"a user is there again"},
		"another address of the account": {func(_ *comparison, _, account crud.Document) { account["email"] = "b@" + domain }, "another address"},
		"a change that is lost":          {func(c *comparison, _, _ crud.Document) { c.world.people[0].alias.held = "B" }, `name is "A", should be B`},
		"a block that is lost":           {func(c *comparison, _, _ crud.Document) { c.world.people[0].blocked.held = true }, "blocked is false, should be true"},
		"a mark":                         {func(_ *comparison, user, _ crud.Document) { user["authUserId"] = "creating|1" }, "a mark"},
		"a role that is not granted":     {func(c *comparison, _, _ crud.Document) { c.granted = map[string][]string{} }, "granted are"},
		"roles of nobody":                {func(c *comparison, _, _ crud.Document) { c.granted["auth0|9"] = []string{"boss"} }, "is no user's account"},
		"a user who has expired": {func(c *comparison, user, _ crud.Document) {
			user["expirationDate"] = "2020-01-01T00:00:00.000Z"
			c.world.people[0].until.held = "2020-01-01T00:00:00.000Z"
		}, "has expired and is not blocked"},
		"a user without its timer": {func(c *comparison, user, _ crud.Document) {
			user["expirationDate"] = "2120-01-01T00:00:00.000Z"
			c.world.people[0].until.held = "2120-01-01T00:00:00.000Z"
		}, "has no timer"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			user, account := pair()
			p := &person{name: "a", id: "1"}
			p.exists.held, p.account.held, p.email.held, p.alias.held = true, true, "a@"+domain, "A"
			p.state.held, p.roles.held = "PUBLIC", "boss"
			w := &world{book: newBook(), people: []*person{p}}
			c := &comparison{world: w, now: time.Now(), users: []crud.Document{user}, accounts: map[string]crud.Document{"auth0|1": account},
				granted: map[string][]string{"auth0|1": {"boss"}}}
			test.spoil(c, user, account)
			c.all()
			told := strings.Join(w.book.problems, "\n")
			if test.want == "" && told != "" || !strings.Contains(told, test.want) {
				t.Errorf("told is %q, want %q", told, test.want)
			}
		})
	}
}

// TestBeliefs: what was not acknowledged may be, for as long as it may come late.
func TestBeliefs(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var b belief[string]
	b.set("one", now)
	b.doubtUntil("two", now)
	if !b.may("one") || !b.may("two") || b.is("one") || b.may("three") {
		t.Errorf("after a request without an answer it is %v", &b)
	}
	b.set("three", now.Add(lateness/2))
	if b.may("one") || !b.may("two") || b.is("three") {
		t.Errorf("soon after it is %v", &b)
	}
	b.set("four", now.Add(lateness+time.Second))
	if !b.is("four") || b.may("two") {
		t.Errorf("long after it is %v", &b)
	}
}

// TestFaultsAreSeeded: the same seed brings the same faults.
func TestFaultsAreSeeded(t *testing.T) {
	t.Parallel()
	draw := func(seed uint64) map[mischief]int {
		f := newFaulty("x", nil, 0.5, seed)
		for range 1000 {
			f.draw()
		}
		_, counted := f.counts()
		return counted
	}
	one, again, other := draw(1), draw(1), draw(2)
	if !maps.Equal(one, again) || maps.Equal(one, other) {
		t.Errorf("faults of seed 1: %v, again: %v, of seed 2: %v", one, again, other)
	}
	if len(one) != len(mischiefs) {
		t.Errorf("%d kinds of faults, want %d", len(one), len(mischiefs))
	}
}
