package providertest

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
	"user-manager/secret"
)

func loginByUsername(t *testing.T, h Harness) {
	create(t, h, ada())
	wantAlive(t, h, login(t, h, "ada"))
}

func loginByEmail(t *testing.T, h Harness) {
	create(t, h, ada())
	wantAlive(t, h, login(t, h, "ada@example.com"))
}

func sessionIsTokensOrCookies(t *testing.T, h Harness) {
	create(t, h, ada())
	session := login(t, h, "ada")
	if len(session.Cookies) > 0 {
		if !session.AccessToken.IsZero() || !session.RefreshToken.IsZero() {
			t.Error("a session of cookies has tokens as well")
		}
		return
	}
	if session.AccessToken.IsZero() || session.RefreshToken.IsZero() {
		t.Error("a session without cookies lacks a token")
	}
	if !session.ExpireAt.After(time.Now()) {
		t.Errorf("the session expires at %v, want some time to come", session.ExpireAt)
	}
}

func wrongCredentials(t *testing.T, h Harness) {
	create(t, h, ada())
	tests := map[string]struct{ name, password string }{
		"wrong password":    {"ada", otherPassword},
		"no password":       {"ada", ""},
		"unknown name":      {"bob", goodPassword},
		"unknown address":   {"bob@example.com", goodPassword},
		"no name":           {"", goodPassword},
		"nothing whatever":  {"", ""},
		"a wild card":       {"*", goodPassword},
		"a name with quote": {`ada" OR "1"="1`, goodPassword},
	}
	for name, test := range tests {
		_, err := h.Provider.Login(t.Context(), test.name, secret.New(test.password))
		wantRefused(t, "Login with "+name, err, providers.ErrUnauthorized)
	}
}

func blockedLogin(t *testing.T, h Harness) {
	id := create(t, h, ada()).ID
	update(t, h, id, providers.Change{Blocked: new(true)})
	_, err := h.Provider.Login(t.Context(), "ada", secret.New(goodPassword))
	wantRefused(t, "Login", err, providers.ErrUnauthorized)
}

func refreshGivesSession(t *testing.T, h Harness) {
	create(t, h, ada())
	first := login(t, h, "ada")
	second, err := refresh(t, h, first)
	if err != nil {
		t.Fatalf("Refresh: %v", describe(err))
	}
	wantAlive(t, h, second)
	if first.RefreshToken == second.RefreshToken && len(second.Cookies) == 0 {
		t.Error("the refresh token is the old one, which works only once")
	}
	third, err := refresh(t, h, second)
	if err != nil {
		t.Fatalf("Refresh of the new session: %v", describe(err))
	}
	wantAlive(t, h, third)
}

func refreshAfterExpiry(t *testing.T, h Harness) {
	create(t, h, ada())
	session := expired(t, h)
	fresh, err := refresh(t, h, session)
	if err != nil {
		t.Fatalf("Refresh: %v", describe(err))
	}
	wantAlive(t, h, fresh)
}

// expired logs in as ada and returns the session once its access token is expired.
func expired(t *testing.T, h Harness) providers.Session {
	t.Helper()
	if h.Advance == nil {
		t.Skip("the provider's clock cannot be set")
	}
	session := login(t, h, "ada")
	if session.ExpireAt.IsZero() {
		t.Skip("the provider does not say when a session expires")
	}
	h.Advance(time.Until(session.ExpireAt) + 2*time.Second)
	return session
}

func refreshTwice(t *testing.T, h Harness) {
	create(t, h, ada())
	session := login(t, h, "ada")
	if _, err := refresh(t, h, session); err != nil {
		t.Fatalf("Refresh: %v", describe(err))
	}
	_, err := refresh(t, h, session)
	wantRefused(t, "second Refresh", err, providers.ErrUnauthorized)
}

func refreshUnknown(t *testing.T, h Harness) {
	create(t, h, ada())
	session := login(t, h, "ada")
	tokens := map[string]struct{ refresh, access secret.Text }{
		"an unknown refresh token": {secret.New("unknown"), session.AccessToken},
		"unknown tokens":           {secret.New("unknown"), secret.New("unknown")},
		"no tokens":                {},
	}
	for name, token := range tokens {
		_, err := h.Provider.Refresh(t.Context(), token.refresh, token.access)
		wantRefused(t, "Refresh with "+name, err, providers.ErrUnauthorized)
	}
}

func refreshBlocked(t *testing.T, h Harness) {
	id := create(t, h, ada()).ID
	session := login(t, h, "ada")
	update(t, h, id, providers.Change{Blocked: new(true)})
	_, err := refresh(t, h, session)
	wantRefused(t, "Refresh", err, providers.ErrUnauthorized)
}

func refreshDeleted(t *testing.T, h Harness) {
	id := create(t, h, ada()).ID
	session := login(t, h, "ada")
	remove(t, h, id)
	_, err := refresh(t, h, session)
	wantRefused(t, "Refresh", err, providers.ErrUnauthorized)
}

