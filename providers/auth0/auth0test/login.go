package auth0test

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"user-manager/secret"
)

// errWrong is the answer to an unknown user and to a wrong password.
var errWrong = deny(http.StatusForbidden, "invalid_grant", "Wrong email or password.")

// passwordLogin handles both password grants.
func passwordLogin(c *call, who client, p parameters) (*reply, error) {
	address := c.address(who.secret != "")
	if err := c.charge("address", address, c.tenant.cfg.Limits.Address); err != nil {
		return nil, err
	}
	if err := c.checkLogin(p); err != nil {
		return nil, err
	}
	scopes, err := scopesOf(p)
	if err != nil {
		return nil, err
	}
	a, err := c.authenticate(p.text("username"), secret.New(p.text("password")), address)
	if err != nil {
		return nil, err
	}
	c.refund = c.tenant.cfg.Limits.Address.Size > 0
	c.noteLogin(a, address)
	audience := p.text("audience")
	s := session{a.id, who, audience, c.tenant.grantScopes(scopes, audience, who)}
	body := c.tokens(s)
	if slices.Contains(s.scopes, offline) {
		body["refresh_token"] = c.newFamily(s)
	}
	return granted(body), nil
}

// checkLogin refuses a request that has no right form.
func (c *call) checkLogin(p parameters) error {
	for _, name := range []string{"username", "password"} {
		if p.text(name) == "" {
			return deny(http.StatusBadRequest, "invalid_request", "Missing required parameter: "+name)
		}
	}
	realm := p.text("realm")
	switch audience := p.text("audience"); {
	case p.text("grant_type") == realmGrant && realm == "":
		return deny(http.StatusBadRequest, "invalid_request", "Missing required parameter: realm")
	case p.text("grant_type") == realmGrant && realm != Connection:
		return deny(http.StatusBadRequest, "invalid_request", "unknown realm: "+realm)
	case p.text("grant_type") == passwordGrant && c.tenant.cfg.NoDefaultDirectory:
		return deny(http.StatusInternalServerError, "server_error", "Authorization server not configured with default connection.")
	case audience != "" && audience != Audience:
		return deny(http.StatusBadRequest, "invalid_request", "invalid audience specified for password grant exchange")
	}
	return nil
}

// scopesOf returns the scopes that are asked for.
func scopesOf(p parameters) ([]string, error) {
	switch scope := p["scope"].(type) {
	case nil:
		return nil, nil
	case string:
		return strings.Fields(scope), nil
	case []any:
		var all []string
		for _, one := range scope {
			s, ok := one.(string)
			if !ok {
				return nil, errScope
			}
			all = append(all, s)
		}
		return all, nil
	}
	return nil, errScope
}

var errScope = deny(http.StatusBadRequest, "invalid_scope", "Scope must be an array or a string")

// authenticate finds the account of a user name, email address or phone number, if that is
// its password and nothing else is in the way.
func (c *call) authenticate(name string, password secret.Text, address string) (*account, error) {
	a := c.tenant.users.find(name)
	if a == nil {
		return nil, errWrong
	}
	key := loginKey{a.id, address}
	if c.tenant.bruteForced(key, c.now) {
		c.tenant.stats.Limited["brute force"]++
		c.bucket = nil // this is none
		return nil, deny(http.StatusTooManyRequests, "too_many_attempts", "Your account has been blocked after multiple consecutive login attempts. "+
			"We've sent you an email with instructions on how to unblock it.")
	}
	if err := c.chargeQuietly("account", a.id+" "+address, c.tenant.cfg.Limits.Account); err != nil {
		return nil, err
	}
	if !a.has(password) {
		c.tenant.noteFailure(key, name, c.now)
		return nil, errWrong
	}
	delete(c.tenant.failures, key)
	return a, c.mayLogin(a)
}

// chargeQuietly is charge for a bucket whose headers are seen only when it is empty.
func (c *call) chargeQuietly(name, whose string, l Limit) error {
	shown := c.bucket
	err := c.charge(name, whose, l)
	if err == nil {
		c.bucket = shown
	}
	return err
}

// mayLogin refuses a user whose password was right.
func (c *call) mayLogin(a *account) error {
	email, _ := a.doc["email"].(string)
	switch cfg := c.tenant.cfg; {
	case a.blocked() && cfg.ForbidsBlocked:
		return deny(http.StatusForbidden, "invalid_grant", "user is blocked")
	case a.blocked():
		return deny(http.StatusUnauthorized, "unauthorized", "user is blocked")
	case slices.Contains(cfg.Leaked, email):
		return deny(http.StatusUnauthorized, "password_leaked", "This login has been blocked because the password has been leaked in another website. "+
			"We've sent you an email with instructions on how to unblock it.")
	case slices.Contains(cfg.MFA, email):
		return deny(http.StatusForbidden, "mfa_required", "Multifactor authentication required").with("mfa_token", "Fe26.2*"+randomLetters(40))
	}
	return nil
}

// has reports whether password is the account's.
func (a *account) has(password secret.Text) bool {
	if a.hash != "" {
		return bcrypt.CompareHashAndPassword([]byte(a.hash), []byte(password.Reveal())) == nil
	}
	return !a.password.IsZero() && a.password == password
}

// noteLogin writes the login into the user's profile.
func (c *call) noteLogin(a *account, address string) {
	doc := a.changed()
	count, _ := doc["logins_count"].(int)
	doc["logins_count"] = count + 1
	doc["last_ip"] = address
	doc["last_login"] = stamp(c.now)
	doc["updated_at"] = stamp(c.now)
	c.tenant.users.put(a, doc, c.now)
}
