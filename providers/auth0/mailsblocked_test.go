package auth0

import (
	"errors"
	"testing"
	"testing/synctest"

	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	"user-manager/upstream"
)

// TestNoMailToTheBlocked: a link that sets a password could lift the block.
func TestNoMailToTheBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant := auth0test.New(auth0test.Config{})
		p := front(t, tenant)
		id := create(t, p, ada()).ID
		for _, blocked := range []bool{true, false} {
			if _, err := p.Update(t.Context(), id, providers.Change{Blocked: &blocked}); err != nil {
				t.Fatal(err)
			}
			err1, err2 := p.ChangePassword(t.Context(), id), p.ChangePassword(upstream.InBackground(t.Context()), id)
			for _, err := range []error{err1, err2} {
				if refused := errors.Is(err, providers.ErrInvalid) && upstream.Refused(err); refused != blocked || err != nil && !blocked {
					t.Errorf("ChangePassword: %v, want it refused: %v", err, blocked)
				}
			}
		}
		if got := len(tenant.Mails()); got != 2 {
			t.Errorf("%d mails went out, want 2, after the block", got)
		}
	})
}
