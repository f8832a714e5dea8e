package providertest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
)

// importer returns the harness's provider as an importer, or skips the check.
func importer(t *testing.T, h Harness) providers.Importer {
	t.Helper()
	im, ok := h.Provider.(providers.Importer)
	if !ok {
		t.Skip("the provider is no Importer")
	}
	return im
}

// adaImport, bobImport and carolImport are new accounts to be imported.
func adaImport() providers.ImportAccount {
	return providers.ImportAccount{Key: newKey(), Username: "ada", Email: "ada@example.com"}
}

func bobImport() providers.ImportAccount {
	return providers.ImportAccount{Key: newKey(), Username: "bob", Email: "bob@example.com"}
}

func carolImport() providers.ImportAccount {
	return providers.ImportAccount{Key: newKey(), Username: "carol", Email: "carol@example.com"}
}

// importAll imports accounts and returns the outcomes, one each.
func importAll(t *testing.T, h Harness, accounts ...providers.ImportAccount) []providers.ImportOutcome {
	t.Helper()
	outcomes, err := importer(t, h).Import(t.Context(), accounts)
	if err != nil {
		t.Fatalf("Import: %v", describe(err))
	}
	if len(outcomes) != len(accounts) {
		t.Fatalf("Import: %d outcomes for %d accounts", len(outcomes), len(accounts))
	}
	return outcomes
}

// wantStanding checks that a stands, by its outcome and by the account itself.
func wantStanding(t *testing.T, h Harness, a providers.ImportAccount, got providers.ImportOutcome) {
	t.Helper()
	if got.Refusal != nil {
		t.Errorf("%q was refused: %+v", a.Username, *got.Refusal)
		return
	}
	if got.Inserted != (a.ID == "") || got.ID == "" || a.ID != "" && a.ID != got.ID {
		t.Errorf("%q, id %q: outcome %+v", a.Username, a.ID, got)
	}
	want := providers.Account{ID: got.ID, Username: a.Username, Email: a.Email, Blocked: a.Blocked}
	if diff := cmp.Diff(want, account(t, h, got.ID), sameAccount); diff != "" {
		t.Errorf("account of %q (-want +got):\n%s", a.Username, diff)
	}
}

// wantImportRefused checks that a was refused with code, "" for any, and was not made.
func wantImportRefused(t *testing.T, h Harness, a providers.ImportAccount, got providers.ImportOutcome, code string) {
	t.Helper()
	switch {
	case got.Refusal == nil:
		t.Errorf("%q, id %q: outcome %+v, want a refusal", a.Username, a.ID, got)
	case got.ID != "" || got.Inserted || got.Refusal.Message == "" || got.Refusal.Code == "":
		t.Errorf("%q, id %q: outcome %+v with refusal %+v", a.Username, a.ID, got, *got.Refusal)
	case code != "" && got.Refusal.Code != code:
		t.Errorf("%q, id %q: refused with code %q, want %q", a.Username, a.ID, got.Refusal.Code, code)
	}
	if a.ID == "" {
		_, err := h.Provider.Find(t.Context(), providers.NewAccount{Key: a.Key, Username: a.Username, Email: a.Email})
		wantRefused(t, "Find of a refused account", err, providers.ErrNotFound)
	}
}

func importLimits(t *testing.T, h Harness) {
	im := importer(t, h)
	got, again := im.ImportLimits(), im.ImportLimits()
	if got.AtOnce < 1 || got.Accounts < 0 || got.Bytes < 0 {
		t.Errorf("limits %+v, want at least one Import at once and nothing negative", got)
	}
	if got.Accounts != again.Accounts || got.AtOnce != again.AtOnce || got.Bytes != again.Bytes {
		t.Errorf("limits %+v and then %+v, want the same", got, again)
	}
	if got.Bytes > 0 && (got.Size == nil || got.Size(adaImport()) < len("ada@example.com")) {
		t.Error("there is a limit of bytes, but no Size that knows of the values")
	}
}

func importMakes(t *testing.T, h Harness) {
	blocked := carolImport()
	blocked.Blocked = true
	accounts := []providers.ImportAccount{bobImport(), blocked, adaImport()}
	outcomes := importAll(t, h, accounts...)
	for i, a := range accounts {
		wantStanding(t, h, a, outcomes[i])
		found, err := h.Provider.Find(t.Context(), providers.NewAccount{Key: a.Key, Username: a.Username, Email: a.Email})
		if err != nil || found.ID != outcomes[i].ID {
			t.Errorf("Find by the key of %q: id %q (%v), want %q", a.Username, found.ID, describe(err), outcomes[i].ID)
		}
	}
	if got := importAll(t, h); len(got) != 0 {
		t.Errorf("%d outcomes of no accounts", len(got))
	}
}

func importUpdatesByID(t *testing.T, h Harness) {
	importer(t, h)
	existing := create(t, h, ada())
	session := login(t, h, "ada")
	changed := providers.ImportAccount{ID: existing.ID, Username: "countess", Email: "countess@example.com", Blocked: true}
	fresh := bobImport()
	outcomes := importAll(t, h, fresh, changed)
	wantStanding(t, h, fresh, outcomes[0])
	wantStanding(t, h, changed, outcomes[1])
	wantDead(t, h, session)
	changed.Username, changed.Blocked = "", false
	wantStanding(t, h, changed, importAll(t, h, changed)[0])
	wantAlive(t, h, login(t, h, "countess@example.com")) // with the password that it had
}

func importUpdatesByKey(t *testing.T, h Harness) {
	a := adaImport()
	before := importAll(t, h, a)[0]
	a.Username, a.Email = "countess", "countess@example.com"
	after := importAll(t, h, a)[0]
	wantStanding(t, h, a, after)
	if after.ID != before.ID {
		t.Errorf("the account has id %q and then %q, want one account", before.ID, after.ID)
	}
}

func importRepeats(t *testing.T, h Harness) {
	importer(t, h)
	create(t, h, bob())
	accounts := []providers.ImportAccount{adaImport(), bobImport(), carolImport()}
	first := importAll(t, h, accounts[:2]...)
	second := importAll(t, h, accounts...)
	third := importAll(t, h, accounts...)
	if diff := cmp.Diff(first, second[:2]); diff != "" {
		t.Errorf("outcomes, repeated (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(second, third); diff != "" {
		t.Errorf("outcomes, repeated (-second +third):\n%s", diff)
	}
	wantStanding(t, h, accounts[0], third[0])
	wantImportRefused(t, h, accounts[1], third[1], providers.CodeNotUnique)
	wantStanding(t, h, accounts[2], third[2])
}

func importBesideItself(t *testing.T, h Harness) {
	im := importer(t, h)
	accounts := []providers.ImportAccount{adaImport(), bobImport(), carolImport()}
	outcomes := make([][]providers.ImportOutcome, min(im.ImportLimits().AtOnce, 4)) // each written by one goroutine only
	var group sync.WaitGroup
	for i := range outcomes {
		group.Go(func() {
			var err error
			if outcomes[i], err = im.Import(t.Context(), accounts); err != nil {
				t.Errorf("Import: %v", describe(err))
			}
		})
	}
	group.Wait()
	for _, got := range outcomes[1:] {
		if diff := cmp.Diff(outcomes[0], got); diff != "" {
			t.Errorf("outcomes of Imports at once (-one +other):\n%s", diff)
		}
	}
	for i, got := range outcomes[0] {
		wantStanding(t, h, accounts[i], got)
	}
}

func importRefusesSingly(t *testing.T, h Harness) {
	importer(t, h)
	unknown := providers.ImportAccount{ID: gone(t, h), Username: "bob", Email: "bob@example.com"}
	create(t, h, ada())
	email, username, nameless := carolImport(), carolImport(), providers.ImportAccount{Key: newKey()}
	email.Username, email.Email = "dave", "ada@example.com"
	username.Username, username.Email = "ada", "erin@example.com"
	fresh := carolImport()
	outcomes := importAll(t, h, email, unknown, nameless, fresh, username)
	wantImportRefused(t, h, email, outcomes[0], providers.CodeNotUnique)
	wantImportRefused(t, h, unknown, outcomes[1], providers.CodeNotFound)
	wantImportRefused(t, h, nameless, outcomes[2], "")
	wantStanding(t, h, fresh, outcomes[3])
	wantImportRefused(t, h, username, outcomes[4], providers.CodeNotUnique)
}

func importUpdateRefused(t *testing.T, h Harness) {
	importer(t, h)
	create(t, h, ada())
	before := create(t, h, bob())
	taken := providers.ImportAccount{ID: before.ID, Username: "bob", Email: "ada@example.com", Blocked: true}
	wantImportRefused(t, h, taken, importAll(t, h, taken)[0], providers.CodeNotUnique)
	if diff := cmp.Diff(before, account(t, h, before.ID), sameAccount); diff != "" {
		t.Errorf("the account afterwards (-want +got):\n%s", diff)
	}
}

func importTwins(t *testing.T, h Harness) {
	first, email, username := adaImport(), bobImport(), carolImport()
	email.Email, username.Username = first.Email, first.Username
	outcomes := importAll(t, h, first, email, username)
	wantStanding(t, h, first, outcomes[0])
	wantImportRefused(t, h, email, outcomes[1], providers.CodeNotUnique)
	wantImportRefused(t, h, username, outcomes[2], providers.CodeNotUnique)
}

func importWithoutPassword(t *testing.T, h Harness) {
	id := importAll(t, h, adaImport())[0].ID
	for _, password := range []string{"", goodPassword, "ada"} {
		_, err := h.Provider.Login(t.Context(), "ada", secret.New(password))
		wantRefused(t, "Login", err, providers.ErrUnauthorized)
	}
	if err := h.Provider.ChangePassword(t.Context(), id); err != nil {
		t.Errorf("ChangePassword: %v", describe(err))
	}
	if h.Mails == nil {
		t.Skip("the provider's mails cannot be seen")
	}
	if diff := cmp.Diff([]string{"ada@example.com"}, h.Mails()); diff != "" {
		t.Errorf("mails went to (-want +got):\n%s", diff)
	}
}

func importDoneContext(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := importer(t, h).Import(ctx, []providers.ImportAccount{adaImport()})
	failed, ok := errors.AsType[*upstream.Error](err)
	if !ok || failed.Service != providers.Service || failed.Route == "" {
		t.Errorf("Import: %v, want an error of %s", describe(err), providers.Service)
	}
}

func importDiscreet(t *testing.T, h Harness) {
	importer(t, h)
	create(t, h, ada())
	wrong, taken := bobImport(), carolImport()
	wrong.Email = "robert at home"
	taken.Email = "ada@example.com"
	outcomes := importAll(t, h, wrong, taken)
	wantImportRefused(t, h, wrong, outcomes[0], providers.CodeInvalid)
	wantImportRefused(t, h, taken, outcomes[1], providers.CodeNotUnique)
	for i, values := range [][]string{{"bob", "robert", wrong.Key}, {"carol", taken.Key}} {
		for _, value := range values {
			if got := outcomes[i].Refusal; got != nil && strings.Contains(strings.ToLower(got.Message), value) {
				t.Errorf("the refusal %q has the value %q in it", got.Message, value)
			}
		}
	}
}