func refreshAtOnce(t *testing.T, h Harness) {
	create(t, h, ada())
	session := login(t, h, "ada")
	errs := make([]error, 8) // errs[i] is written by one goroutine only
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { _, errs[i] = refresh(t, h, session) })
	}
	group.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantRefused(t, "Refresh", err, providers.ErrUnauthorized)
	}
	if won != 1 {
		t.Errorf("%d of %d uses of one refresh token won, want 1", won, len(errs))
	}
}

func userInfoOfOwner(t *testing.T, h Harness) {
	for name, a := range map[string]providers.NewAccount{"ada": ada(), "bob": bob()} {
		want := create(t, h, a)
		info, err := h.Provider.UserInfo(t.Context(), ticket(login(t, h, name)))
		if err != nil {
			t.Fatalf("UserInfo of %s: %v", name, describe(err))
		}
		if diff := cmp.Diff(map[string]any{"sub": want.ID, "email": want.Email},
			map[string]any{"sub": info["sub"], "email": info["email"]}); diff != "" {
			t.Errorf("UserInfo of %s (-want +got):\n%s", name, diff)
		}
	}
}

func userInfoMissing(t *testing.T, h Harness) {
	_, err := h.Provider.UserInfo(t.Context(), providers.Ticket{})
	wantRefused(t, "UserInfo", err, providers.ErrUnauthorized)
}

func userInfoUnknown(t *testing.T, h Harness) {
	for name, unknown := range map[string]providers.Ticket{
		"access token": {AccessToken: secret.New("unknown")},
		"cookie":       {SessionID: secret.New("unknown")},
	} {
		_, err := h.Provider.UserInfo(t.Context(), unknown)
		wantRefused(t, "UserInfo with an unknown "+name, err, providers.ErrUnauthorized)
	}
}

func userInfoExpired(t *testing.T, h Harness) {
	create(t, h, ada())
	_, err := h.Provider.UserInfo(t.Context(), ticket(expired(t, h)))
	wantRefused(t, "UserInfo", err, providers.ErrUnauthorized)
}

func userInfoBlocked(t *testing.T, h Harness) {
	id := create(t, h, ada()).ID
	session := login(t, h, "ada")
	update(t, h, id, providers.Change{Blocked: new(true)})
	_, err := h.Provider.UserInfo(t.Context(), ticket(session))
	wantRefused(t, "UserInfo", err, providers.ErrUnauthorized)
}

func userInfoDeleted(t *testing.T, h Harness) {
	id := create(t, h, ada()).ID
	session := login(t, h, "ada")
	remove(t, h, id)
	_, err := h.Provider.UserInfo(t.Context(), ticket(session))
	wantRefused(t, "UserInfo", err, providers.ErrUnauthorized)
}

func blockEndsSessions(t *testing.T, h Harness) {
	id := create(t, h, ada()).ID
	sessions := []providers.Session{login(t, h, "ada"), login(t, h, "ada")}
	got := update(t, h, id, providers.Change{Blocked: new(true)})
	if !got.Blocked {
		t.Error("Update returned an account that is not blocked")
	}
	for _, session := range sessions {
		wantDead(t, h, session)
	}
	// They stay ended. An access token may come back to life, where a provider knows
	// no way to end one before it expires.
	update(t, h, id, providers.Change{Blocked: new(false)})
	for _, session := range sessions {
		_, err := refresh(t, h, session)
		wantRefused(t, "Refresh after the account was unblocked", err, providers.ErrUnauthorized)
	}
}

func unblock(t *testing.T, h Harness) {
	id := create(t, h, ada()).ID
	update(t, h, id, providers.Change{Blocked: new(true)})
	if got := update(t, h, id, providers.Change{Blocked: new(false)}); got.Blocked {
		t.Error("Update returned an account that is blocked")
	}
	wantAlive(t, h, login(t, h, "ada"))
}

func loginBesideBlock(t *testing.T, h Harness) {
	id := create(t, h, ada()).ID
	var group sync.WaitGroup
	var mu sync.Mutex
	var sessions []providers.Session // guarded by mu
	for range 8 {
		group.Go(func() {
			for range 4 {
				session, err := h.Provider.Login(t.Context(), "ada", secret.New(goodPassword))
				if err != nil {
					wantRefused(t, "Login", err, providers.ErrUnauthorized)
					continue
				}
				mu.Lock()
				sessions = append(sessions, session)
				mu.Unlock()
			}
		})
	}
	if _, err := h.Provider.Update(t.Context(), id, providers.Change{Blocked: new(true)}); err != nil {
		t.Errorf("Update: %v", describe(err))
	}
	group.Wait()
	for _, session := range sessions {
		wantDead(t, h, session)
	}
}
