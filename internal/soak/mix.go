package main

import (
	"context"
	"sync"
)

// actions are what clients do, and how often each beside the others.
var actions = []struct {
	parts int
	do    func(*client, context.Context)
}{
	{14, (*client).create}, {3, (*client).createWithID}, {2, (*client).createAll}, {4, (*client).register},
	{16, (*client).patch}, {3, (*client).patchAll}, {6, (*client).move}, {2, (*client).softDelete},
	{6, (*client).remove}, {2, (*client).removeAll},
	{12, (*client).read}, {8, (*client).readMany}, {14, (*client).login}, {2, (*client).changePassword},
	{2, (*client).activate}, {1, (*client).mail}, {2, (*client).importFile},
	{6, (*client).contend}, {4, (*client).beHostile},
}

// step does one thing. A client that has many people deletes rather than creates.
func (c *client) step(ctx context.Context) {
	if len(c.people) > 2*c.o.people {
		c.removeCrowd(ctx)
		return
	}
	all := 0
	for _, a := range actions {
		all += a.parts
	}
	at := c.rng.IntN(all)
	for i, a := range actions {
		if at -= a.parts; at >= 0 {
			continue
		}
		if i < 3 && len(c.people) > c.o.people {
			c.remove(ctx)
		} else {
			a.do(c, ctx)
		}
		return
	}
}

// removeCrowd deletes many, as after a large import.
func (c *client) removeCrowd(ctx context.Context) {
	var people []*person
	for _, p := range c.people {
		if !p.password && !p.busy && len(people) < 100 { // imported ones rather than those with accounts
			people = append(people, p)
		}
	}
	if len(people) == 0 {
		c.removeAll(ctx)
		return
	}
	a := c.call(ctx, "delete by filter", "DELETE", "/users/?"+anyState+"&"+byIDs(idsOf(people)), nil)
	for _, p := range people {
		p.note(a)
		if a.done() {
			p.exists.set(false, a.began)
		} else {
			p.exists.doubt(false)
			p.account.doubt(false)
		}
	}
	c.drop(people...) // what was not answered is settled in the end
}

// load has all clients make requests until ctx is done, and copies be disturbed meanwhile.
func (w *world) load(ctx context.Context, clients int) error {
	first := newClient(w, 999)
	for range 6 {
		p, fields := first.newPerson()
		delete(fields, "expirationDate")
		a := first.call(ctx, "create", "POST", "/users/?sendResetPwdEmail=false", fields)
		var created struct {
			ID string `json:"_id"`
		}
		if a.done() && first.into(a, &created) {
			p.id = created.ID
			w.shared = append(w.shared, created.ID)
		}
	}
	first.http.CloseIdleConnections()
	var g sync.WaitGroup
	for n := range clients {
		c := newClient(w, n)
		g.Go(func() { c.run(ctx) })
	}
	g.Go(func() { w.occupy(ctx) })
	err := w.disturb(ctx)
	g.Wait()
	return err
}
