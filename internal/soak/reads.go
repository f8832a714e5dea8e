package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

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
