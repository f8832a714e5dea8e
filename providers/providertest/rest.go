package providertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
)

func mailsOwner(t *testing.T, h Harness) {
	id := create(t, h, ada()).ID
	create(t, h, bob())
	if err := h.Provider.ChangePassword(t.Context(), id); err != nil {
		t.Fatalf("ChangePassword: %v", describe(err))
	}
	wantAlive(t, h, login(t, h, "ada")) // the old password works until there is a new one
	if h.Mails == nil {
		t.Skip("the provider's mails cannot be seen")
	}
	if diff := cmp.Diff([]string{"ada@example.com"}, h.Mails()); diff != "" {
		t.Errorf("mails went to (-want +got):\n%s", diff)
	}
}

func mailUnknown(t *testing.T, h Harness) {
	wantRefused(t, "ChangePassword", h.Provider.ChangePassword(t.Context(), gone(t, h)), providers.ErrNotFound)
}

func mailWithoutAddress(t *testing.T, h Harness) {
	unreachable := ada()
	unreachable.Email = ""
	id := create(t, h, unreachable).ID
	wantRefused(t, "ChangePassword", h.Provider.ChangePassword(t.Context(), id), providers.ErrInvalid)
}

func ping(t *testing.T, h Harness) {
	pinger, ok := h.Provider.(providers.Pinger)
	if !ok {
		t.Skip("the provider is no Pinger")
	}
	if err := pinger.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", describe(err))
	}
}

func frontend(t *testing.T, h Harness) {
	f, ok := h.Provider.(providers.Frontend)
	if !ok {
		t.Skip("the provider is no Frontend")
	}
	pages := f.Mount()
	if len(pages.Path) < 3 || !strings.HasPrefix(pages.Path, "/") || !strings.HasSuffix(pages.Path, "/") || pages.Handler == nil {
		t.Errorf("Mount returned path %q and handler %v, want a path between slashes and a handler", pages.Path, pages.Handler)
	}
	for _, linked := range pages.Linked {
		if !strings.HasPrefix(linked, pages.Path) || strings.HasSuffix(linked, "/") {
			t.Errorf("Mount returned the linked path %q, want one below %s without a final slash", linked, pages.Path)
		}
	}
}

// everyCall returns one call of each method. Those that need an account have that
// of id, which is ada's.
func everyCall(p providers.Provider, id string, session providers.Session) map[string]func(context.Context) error {
	shown := ticket(session)
	return map[string]func(context.Context) error{
		"Login": func(ctx context.Context) error {
			_, err := p.Login(ctx, "ada", secret.New(goodPassword))
			return err
		},
		"Refresh": func(ctx context.Context) error {
			_, err := p.Refresh(ctx, session.RefreshToken, session.AccessToken)
			return err
		},
		"UserInfo": func(ctx context.Context) error { _, err := p.UserInfo(ctx, shown); return err },
		"Create":   func(ctx context.Context) error { _, err := p.Create(ctx, bob()); return err },
		"Find":     func(ctx context.Context) error { _, err := p.Find(ctx, bob()); return err },
		"Account":  func(ctx context.Context) error { _, err := p.Account(ctx, id); return err },
		"Update": func(ctx context.Context) error {
			_, err := p.Update(ctx, id, providers.Change{Username: new("countess")})
			return err
		},
		"Delete":         func(ctx context.Context) error { return p.Delete(ctx, id) },
		"ChangePassword": func(ctx context.Context) error { return p.ChangePassword(ctx, id) },
	}
}

// soon is longer than any call takes that does not wait for anything.
const soon = 10 * time.Second

func doneContext(t *testing.T, h Harness) {
	before := create(t, h, ada())
	session := login(t, h, "ada")
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range everyCall(h.Provider, before.ID, session) {
		start := time.Now()
		err := call(done)
		failed, ok := errors.AsType[*upstream.Error](err)
		if !ok || failed.Service != providers.Service || failed.Status != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want one of %s without a status, because the context is done", name, describe(err), providers.Service)
		}
		if took := time.Since(start); took > soon {
			t.Errorf("%s took %v", name, took)
		}
	}
	if diff := cmp.Diff(before, account(t, h, before.ID), sameAccount); diff != "" {
		t.Errorf("the account afterwards (-want +got):\n%s", diff)
	}
	create(t, h, bob()) // its names are free
}

func atOnce(t *testing.T, h Harness) {
	create(t, h, ada())
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() { live(t, h, fmt.Sprintf("person%d", i)) })
	}
	group.Wait()
}

// live is the life of an account from its making to its end.
func live(t *testing.T, h Harness, name string) {
	ctx := t.Context()
	a := providers.NewAccount{Key: newKey(), Username: name, Email: name + "@example.com", Password: secret.New(goodPassword)}
	made, err := h.Provider.Create(ctx, a)
	if err != nil {
		t.Errorf("Create: %v", describe(err))
		return
	}
	session, err := h.Provider.Login(ctx, name, a.Password)
	if err != nil {
		t.Errorf("Login: %v", describe(err))
		return
	}
	for step, do := range map[string]func() error{
		"UserInfo":       func() error { _, err := h.Provider.UserInfo(ctx, ticket(session)); return err },
		"Refresh":        func() error { _, err := refresh(t, h, session); return err },
		"Find":           func() error { _, err := h.Provider.Find(ctx, a); return err },
		"Account":        func() error { _, err := h.Provider.Account(ctx, made.ID); return err },
		"ChangePassword": func() error { return h.Provider.ChangePassword(ctx, made.ID) },
		"Update": func() error {
			_, err := h.Provider.Update(ctx, made.ID, providers.Change{Username: new(name + "x")})
			return err
		},
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", step, describe(err))
		}
	}
	if err := h.Provider.Delete(ctx, made.ID); err != nil {
		t.Errorf("Delete: %v", describe(err))
	}
}

func discreetErrors(t *testing.T, h Harness) {
	a := ada()
	id := create(t, h, a).ID
	session := login(t, h, "ada")
	twin := ada()
	errs := map[string]error{
		"Login":    second(h.Provider.Login(t.Context(), a.Email, secret.New(otherPassword))),
		"Refresh":  second(h.Provider.Refresh(t.Context(), secret.New("unknown-refresh-token"), session.AccessToken)),
		"UserInfo": second(h.Provider.UserInfo(t.Context(), providers.Ticket{AccessToken: secret.New("unknown-access-token")})),
		"Create":   second(h.Provider.Create(t.Context(), twin)),
		"Find":     second(h.Provider.Find(t.Context(), twin)),
	}
	remove(t, h, id)
	errs["Account"] = second(h.Provider.Account(t.Context(), id))
	errs["Update"] = second(h.Provider.Update(t.Context(), id, providers.Change{Email: new("countess@example.com")}))
	errs["ChangePassword"] = h.Provider.ChangePassword(t.Context(), id)
	for name, err := range errs {
		if err == nil {
			t.Errorf("%s: no error, want one", name)
			continue
		}
		for _, value := range []string{"@example.com", id, a.Key, twin.Key, goodPassword, otherPassword,
			"unknown-refresh-token", "unknown-access-token", "countess"} {
			if strings.Contains(err.Error(), value) {
				t.Errorf("%s: the error %q has the value %q in it", name, err, value)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }
