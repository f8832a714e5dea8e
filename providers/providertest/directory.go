package providertest

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"user-manager/providers"
	"user-manager/secret"
)

// sameAccount compares accounts by all that every provider has.
var sameAccount = cmpopts.IgnoreFields(providers.Account{}, "Properties")

func createMakesAccount(t *testing.T, h Harness) {
	got := create(t, h, ada())
	want := providers.Account{ID: got.ID, Username: "ada", Email: "ada@example.com"}
	if diff := cmp.Diff(want, got, sameAccount); diff != "" {
		t.Errorf("Create (-want +got):\n%s", diff)
	}
	if got.ID == "" || len(got.Properties) == 0 {
		t.Errorf("Create returned id %q and %d properties, want some of both", got.ID, len(got.Properties))
	}
	if diff := cmp.Diff(want, account(t, h, got.ID), sameAccount); diff != "" {
		t.Errorf("Account (-want +got):\n%s", diff)
	}
	if other := create(t, h, bob()); other.ID == got.ID {
		t.Error("two accounts have one id")
	}
}

func createWithOneName(t *testing.T, h Harness) {
	byName, byEmail := ada(), bob()
	byName.Email, byEmail.Username = "", ""
	if got := create(t, h, byName); got.Username != "ada" || got.Email != "" {
		t.Errorf("Create with a user name returned user name %q and address %q", got.Username, got.Email)
	}
	wantAlive(t, h, login(t, h, "ada"))
	if got := create(t, h, byEmail); got.Email != "bob@example.com" {
		t.Errorf("Create with an address returned address %q", got.Email)
	}
	wantAlive(t, h, login(t, h, "bob@example.com"))
	// Accounts without a name do not stand in each other's way.
	byName.Key, byName.Username = newKey(), "carol"
	byEmail.Key, byEmail.Email = newKey(), "dave@example.com"
	create(t, h, byName)
	create(t, h, byEmail)
}

func createBlocked(t *testing.T, h Harness) {
	blocked := ada()
	blocked.Blocked = true
	got := create(t, h, blocked)
	if !got.Blocked || !account(t, h, got.ID).Blocked {
		t.Error("the account is not blocked")
	}
	_, err := h.Provider.Login(t.Context(), "ada", secret.New(goodPassword))
	wantRefused(t, "Login", err, providers.ErrUnauthorized)
}

func createTakenEmail(t *testing.T, h Harness) {
	create(t, h, ada())
	second := bob()
	second.Email = "ada@example.com"
	wantNotCreated(t, h, second, providers.ErrConflict)
}

func createTakenUsername(t *testing.T, h Harness) {
	create(t, h, ada())
	second := bob()
	second.Username = "ada"
	wantNotCreated(t, h, second, providers.ErrConflict)
}

func createNameless(t *testing.T, h Harness) {
	wantNotCreated(t, h, providers.NewAccount{Key: newKey(), Password: secret.New(goodPassword)}, providers.ErrInvalid)
}

// wantNotCreated checks that a is refused for reason and that nothing came of it.
func wantNotCreated(t *testing.T, h Harness, a providers.NewAccount, reason error) {
	t.Helper()
	_, err := h.Provider.Create(t.Context(), a)
	wantRefused(t, "Create", err, reason)
	_, err = h.Provider.Find(t.Context(), a)
	wantRefused(t, "Find", err, providers.ErrNotFound)
}

func createAtOnce(t *testing.T, h Harness) {
	accounts := make([]providers.NewAccount, 8)
	errs := make([]error, len(accounts)) // errs[i] is written by one goroutine only
	var group sync.WaitGroup
	for i := range accounts {
		accounts[i] = ada()
		accounts[i].Username = ""
		group.Go(func() { _, errs[i] = h.Provider.Create(t.Context(), accounts[i]) })
	}
	group.Wait()
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantRefused(t, "Create", err, providers.ErrConflict)
		_, err = h.Provider.Find(t.Context(), accounts[i])
		wantRefused(t, "Find of one that lost", err, providers.ErrNotFound)
	}
	if won != 1 {
		t.Errorf("%d of %d creates with one address won, want 1", won, len(errs))
	}
}

func findByKey(t *testing.T, h Harness) {
	a := ada()
	made := create(t, h, a)
	create(t, h, bob())
	got, err := h.Provider.Find(t.Context(), a)
	if err != nil {
		t.Fatalf("Find: %v", describe(err))
	}
	if diff := cmp.Diff(made, got, sameAccount); diff != "" {
		t.Errorf("Find (-want +got):\n%s", diff)
	}
}

func findNothing(t *testing.T, h Harness) {
	a := ada()
	_, err := h.Provider.Find(t.Context(), a)
	wantRefused(t, "Find in an empty provider", err, providers.ErrNotFound)
	create(t, h, a)
	_, err = h.Provider.Find(t.Context(), ada()) // the names of the first, another key
	wantRefused(t, "Find of another account's names", err, providers.ErrNotFound)
}

func accountUnknown(t *testing.T, h Harness) {
	_, err := h.Provider.Account(t.Context(), gone(t, h))
	wantRefused(t, "Account", err, providers.ErrNotFound)
}

