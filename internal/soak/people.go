package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A person is a user as the client that made it knows it.
type person struct {
	name string // of the account
	id   string // "" when the creation was not answered

	exists, account, blocked          belief[bool]
	email, alias, state, roles, until belief[string]

	password bool   // it is known
	authID   string // of the account, once it was seen
	busy     bool   // a job is at work on it
	trail    []string
}

// maxTrail is how many requests are kept of a person, for who looks into a problem.
const maxTrail = 6

func (p *person) note(a answer) {
	if len(p.trail) >= maxTrail {
		p.trail = slices.Delete(p.trail, 1, 2) // the creation stays
	}
	p.trail = append(p.trail, fmt.Sprintf("%s %v", a.began.Format("15:04:05.000"), a))
}

func (p *person) String() string {
	return fmt.Sprintf("%s (%s): exists %v, account %v, blocked %v, state %v, until %v, roles %v", p.name, p.id, &p.exists, &p.account, &p.blocked, &p.state, &p.until, &p.roles)
}

// soonOver reports whether the person may expire, or have expired, in the time of a run.
func (p *person) soonOver() bool {
	soon := func(date string) bool {
		at, err := time.Parse(time.RFC3339, date)
		return err == nil && time.Until(at) < 24*time.Hour
	}
	return soon(p.until.held) || slices.ContainsFunc(p.until.doubts, func(d doubt[string]) bool { return soon(d.value) })
}

// mustLogIn reports whether the person can log in, whatever requests without an answer have
// done.
func (p *person) mustLogIn() bool {
	return p.password && p.exists.is(true) && p.account.is(true) && p.blocked.is(false) && p.state.is("PUBLIC") && p.email.known() && !p.soonOver()
}

// mustNotLogIn reports whether no login can succeed.
func (p *person) mustNotLogIn() bool {
	return p.exists.is(false) || p.exists.known() && p.account.is(false) || p.blocked.is(true) || !p.state.may("PUBLIC")
}

var roleNames = []string{"boss", "editor", "reader"}

// someRoles returns roles, sorted.
func (c *client) someRoles() []string {
	var roles []string
	for _, role := range roleNames {
		if c.rng.IntN(2) == 0 {
			roles = append(roles, role)
		}
	}
	return roles
}

// someDate returns an expirationDate: soon, or far from now.
func (c *client) someDate() string {
	in := 30 * 24 * time.Hour
	if c.rng.IntN(2) == 0 {
		in = time.Duration(8+c.rng.IntN(40)) * time.Second
	}
	return time.Now().Add(in).UTC().Truncate(time.Second).Format("2006-01-02T15:04:05.000Z")
}

// newPerson returns somebody that there has not been yet, and what is to be sent of it.
func (c *client) newPerson() (*person, map[string]any) {
	c.made++
	p := &person{name: fmt.Sprintf("u%d-%d-%d", c.number, c.made, c.o.seed%1000)}
	p.email.held, p.alias.held, p.state.held = p.name+"@"+domain, "Name "+p.name, "PUBLIC"
	fields := map[string]any{"userGroup": "customers", "username": p.name, "email": p.email.held, "name": p.alias.held}
	if roles := c.someRoles(); len(roles) > 0 && c.rng.IntN(2) == 0 {
		fields["roles"] = roles
		p.roles.held = strings.Join(roles, ",")
	}
	if c.rng.IntN(6) == 0 {
		p.until.held = c.someDate()
		fields["expirationDate"] = p.until.held
	}
	if c.rng.IntN(12) == 0 {
		p.blocked.held = true
		fields["blocked"] = true
	}
	return p, fields
}

// mayExpire notes that the person may be blocked by its timer.
func (p *person) mayExpire() {
	if p.soonOver() {
		p.blocked.doubtUntil(true, time.Now().Add(10*time.Minute))
	}
}

// keep adds a person to those that are compared in the end.
func (c *client) keep(people ...*person) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.world.people = append(c.world.people, people...)
}

// created takes the answer to the creation of a person.
func (c *client) created(p *person, a answer, id string, account bool) {
	p.note(a)
	switch {
	case a.done():
		p.id = id
		p.exists.set(true, a.began)
		p.account.set(account, a.began)
		c.people = append(c.people, p)
	case !a.refused():
		p.exists.doubt(true)
		p.account.doubt(account)
	}
	p.mayExpire()
	if !a.refused() {
		c.keep(p)
	}
}

