package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// A change is what a request is to make of a person.
type change struct {
	fields map[string]any                         // to set
	unset  map[string]any                         // to unset
	apply  []func(p *person, a answer, sure bool) // what is believed then
}

// to returns what makes a belief follow a request.
func to[T comparable](of func(p *person) *belief[T], value T) func(p *person, a answer, sure bool) {
	return func(p *person, a answer, sure bool) {
		if sure {
			of(p).set(value, a.began)
		} else {
			of(p).doubt(value)
		}
	}
}

// someChange returns a change of one field or several.
func (c *client) someChange(p *person) change {
	ch := change{fields: map[string]any{}, unset: map[string]any{}}
	c.made++
	if c.rng.IntN(3) == 0 {
		email := fmt.Sprintf("%s-%d@%s", p.name, c.made, domain)
		ch.fields["email"] = email
		ch.apply = append(ch.apply, to(func(p *person) *belief[string] { return &p.email }, email))
	}
	if c.rng.IntN(3) == 0 {
		name := fmt.Sprintf("Name %d", c.made)
		ch.fields["name"] = name
		ch.apply = append(ch.apply, to(func(p *person) *belief[string] { return &p.alias }, name))
	}
	if c.rng.IntN(4) == 0 {
		roles := c.someRoles()
		if len(roles) == 0 {
			ch.unset["roles"] = true
		} else {
			ch.fields["roles"] = roles
		}
		ch.apply = append(ch.apply, to(func(p *person) *belief[string] { return &p.roles }, strings.Join(roles, ",")))
	}
	c.changeDate(&ch)
	if blocked := c.rng.IntN(2) == 0; c.rng.IntN(3) == 0 || len(ch.apply) == 0 {
		ch.fields["blocked"] = blocked
		ch.apply = append(ch.apply, to(func(p *person) *belief[bool] { return &p.blocked }, blocked))
	}
	return ch
}

// changeDate lets some changes be of the expirationDate.
func (c *client) changeDate(ch *change) {
	until := ""
	switch c.rng.IntN(16) {
	case 0:
		until = c.someDate()
		ch.fields["expirationDate"] = until
	case 1:
		ch.unset["expirationDate"] = true
	default:
		return
	}
	ch.apply = append(ch.apply, to(func(p *person) *belief[string] { return &p.until }, until))
}

// update is the change as operators.
func (ch change) update() map[string]any {
	update := map[string]any{}
	if len(ch.fields) > 0 {
		update["$set"] = ch.fields
	}
	if len(ch.unset) > 0 {
		update["$unset"] = ch.unset
	}
	return update
}

// follow has a person follow a change, by its answer.
func (ch change) follow(p *person, a answer) {
	p.note(a)
	if a.refused() {
		return
	}
	p.mayExpire() // at the date of before
	for _, apply := range ch.apply {
		apply(p, a, a.done())
	}
	p.mayExpire()
}

// gone: a request for somebody who is there is answered as if nobody were.
func (c *client) gone(p *person, a answer) {
	if a.missing() && p.exists.is(true) {
		c.book.wrong("a user is gone: %v: %v\n%s", p, a, strings.Join(p.trail, "\n"))
	}
}

// patch changes a user.
func (c *client) patch(ctx context.Context) {
	p := c.some()
	if p == nil {
		return
	}
	ch := c.someChange(p)
	var body map[string]any = ch.update()
	if len(ch.unset) == 0 && c.rng.IntN(2) == 0 {
		body = ch.fields
	}
	a := c.call(ctx, "patch", "PATCH", "/users/"+p.id+"?"+anyState, body)
	c.gone(p, a)
	ch.follow(p, a)
}

