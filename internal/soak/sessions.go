package main

import (
	"context"
	"strings"
)

// login logs somebody in, with the right password or a wrong one, and looks who that is.
func (c *client) login(ctx context.Context) {
	p := c.some()
	for tries := 0; p != nil && !p.password && tries < 5; tries++ {
		p = c.some() // somebody who may rather than one who has no account
	}
	if p == nil {
		return
	}
	word, wrong := password, c.rng.IntN(10) == 0
	if wrong {
		word = "wrong-" + password
	}
	a := c.call(ctx, "log in", "POST", "/oauth/token", map[string]any{"username": p.email.held, "password": word})
	switch {
	case a.done() && wrong:
		c.book.wrong("somebody logs in with a wrong password: %v", p)
	case a.done() && p.mustNotLogIn():
		c.book.wrong("somebody logs in who must not: %v\n%s", p, strings.Join(p.trail, "\n"))
	case (a.status == 401 || a.status == 403) && !wrong && p.mustLogIn():
		c.book.wrong("somebody cannot log in who may: %v: %v\n%s", a, p, strings.Join(p.trail, "\n"))
	}
	if a.done() {
		c.book.add(&c.book.logins, 1)
		c.useSession(ctx, p, a)
	}
}

// useSession asks who is logged in, refreshes the session, and blocks the user to see the
// session end.
func (c *client) useSession(ctx context.Context, p *person, login answer) {
	var session struct{ AccessToken, RefreshToken string }
	if !c.into(login, &session) {
		return
	}
	info := func() answer {
		return c.send(ctx, "user info", "GET", "/userinfo", nil, "Authorization", "Bearer "+session.AccessToken)
	}
	if a := info(); a.status == 401 && p.mustLogIn() {
		c.book.wrong("a session is not taken: %v: %v\n%s", a, p, strings.Join(p.trail, "\n"))
	}
	if c.rng.IntN(3) == 0 {
		c.send(ctx, "refresh", "POST", "/refreshtoken", []byte(`{"refreshToken":"`+session.RefreshToken+`"}`),
			"Content-Type", "application/json", "Authorization", "Bearer "+session.AccessToken)
	}
	if c.rng.IntN(4) > 0 {
		return
	}
	ch := change{fields: map[string]any{"blocked": true}}
	ch.apply = append(ch.apply, to(func(p *person) *belief[bool] { return &p.blocked }, true))
	a := c.call(ctx, "patch", "PATCH", "/users/"+p.id+"?"+anyState, ch.fields)
	ch.follow(p, a)
	if a.done() && p.blocked.is(true) {
		if a := info(); a.done() {
			c.book.wrong("a session goes on that was ended: %v\n%s", p, strings.Join(p.trail, "\n"))
		}
	}
}

// changePassword has a mail sent to somebody whose account was seen.
func (c *client) changePassword(ctx context.Context) {
	if p := c.some(); p != nil && p.authID != "" {
		c.call(ctx, "change password", "POST", "/users/change-password", map[string]any{"authUserId": p.authID})
	}
}