// some returns somebody of the client's own whom no job is at work on, or nil.
func (c *client) some() *person {
	for range 5 {
		if len(c.people) == 0 {
			return nil
		}
		if p := c.people[c.rng.IntN(len(c.people))]; !p.busy {
			return p
		}
	}
	return nil
}

// several returns some of the client's own whom no job is at work on, each once.
func (c *client) several(n int) []*person {
	var found []*person
	for range n {
		if p := c.some(); p != nil && !slices.Contains(found, p) {
			found = append(found, p)
		}
	}
	return found
}

func idsOf(people []*person) []string {
	ids := make([]string, len(people))
	for i, p := range people {
		ids[i] = p.id
	}
	return ids
}

// drop takes people off those that the client works on. Of what was done with them the last
// is kept: there may be very many.
func (c *client) drop(gone ...*person) {
	for _, p := range gone {
		p.trail = slices.Clone(p.trail[max(len(p.trail)-2, 0):])
	}
	c.people = slices.DeleteFunc(c.people, func(p *person) bool { return slices.Contains(gone, p) })
}

// create makes a user, and tries again when it was not answered.
func (c *client) create(ctx context.Context) {
	p, fields := c.newPerson()
	path := "/users/?sendResetPwdEmail=false"
	account := c.rng.IntN(6) > 0
	if !account {
		path += "&postponeAuthUserCreation=true"
	} else if c.rng.IntN(5) > 0 {
		fields["password"] = password
		p.password = true
	}
	a := c.call(ctx, "create", "POST", path, fields)
	for range 2 {
		if a.status != 0 && a.status < 500 || ctx.Err() != nil {
			break
		}
		p.note(a)
		p.exists.doubt(true)
		p.account.doubt(account)
		wait(ctx, time.Duration(c.rng.IntN(500))*time.Millisecond)
		if again := c.call(ctx, "create", "POST", path, fields); !again.refused() {
			a = again
		}
	}
	var created struct {
		ID string `json:"_id"`
	}
	if a.done() && !c.into(a, &created) {
		return
	}
	c.created(p, a, created.ID, account)
}

// createWithID makes a user of an account that is there.
func (c *client) createWithID(ctx context.Context) {
	if c.tenant == nil {
		return
	}
	p, fields := c.newPerson()
	id := "soak-" + p.name
	if err := c.sow(id, p.name); err != nil {
		c.book.wrong("account made at the tenant: %v", err)
		return
	}
	delete(fields, "username") // both are the account's
	delete(fields, "email")
	fields["authUserId"] = "auth0|" + id
	p.password = true
	a := c.call(ctx, "create with id", "POST", "/users/with-id", fields)
	var created struct {
		ID string `json:"_id"`
	}
	if a.done() && c.into(a, &created) {
		c.mu.Lock()
		delete(c.sown, "auth0|"+id)
		c.mu.Unlock()
	}
	c.created(p, a, created.ID, true)
}

// createAll makes several users in one request.
func (c *client) createAll(ctx context.Context) {
	var people []*person
	var bodies []map[string]any
	for range 3 + c.rng.IntN(12) {
		p, fields := c.newPerson()
		fields["password"] = password
		p.password = true
		people, bodies = append(people, p), append(bodies, fields)
	}
	a := c.call(ctx, "create in bulk", "POST", "/users/bulk?sendResetPwdEmail=false", bodies)
	outcomes := c.outcomes(a, len(people))
	for i, p := range people {
		one := a
		id := ""
		if outcomes != nil {
			one.status, id = outcomes[i].status(), outcomes[i].ID
		}
		c.created(p, one, id, true)
	}
}

// An outcome is what became of one of several users.
type outcome struct {
	ID         string `json:"_id"`
	StatusCode int    `json:"statusCode"`
}

func (o outcome) status() int {
	if o.StatusCode == 0 {
		return 200
	}
	return o.StatusCode
}

// outcomes returns what became of each of n users, or nil when that is not told.
func (c *client) outcomes(a answer, n int) []outcome {
	var all []outcome
	switch {
	case a.done():
		if !c.into(a, &all) {
			return nil
		}
	default:
		var several struct{ Outcomes []outcome }
		if json.Unmarshal(a.body, &several) != nil || several.Outcomes == nil {
			return nil
		}
		all = several.Outcomes
	}
	if len(all) != n {
		c.book.wrong("%d outcomes of %d users: %v", len(all), n, a)
		return nil
	}
	return all
}

