package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"user-manager/crud"
	"user-manager/crud/embedded"
)

// A comparison is of all users of a world with their accounts.
type comparison struct {
	*world
	now      time.Time
	users    []crud.Document
	accounts map[string]crud.Document
	timers   map[string]crud.Document
	granted  map[string][]string // roles by account; nil: there is no Rönd

	noted map[string]bool // users of notes that are open still: nobody is let in meanwhile
}

// compare opens the store, beside the service, and holds every user against its account and
// against what clients know.
func (w *world) compare(ctx context.Context) (*comparison, error) {
	db := w.db
	if db == nil {
		var err error
		if db, err = embedded.Open(ctx, embedded.Config{Path: w.file, Collections: definitions(), Log: slog.New(slog.DiscardHandler)}); err != nil {
			return nil, err
		}
		defer db.Close()
	}
	store, err := clientOf(db)
	if err != nil {
		return nil, err
	}
	young := time.Duration(0)
	if w.db == nil {
		young = lateness
	}
	if err := openIn(ctx, store, young, w.o.hasty); err != nil {
		w.book.wrong("still open: %v", err)
	}
	c, err := w.gather(ctx, store)
	if err != nil {
		return nil, err
	}
	c.all()
	return c, nil
}

// all compares.
func (c *comparison) all() {
	owners := map[string]string{}
	for _, user := range c.users {
		c.user(user, owners)
	}
	for id, account := range c.accounts {
		if owners[id] == "" && !c.sown[id] {
			c.book.wrong("an account has no user: %v", account)
		}
	}
	for subject, roles := range c.granted {
		if owners[subject] == "" {
			c.book.wrong("roles are granted to %s, which is no user's account: %q", subject, roles)
		}
	}
	c.people()
}

// gather reads all that is compared.
func (w *world) gather(ctx context.Context, store *crud.Client) (*comparison, error) {
	c := &comparison{world: w, now: time.Now(), timers: map[string]crud.Document{}, noted: map[string]bool{}}
	var err error
	if c.accounts, err = w.accounts(ctx, store); err != nil {
		return nil, err
	}
	if c.users, err = everything(ctx, store, "/users"); err != nil {
		return nil, err
	}
	timers, err := everything(ctx, store, "/timers")
	if err != nil {
		return nil, err
	}
	for _, t := range timers {
		c.timers[text(t, "_id")] = t
	}
	notes, err := everything(ctx, store, "/journal")
	for _, note := range notes {
		c.noted[text(note, "userId")] = true
	}
	if w.rond != nil {
		c.granted = map[string][]string{}
		for _, b := range w.rond.Bindings() {
			for _, subject := range b.Subjects {
				c.granted[subject] = append(c.granted[subject], b.Roles...)
			}
		}
	}
	return c, err
}

// everything reads a collection.
func everything(ctx context.Context, store *crud.Client, path string) (all []crud.Document, err error) {
	for doc, err := range store.Collection(path).All(ctx, crud.Query{States: crud.AllStates}) {
		if err != nil {
			return nil, err
		}
		all = append(all, doc)
	}
	return all, nil
}

// user compares a user with its account.
func (c *comparison) user(user crud.Document, owners map[string]string) {
	id, state := text(user, "authUserId"), text(user, "__STATE__")
	wrong := func(format string, args ...any) {
		c.book.wrong("%s: user %v, account %v%s", fmt.Sprintf(format, args...), user, c.accounts[id], c.trailOf(text(user, "_id")))
	}
	if date, err := time.Parse(time.RFC3339, text(user, "expirationDate")); err == nil {
		c.expiry(user, date, wrong)
	}
	account := c.accounts[id]
	switch {
	case id == "":
		return
	case isMark(id):
		wrong("a mark")
		return
	case account == nil:
		if state != crud.Deleted {
			wrong("a user's account is not there")
		}
		return
	case owners[id] != "":
		wrong("two users have one account")
	}
	owners[id] = text(user, "_id")
	if text(user, "email") != text(account, "email") || text(user, "username") != text(account, "username") {
		wrong("another address or name")
	}
	if blocked := user["blocked"] == true || state != crud.Public; blocked != (account["blocked"] == true) && (blocked || !c.noted[text(user, "_id")]) {
		wrong("the account is blocked: %v, and should be %v", account["blocked"] == true, blocked)
	}
	if c.granted == nil {
		return
	}
	granted := slices.Clone(c.granted[id])
	slices.Sort(granted)
	if got := strings.Join(slices.Compact(granted), ","); got != rolesOf(user) {
		wrong("granted are %q", got)
	}
}

