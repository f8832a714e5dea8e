package main

import (
	"fmt"
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
