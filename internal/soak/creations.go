package main

import (
	"context"
	"encoding/json"
	"time"
)

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
