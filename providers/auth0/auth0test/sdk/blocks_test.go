package sdk

import (
	"net/http"
	"testing"

	"github.com/auth0/go-auth0/authentication"
	"github.com/auth0/go-auth0/management"

	"user-manager/providers/auth0/auth0test"
)

// Ten failed logins of one account from one address block it there until it is unblocked.
func TestBlocksAfterFailedLogins(t *testing.T) {
	tn := newTenant(t, auth0test.Config{})
	m, a := tn.management(t), tn.authentication(t, authentication.WithNoRetries())
	u := ada(t, m)
	blocks := func() []*management.UserBlock {
		got, err := m.User.Blocks(t.Context(), u.GetID())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, unblock := range []func() error{
		func() error { return m.User.Unblock(t.Context(), u.GetID()) },
		func() error { return m.User.UnblockByIdentifier(t.Context(), "ada@example.com") },
	} {
		if got := blocks(); len(got) != 0 {
			t.Errorf("before: %v", got)
		}
		for range 10 {
			if _, err := login(t, a, "ada@example.com", "wrong"); err == nil {
				t.Fatal("a wrong password was taken")
			}
		}
		_, err := login(t, a, "ada@example.com", password)
		denied(t, err, http.StatusTooManyRequests, "too_many_attempts", "Your account has been blocked after multiple consecutive login attempts.")
		if got := blocks(); len(got) != 1 || got[0].GetIdentifier() != "ada@example.com" || got[0].GetIP() == "" {
			t.Errorf("blocks: %v", got)
		}
		if err := unblock(); err != nil {
			t.Fatal(err)
		}
		if _, err := login(t, a, "ada@example.com", password); err != nil {
			t.Errorf("after unblocking: %v", err)
		}
	}
}

func TestBlocksOfNobody(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	_, err := m.User.Blocks(t.Context(), "auth0|000000000000000000000000")
	refused(t, err, http.StatusNotFound, "")
	if got, err := m.User.BlocksByIdentifier(t.Context(), "nobody@example.com"); err != nil || len(got) != 0 {
		t.Errorf("by identifier: want none, got %v, %v", got, err)
	}
	if err := m.User.UnblockByIdentifier(t.Context(), "nobody@example.com"); err != nil {
		t.Error(err)
	}
}