// expiry holds a user against its expirationDate.
func (c *comparison) expiry(user crud.Document, date time.Time, wrong func(string, ...any)) {
	t := c.timers[text(user, "expirationId")]
	switch {
	case date.Before(c.now.Add(-3 * time.Second)):
		if user["blocked"] != true {
			wrong("a user has expired and is not blocked (timer %v)", t)
		}
	case date.After(c.now.Add(time.Hour)):
		status, _ := t["expirationStatus"].(map[string]any)
		if status["description"] != "pending" || text(t, "expirationDate") != text(user, "expirationDate") {
			wrong("a user has no timer at its date (%v)", t)
		}
	}
}

// trailOf is what a client did with a user, as far as it is kept.
func (c *comparison) trailOf(id string) string {
	i := slices.IndexFunc(c.world.people, func(p *person) bool { return p.id == id })
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("\n%v\n%s", c.world.people[i], strings.Join(c.world.people[i].trail, "\n"))
}

// people holds what clients know against the users that there are.
func (c *comparison) people() {
	byID, byName := map[string]crud.Document{}, map[string]crud.Document{}
	for _, user := range c.users {
		byID[text(user, "_id")], byName[text(user, "username")] = user, user
	}
	for _, p := range c.world.people {
		user := byID[p.id]
		if p.id == "" {
			user = byName[p.name] // by which its account would be found
		}
		switch {
		case user == nil && p.exists.is(true):
			c.book.wrong("a user is lost: %v\n%s", p, strings.Join(p.trail, "\n"))
		case user != nil:
			c.hold(p, user, "in the end")
			c.account(p, user)
		}
	}
}

// account holds whether a person has an account.
func (c *comparison) account(p *person, user crud.Document) {
	has := c.accounts[text(user, "authUserId")] != nil
	if p.exists.is(true) && !p.account.may(has) {
		c.book.wrong("an account is there: %v, should be %v: %v\n%s", has, &p.account, p, strings.Join(p.trail, "\n"))
	}
}

// sampled is how many people try to log in in the end.
const sampled = 300

// loginsAllowed has a sample of those whose password is known try to log in: those succeed
// whose user may, and no others.
func (w *world) loginsAllowed(ctx context.Context) error {
	c := newClient(w, 997)
	defer c.http.CloseIdleConnections()
	for n, i := range c.rng.Perm(len(w.people)) {
		p := w.people[i]
		if n > 20*sampled || w.book.tried() >= sampled {
			break
		}
		if !p.password || p.id == "" {
			continue
		}
		var user map[string]any
		a := c.call(ctx, "get", "GET", "/users/"+p.id+"?"+anyState, nil)
		if !a.done() || !c.into(a, &user) {
			continue
		}
		w.book.add(&w.book.samples, 1)
		mayNot := user["blocked"] == true || user["__STATE__"] != crud.Public || p.account.is(false)
		a = c.call(ctx, "log in", "POST", "/oauth/token", map[string]any{"username": text(user, "email"), "password": password})
		switch {
		case a.done() && mayNot:
			w.book.wrong("in the end somebody logs in who must not: %v: %v", p, user)
		case !a.done() && !mayNot && p.account.is(true):
			w.book.wrong("in the end somebody cannot log in: %v: %v: %v\n%s", a, p, user, strings.Join(p.trail, "\n"))
		}
	}
	return ctx.Err()
}
