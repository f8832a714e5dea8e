package providertest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
)

// goodPassword and otherPassword are accepted by any policy one may expect.
const (
	goodPassword  = "Correct-Horse-7-Battery"
	otherPassword = "Tr0ubadour-And-3-More"
)

// ada and bob are accounts to be made.
func ada() providers.NewAccount {
	return providers.NewAccount{Key: newKey(), Username: "ada", Email: "ada@example.com", Password: secret.New(goodPassword)}
}

func bob() providers.NewAccount {
	return providers.NewAccount{Key: newKey(), Username: "bob", Email: "bob@example.com", Password: secret.New(goodPassword)}
}

func newKey() string {
	b := make([]byte, 12)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func create(t *testing.T, h Harness, a providers.NewAccount) providers.Account {
	t.Helper()
	got, err := h.Provider.Create(t.Context(), a)
	if err != nil {
		t.Fatalf("Create: %v", describe(err))
	}
	return got
}

func account(t *testing.T, h Harness, id string) providers.Account {
	t.Helper()
	got, err := h.Provider.Account(t.Context(), id)
	if err != nil {
		t.Fatalf("Account: %v", describe(err))
	}
	return got
}

func login(t *testing.T, h Harness, name string) providers.Session {
	t.Helper()
	session, err := h.Provider.Login(t.Context(), name, secret.New(goodPassword))
	if err != nil {
		t.Fatalf("Login: %v", describe(err))
	}
	return session
}

func update(t *testing.T, h Harness, id string, c providers.Change) providers.Account {
	t.Helper()
	got, err := h.Provider.Update(t.Context(), id, c)
	if err != nil {
		t.Fatalf("Update: %v", describe(err))
	}
	return got
}

func remove(t *testing.T, h Harness, id string) {
	t.Helper()
	if err := h.Provider.Delete(t.Context(), id); err != nil {
		t.Fatalf("Delete: %v", describe(err))
	}
}

// gone makes an account, deletes it and returns its id: one that the provider does
// not know, in a form that it knows.
func gone(t *testing.T, h Harness) string {
	t.Helper()
	id := create(t, h, ada()).ID
	remove(t, h, id)
	return id
}

// ticket returns what the owner of session shows.
func ticket(session providers.Session) providers.Ticket {
	for _, cookie := range session.Cookies {
		if cookie.Name == "sid" {
			return providers.Ticket{SessionID: secret.New(cookie.Value)}
		}
	}
	return providers.Ticket{AccessToken: session.AccessToken}
}

// refresh refreshes session, one of cookies by its cookie.
func refresh(t *testing.T, h Harness, session providers.Session) (providers.Session, error) {
	t.Helper()
	shown := ticket(session)
	if len(session.Cookies) > 0 {
		return h.Provider.Refresh(t.Context(), session.RefreshToken, shown.SessionID)
	}
	return h.Provider.Refresh(t.Context(), session.RefreshToken, shown.AccessToken)
}

// wantRefused checks that err is the provider's refusal for reason.
func wantRefused(t *testing.T, call string, err, reason error) {
	t.Helper()
	failed, ok := errors.AsType[*upstream.Error](err)
	switch {
	case !ok || !errors.Is(err, reason):
		t.Errorf("%s: %v, want a refusal: %v", call, describe(err), reason)
	case failed.Service != providers.Service || failed.Route == "" || !failed.Refused():
		t.Errorf("%s: service %q, route %q, status %d; want service %q, a route and a 4xx",
			call, failed.Service, failed.Route, failed.Status, providers.Service)
	}
}

// wantAlive checks whether session still opens something.
func wantAlive(t *testing.T, h Harness, session providers.Session) {
	t.Helper()
	if _, err := h.Provider.UserInfo(t.Context(), ticket(session)); err != nil {
		t.Errorf("UserInfo: %v", describe(err))
	}
}

// wantDead checks that session opens nothing any more.
func wantDead(t *testing.T, h Harness, session providers.Session) {
	t.Helper()
	_, err := h.Provider.UserInfo(t.Context(), ticket(session))
	wantRefused(t, "UserInfo", err, providers.ErrUnauthorized)
	_, err = refresh(t, h, session)
	wantRefused(t, "Refresh", err, providers.ErrUnauthorized)
}

// describe shows an error with its cause, which [upstream.Error] keeps to itself.
func describe(err error) string {
	var parts []string
	for ; err != nil; err = errors.Unwrap(err) {
		parts = append(parts, err.Error())
	}
	if len(parts) == 0 {
		return "no error"
	}
	return strings.Join(parts, ": ")
}