func updateChanges(t *testing.T, h Harness) {
	id := create(t, h, ada()).ID
	got := update(t, h, id, providers.Change{Username: new("countess"), Email: new("countess@example.com"), Blocked: new(false)})
	want := providers.Account{ID: id, Username: "countess", Email: "countess@example.com"}
	if diff := cmp.Diff(want, got, sameAccount); diff != "" {
		t.Errorf("Update (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, account(t, h, id), sameAccount); diff != "" {
		t.Errorf("Account (-want +got):\n%s", diff)
	}
	wantAlive(t, h, login(t, h, "countess"))
	wantAlive(t, h, login(t, h, "countess@example.com"))
	for _, old := range []string{"ada", "ada@example.com"} {
		_, err := h.Provider.Login(t.Context(), old, secret.New(goodPassword))
		wantRefused(t, "Login with the old name", err, providers.ErrUnauthorized)
	}
}

func updateKeeps(t *testing.T, h Harness) {
	before := create(t, h, ada())
	for name, change := range map[string]providers.Change{
		"nothing":       {},
		"the same name": {Username: new("ada")},
		"the same mail": {Email: new("ada@example.com")},
	} {
		if diff := cmp.Diff(before, update(t, h, before.ID, change), sameAccount); diff != "" {
			t.Errorf("Update with %s (-want +got):\n%s", name, diff)
		}
	}
	update(t, h, before.ID, providers.Change{Blocked: new(true)})
	if got := update(t, h, before.ID, providers.Change{Email: new("new@example.com")}); !got.Blocked || got.Username != "ada" {
		t.Errorf("Update of the address left user name %q, blocked %v; want \"ada\", true", got.Username, got.Blocked)
	}
}

func updateRemoves(t *testing.T, h Harness) {
	a, b := create(t, h, ada()).ID, create(t, h, bob()).ID
	if got := update(t, h, a, providers.Change{Username: new("")}); got.Username != "" || got.Email != "ada@example.com" {
		t.Errorf("Update left user name %q, address %q; want none and the old one", got.Username, got.Email)
	}
	if got := update(t, h, b, providers.Change{Email: new("")}); got.Username != "bob" || got.Email != "" {
		t.Errorf("Update left user name %q, address %q; want the old one and none", got.Username, got.Email)
	}
	update(t, h, b, providers.Change{Username: new("ada"), Email: new("bob@example.com")}) // "ada" is free
}

func updateTaken(t *testing.T, h Harness) {
	create(t, h, ada())
	before := create(t, h, bob())
	for name, change := range map[string]providers.Change{
		"user name":             {Username: new("ada")},
		"address":               {Email: new("ada@example.com")},
		"user name and a block": {Username: new("ada"), Blocked: new(true)},
		"address and a name":    {Username: new("robert"), Email: new("ada@example.com")},
	} {
		_, err := h.Provider.Update(t.Context(), before.ID, change)
		wantRefused(t, "Update with a taken "+name, err, providers.ErrConflict)
		if diff := cmp.Diff(before, account(t, h, before.ID), sameAccount); diff != "" {
			t.Errorf("the account after a refused %s (-want +got):\n%s", name, diff)
		}
	}
}

func updateNameless(t *testing.T, h Harness) {
	before := create(t, h, ada())
	_, err := h.Provider.Update(t.Context(), before.ID, providers.Change{Username: new(""), Email: new("")})
	wantRefused(t, "Update", err, providers.ErrInvalid)
	if diff := cmp.Diff(before, account(t, h, before.ID), sameAccount); diff != "" {
		t.Errorf("the account afterwards (-want +got):\n%s", diff)
	}
}

func updateUnknown(t *testing.T, h Harness) {
	_, err := h.Provider.Update(t.Context(), gone(t, h), providers.Change{Blocked: new(true)})
	wantRefused(t, "Update", err, providers.ErrNotFound)
}

func deleteRemoves(t *testing.T, h Harness) {
	a := ada()
	id := create(t, h, a).ID
	kept := create(t, h, bob())
	remove(t, h, id)
	_, err := h.Provider.Account(t.Context(), id)
	wantRefused(t, "Account", err, providers.ErrNotFound)
	_, err = h.Provider.Find(t.Context(), a)
	wantRefused(t, "Find", err, providers.ErrNotFound)
	_, err = h.Provider.Login(t.Context(), "ada", secret.New(goodPassword))
	wantRefused(t, "Login", err, providers.ErrUnauthorized)
	if diff := cmp.Diff(kept, account(t, h, kept.ID), sameAccount); diff != "" {
		t.Errorf("the other account (-want +got):\n%s", diff)
	}
}

func deleteFreesNames(t *testing.T, h Harness) {
	gone := gone(t, h)
	if got := create(t, h, ada()); got.ID == gone {
		t.Error("the new account has the id of the deleted one")
	}
	wantAlive(t, h, login(t, h, "ada"))
}

func deleteUnknown(t *testing.T, h Harness) {
	if err := h.Provider.Delete(t.Context(), gone(t, h)); err != nil {
		wantRefused(t, "Delete", err, providers.ErrNotFound)
	}
}