// register gives an account to somebody who has none.
func (c *client) register(ctx context.Context) {
	p := c.some()
	if p == nil || !p.account.is(false) || p.state.may("DELETED") && !p.state.is("DELETED") {
		return
	}
	a := c.call(ctx, "register", "POST", "/users/register?sendResetPwdEmail=false", map[string]any{"_id": p.id, "password": password})
	p.note(a)
	switch {
	case a.done():
		p.account.set(true, a.began)
		p.password = true
	case !a.refused():
		p.account.doubt(true)
		p.password = false
	}
}

// read gets one user and holds it against what is known.
func (c *client) read(ctx context.Context) {
	p := c.some()
	if p == nil {
		return
	}
	a := c.call(ctx, "get", "GET", "/users/"+p.id+"?"+anyState, nil)
	if a.status == 404 && p.exists.is(true) {
		c.book.wrong("a user is gone: %v: %v", p, a)
		return
	}
	var user map[string]any
	if !a.done() || !c.into(a, &user) {
		return
	}
	if id := text(user, "authUserId"); strings.HasPrefix(id, "auth0|") || strings.HasPrefix(id, "fake|") {
		p.authID = id
	}
	c.hold(p, user, a.text)
}

// hold compares a user with what is known of it.
func (c *world) hold(p *person, user map[string]any, where string) {
	if p.exists.is(false) {
		c.book.wrong("%s: a user is there again: %v\n%s", where, p, strings.Join(p.trail, "\n"))
	}
	for _, b := range []struct {
		field string
		has   string
		may   *belief[string]
	}{
		{"email", text(user, "email"), &p.email}, {"name", text(user, "name"), &p.alias}, {"__STATE__", text(user, "__STATE__"), &p.state},
		{"roles", rolesOf(user), &p.roles}, {"expirationDate", text(user, "expirationDate"), &p.until},
	} {
		if !b.may.may(b.has) {
			c.book.wrong("%s: %s is %q, should be %v: %v\n%s", where, b.field, b.has, b.may, p, strings.Join(p.trail, "\n"))
		}
	}
	if blocked := user["blocked"] == true; !p.blocked.may(blocked) {
		c.book.wrong("%s: blocked is %v, should be %v: %v\n%s", where, blocked, &p.blocked, p, strings.Join(p.trail, "\n"))
	}
}

// rolesOf are a user's roles, sorted, as a person has them.
func rolesOf(user map[string]any) string {
	roles := list(user, "roles")
	slices.Sort(roles)
	return strings.Join(slices.Compact(roles), ",")
}

// readMany lists, counts and exports.
func (c *client) readMany(ctx context.Context) {
	switch c.rng.IntN(4) {
	case 0:
		a := c.call(ctx, "count", "GET", "/users/count?"+anyState, nil)
		var n int
		if a.done() {
			c.into(a, &n)
		}
	case 1:
		a := c.send(ctx, "export", "GET", "/users/export?_q="+url.QueryEscape(fmt.Sprintf(`{"username":{"$regex":"^u%d-%d"}}`, c.number, c.rng.IntN(10))), nil, "Accept", "application/json")
		var users []map[string]any
		if a.done() {
			c.into(a, &users)
		}
	case 2:
		c.listOwn(ctx)
	default:
		a := c.call(ctx, "list", "GET", fmt.Sprintf("/users/?_l=%d&_sk=%d&_s=-createdAt", 1+c.rng.IntN(200), c.rng.IntN(300)), nil)
		var users []map[string]any
		if a.done() {
			c.into(a, &users)
		}
	}
}

// listOwn lists users that are known, and holds them against what is.
func (c *client) listOwn(ctx context.Context) {
	people := c.several(20)
	if len(people) == 0 {
		return
	}
	a := c.call(ctx, "list", "GET", "/users/?"+anyState+"&_l=200&"+byIDs(idsOf(people)), nil)
	var users []map[string]any
	if !a.done() || !c.into(a, &users) {
		return
	}
	for _, p := range people {
		i := slices.IndexFunc(users, func(u map[string]any) bool { return u["_id"] == p.id })
		switch {
		case i >= 0:
			c.hold(p, users[i], "list")
		case p.exists.is(true):
			c.book.wrong("a user is missing in a list: %v", p)
		}
	}
}
