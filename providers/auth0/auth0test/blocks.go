package auth0test

import (
	"errors"
	"net/http"
	"time"
)

// Brute-force protection, with its defaults.
const (
	mostFailures = 10
	blockLasts   = 30 * 24 * time.Hour
)

// A loginKey is an account, and the address somebody logs in from.
type loginKey struct{ user, address string }

// failedLogins are those in a row.
type failedLogins struct {
	count      int
	last       time.Time
	identifier string // as the last one wrote it
}

func (t *Tenant) bruteForced(key loginKey, now time.Time) bool {
	f := t.failures[key]
	if f != nil && now.Sub(f.last) >= blockLasts {
		delete(t.failures, key)
		return false
	}
	return f != nil && f.count >= mostFailures
}

func (t *Tenant) noteFailure(key loginKey, name string, now time.Time) {
	f := t.failures[key]
	if f == nil {
		f = &failedLogins{}
		t.failures[key] = f
	}
	f.count++
	f.last, f.identifier = now, name
}

// blocksOf lists the blocks of an account.
func (c *call) blocksOf(a *account) *reply {
	blocks := []any{}
	for key, f := range c.tenant.failures {
		if a != nil && key.user == a.id && c.tenant.bruteForced(key, c.now) {
			blocks = append(blocks, map[string]any{"identifier": f.identifier, "ip": key.address, "connection": Connection})
		}
	}
	return ok(http.StatusOK, map[string]any{"blocked_for": blocks})
}

// unblock lifts the blocks of an account.
func (c *call) unblock(a *account) *reply {
	for key := range c.tenant.failures {
		if a != nil && key.user == a.id {
			delete(c.tenant.failures, key)
		}
	}
	return ok(http.StatusNoContent, nil)
}

var errUserNotFound = refuse(http.StatusNotFound, "inexistent_user", "User not found.")

// blockedUser returns the account that the path names.
func (c *call) blockedUser() (*account, error) {
	a, err := c.pathUser()
	if errors.Is(err, errNoUser) {
		return nil, errUserNotFound
	}
	return a, err
}

// identified returns the account that "identifier" names, or nil.
func (c *call) identified() (*account, error) {
	if err := c.onlyParameters("identifier", "consider_brute_force_enablement"); err != nil {
		return nil, err
	}
	name := c.URL.Query().Get("identifier")
	if name == "" {
		return nil, invalidQuery("Missing required property: identifier", "")
	}
	return c.tenant.users.find(name), nil
}

// blocksByID handles GET /api/v2/user-blocks/{id}.
func blocksByID(c *call) (*reply, error) {
	a, err := c.blockedUser()
	if err != nil {
		return nil, err
	}
	return c.blocksOf(a), nil
}

// blocksByIdentifier handles GET /api/v2/user-blocks.
func blocksByIdentifier(c *call) (*reply, error) {
	a, err := c.identified()
	if err != nil {
		return nil, err
	}
	return c.blocksOf(a), nil
}

// unblockByID handles DELETE /api/v2/user-blocks/{id}.
func unblockByID(c *call) (*reply, error) {
	a, err := c.blockedUser()
	if err != nil {
		return nil, err
	}
	return c.unblock(a), nil
}

// unblockByIdentifier handles DELETE /api/v2/user-blocks.
func unblockByIdentifier(c *call) (*reply, error) {
	a, err := c.identified()
	if err != nil {
		return nil, err
	}
	return c.unblock(a), nil
}
