package auth0test

import (
	"net/http"
	"slices"
	"time"
)

// A family is a refresh token with all that came from it.
type family struct {
	session
	id      string // of the device credential
	at      time.Time
	revoked bool
}

// A refreshToken is one value of a family.
type refreshToken struct {
	family *family
	used   bool
}

// maxFamilies is how many refresh tokens of a user a client can have alive.
const maxFamilies = 200

var errRefresh = deny(http.StatusForbidden, "invalid_grant", "Unknown or invalid refresh token.")

// newFamily returns the first refresh token of s. One too many ends the oldest.
func (c *call) newFamily(s session) string {
	c.tenant.families = slices.DeleteFunc(c.tenant.families, func(f *family) bool { return f.revoked })
	var alive []*family
	for _, f := range c.tenant.families {
		if f.user == s.user && f.client.id == s.client.id {
			alive = append(alive, f)
		}
	}
	if len(alive) >= maxFamilies {
		alive[0].revoked = true
	}
	f := &family{session: s, id: "dcr_" + randomLetters(16), at: c.now}
	c.tenant.families = append(c.tenant.families, f)
	return c.newRefreshToken(f)
}

func (c *call) newRefreshToken(f *family) string {
	value := "v1." + randomLetters(43)
	c.tenant.refresh[value] = &refreshToken{family: f}
	return value
}

// refreshTokens handles the grant.
func refreshTokens(c *call, who client, p parameters) (*reply, error) {
	value := p.text("refresh_token")
	if value == "" {
		return nil, deny(http.StatusBadRequest, "invalid_request", "Missing required parameter: refresh_token")
	}
	old := c.tenant.refresh[value]
	if old == nil || old.family.revoked || old.family.client.id != who.id {
		return nil, errRefresh
	}
	if old.used {
		old.family.revoked = true // somebody has a copy
		return nil, errRefresh
	}
	a := c.tenant.users.accounts[old.family.user]
	if a == nil {
		return nil, deny(http.StatusForbidden, "invalid_grant", "The refresh_token was generated for a user who doesn't exist anymore.")
	}
	if a.blocked() {
		return nil, deny(http.StatusForbidden, "invalid_grant", "user is blocked")
	}
	s := old.family.session
	asked, err := scopesOf(p)
	if err != nil {
		return nil, err
	}
	if len(asked) > 0 {
		s.scopes = slices.DeleteFunc(slices.Clone(s.scopes), func(scope string) bool { return !slices.Contains(asked, scope) })
	}
	body := c.tokens(s)
	if !c.tenant.cfg.FixedRefreshTokens {
		old.used = true
		body["refresh_token"] = c.newRefreshToken(old.family)
	}
	return granted(body), nil
}

// revoke handles POST /oauth/revoke.
func revoke(c *call) (*reply, error) {
	p, err := c.parameters()
	if err != nil {
		return nil, err
	}
	who, err := c.client(p)
	if err != nil {
		return nil, err
	}
	value := p.text("token")
	if value == "" {
		return nil, deny(http.StatusBadRequest, "invalid_request", "Missing required parameter: token")
	}
	if known := c.tenant.refresh[value]; known != nil && known.family.client.id == who.id {
		known.family.revoked = true
	}
	return &reply{status: http.StatusOK, kind: plainJSON}, nil
}

// revokeAll ends all refresh tokens of a user.
func (t *Tenant) revokeAll(user string) {
	for _, f := range t.families {
		if f.user == user {
			f.revoked = true
		}
	}
}

// endSessions ends all tokens of a user.
func (t *Tenant) endSessions(user string) {
	t.revokeAll(user)
	for value, token := range t.tokens {
		if token.user == user {
			delete(t.tokens, value)
		}
	}
}