// patchAll changes several users in one request.
func (c *client) patchAll(ctx context.Context) {
	people := c.several(8)
	if len(people) == 0 {
		return
	}
	changes, bodies := make([]change, len(people)), make([]map[string]any, len(people))
	for i, p := range people {
		changes[i] = c.someChange(p)
		bodies[i] = map[string]any{"filter": map[string]any{"_id": p.id}, "update": changes[i].update()}
	}
	a := c.call(ctx, "patch in bulk", "PATCH", "/users/bulk", bodies)
	var outcomes []outcome
	if !a.done() { // a success is a number
		outcomes = c.outcomes(a, len(people))
	}
	for i, p := range people {
		one := a
		if outcomes != nil {
			one.status = outcomes[i].status()
		}
		if one.done() && !p.state.is("PUBLIC") {
			one.status = 0 // who is in another state is passed over
		}
		changes[i].follow(p, one)
	}
}

// move brings a user to another state.
func (c *client) move(ctx context.Context) {
	p := c.some()
	if p == nil {
		return
	}
	state := []string{"PUBLIC", "PUBLIC", "PUBLIC", "DRAFT", "TRASH", "DELETED"}[c.rng.IntN(6)]
	a := c.call(ctx, "move", "POST", "/users/state", []any{map[string]any{"filter": map[string]any{"_id": p.id}, "stateTo": state}})
	p.note(a)
	var n int
	if a.done() && c.into(a, &n) && n == 0 && !p.state.is(state) {
		a.status = 0
	}
	c.moved(p, state, a)
}

// moved has a person follow a move.
func (c *client) moved(p *person, state string, a answer) {
	if !a.done() && (!a.refused() || a.status == http.StatusConflict) {
		p.state.doubt("TRASH") // the way from one state to another may lead there, and stop
		p.state.doubt("DRAFT")
	}
	if a.refused() {
		return
	}
	to(func(p *person) *belief[string] { return &p.state }, state)(p, a, a.done())
	if state == "DELETED" {
		to(func(p *person) *belief[bool] { return &p.account }, false)(p, a, a.done())
	}
}

// softDelete keeps a user without an account.
func (c *client) softDelete(ctx context.Context) {
	p := c.some()
	if p == nil {
		return
	}
	a := c.call(ctx, "soft-delete", "POST", "/users/"+p.id+"/soft-delete", nil)
	p.note(a)
	c.moved(p, "DELETED", a)
}

// remove deletes a user.
func (c *client) remove(ctx context.Context) {
	p := c.some()
	if p == nil {
		return
	}
	a := c.call(ctx, "delete", "DELETE", "/users/"+p.id+"?"+anyState, nil)
	c.gone(p, a)
	p.note(a)
	switch {
	case a.done(), a.missing():
		p.exists.set(false, a.began)
		c.drop(p)
	case !a.refused():
		p.exists.doubt(false)
		p.account.doubt(false)
	}
}

// removeAll deletes several users by a filter.
func (c *client) removeAll(ctx context.Context) {
	people := c.several(5)
	if len(people) == 0 {
		return
	}
	a := c.call(ctx, "delete by filter", "DELETE", "/users/?"+anyState+"&"+byIDs(idsOf(people)), nil)
	for _, p := range people {
		p.note(a)
		switch {
		case a.done():
			p.exists.set(false, a.began)
			c.drop(p)
		default: // some may be deleted, whatever the status
			p.exists.doubt(false)
			p.account.doubt(false)
		}
	}
}

// contend makes a request for one of the users that all clients work on.
func (c *client) contend(ctx context.Context) {
	c.mu.Lock()
	shared := c.shared
	c.mu.Unlock()
	if len(shared) == 0 {
		return
	}
	id := shared[c.rng.IntN(len(shared))]
	switch c.rng.IntN(6) {
	case 0:
		state := []string{"PUBLIC", "PUBLIC", "DRAFT", "TRASH"}[c.rng.IntN(4)]
		c.call(ctx, "contend", "POST", "/users/state", []any{map[string]any{"filter": map[string]any{"_id": id}, "stateTo": state}})
	case 1:
		c.call(ctx, "contend", "POST", "/users/"+id+"/soft-delete", nil)
	case 2:
		c.call(ctx, "contend", "POST", "/users/register?sendResetPwdEmail=false", map[string]any{"_id": id})
	default:
		ch := c.someChange(&person{name: "shared-" + id})
		c.call(ctx, "contend", "PATCH", "/users/"+id+"?"+anyState, ch.update())
	}
}
