package fake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/crud/crudtest"
	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// people returns n accounts to be imported, the same each time.
func people(n int) []providers.ImportAccount {
	accounts := make([]providers.ImportAccount, n)
	for i := range accounts {
		accounts[i] = providers.ImportAccount{
			Key:      fmt.Sprintf("%024x", i),
			Username: fmt.Sprintf("person%d", i),
			Email:    fmt.Sprintf("person%d@example.com", i),
		}
	}
	return accounts
}

func mustImport(t testing.TB, p *Provider, accounts []providers.ImportAccount) []providers.ImportOutcome {
	t.Helper()
	outcomes, err := p.Import(t.Context(), accounts)
	if err != nil {
		t.Fatalf("Import: %v", err)
	}
	return outcomes
}

// wantMade checks that p has the accounts and no others.
func wantMade(t *testing.T, p *Provider, accounts []providers.ImportAccount, outcomes []providers.ImportOutcome) {
	t.Helper()
	want := make([]providers.ImportOutcome, len(accounts))
	for i, a := range accounts {
		want[i] = providers.ImportOutcome{ID: scheme + a.Key, Inserted: true}
	}
	if diff := cmp.Diff(want, outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if n, err := p.accounts.Count(t.Context(), crud.Query{}); err != nil || n != len(accounts) {
		t.Errorf("%d accounts (%v), want %d", n, err, len(accounts))
	}
}

func TestImportAsManyAsItTakes(t *testing.T) {
	p, _ := open(t, nil)
	accounts := people(p.ImportLimits().Accounts)
	wantMade(t, p, accounts, mustImport(t, p, accounts))
	_, err := p.Import(t.Context(), people(len(accounts)+1))
	wantRefusal(t, err, 400, "An import takes 500 accounts at most.")
}

func refused(code, message string) *providers.ImportRefusal {
	return &providers.ImportRefusal{Code: code, Message: message}
}

func TestImportRefuses(t *testing.T) {
	fresh := func(change func(*providers.ImportAccount)) providers.ImportAccount {
		a := providers.ImportAccount{Key: "66e19957f72ba7349eb7b7b4", Username: "Mario", Email: "mario@example.com"}
		change(&a)
		return a
	}
	tests := map[string]struct {
		account providers.ImportAccount
		want    *providers.ImportRefusal
	}{
		"a taken address": {fresh(func(a *providers.ImportAccount) { a.Email = "ADA@example.com" }),
			refused("NON_UNIQUE_PROPERTY_VALUE", `Property "email" has non-unique value: ADA@example.com`)},
		"a taken username": {fresh(func(a *providers.ImportAccount) { a.Username = "ada" }),
			refused("NON_UNIQUE_PROPERTY_VALUE", `Property "username" has non-unique value: ada`)},
		"a taken address of one that exists": {fresh(func(a *providers.ImportAccount) { a.ID, a.Email = scheme+bob().Key, "ada@example.com" }),
			refused("NON_UNIQUE_PROPERTY_VALUE", `Property "email" has non-unique value: ada@example.com`)},
		"an unknown id": {fresh(func(a *providers.ImportAccount) { a.ID = scheme + a.Key }),
			refused("USER_NOT_FOUND", "The account does not exist")},
		"an id of another provider": {fresh(func(a *providers.ImportAccount) { a.ID = "auth0|" + bob().Key }),
			refused("USER_NOT_FOUND", "The account does not exist")},
		"a key as an id": {fresh(func(a *providers.ImportAccount) { a.ID = bob().Key }),
			refused("USER_NOT_FOUND", "The account does not exist")},
		"a key that is none": {fresh(func(a *providers.ImportAccount) { a.Key = "mario" }),
			refused("INVALID_FORMAT", "The key must be 24 lower-case hexadecimal digits.")},
		"no names": {fresh(func(a *providers.ImportAccount) { a.Username, a.Email = "", "" }),
			refused("INVALID_FORMAT", "An account needs a username or an email address.")},
		"no names for one that exists": {providers.ImportAccount{ID: scheme + bob().Key},
			refused("INVALID_FORMAT", "An account needs a username or an email address.")},
		"an address that is none": {fresh(func(a *providers.ImportAccount) { a.Email = "mario" }),
			refused("INVALID_FORMAT", "The email address does not look like one.")},
	}
	p, _ := open(t, nil)
	mustCreate(t, p, ada())
	mustCreate(t, p, bob())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := []providers.ImportOutcome{{Refusal: test.want}}
			if diff := cmp.Diff(want, mustImport(t, p, []providers.ImportAccount{test.account})); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
	if n, err := p.accounts.Count(t.Context(), crud.Query{}); err != nil || n != 2 {
		t.Errorf("%d accounts (%v), want ada's and bob's only", n, err)
	}
}

func TestImportPassesNamesOn(t *testing.T) {
	p, _ := open(t, nil)
	existing := mustCreate(t, p, ada())
	heir := providers.ImportAccount{Key: bob().Key, Username: "ada", Email: "ada@example.com"}
	changed := providers.ImportAccount{ID: existing.ID, Username: "countess", Email: "countess@example.com"}
	want := []providers.ImportOutcome{{ID: scheme + heir.Key, Inserted: true}, {ID: existing.ID}}
	if diff := cmp.Diff(want, mustImport(t, p, []providers.ImportAccount{heir, changed})); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestImportOfWhatIsLikeThatWritesNothing(t *testing.T) {
	p, _ := open(t, nil)
	accounts := people(3)
	accounts[1].Blocked = true
	mustImport(t, p, accounts)
	before, err := p.accounts.List(t.Context(), crud.Query{})
	if err != nil {
		t.Fatal(err)
	}
	mustImport(t, p, accounts)
	after, err := p.accounts.List(t.Context(), crud.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("stored accounts (-before +after):\n%s", diff)
	}
}

func TestImportedSetsPasswordByMail(t *testing.T) {
	p, _ := open(t, nil)
	id := mustImport(t, p, []providers.ImportAccount{{Key: ada().Key, Username: "ada", Email: "ada@example.com"}})[0].ID
	if err := p.setPassword(t.Context(), mailedTicket(t, p, id), secret.New(password)); err != nil {
		t.Fatalf("set the password: %v", err)
	}
	mustLogin(t, p, "ada")
}

// A rival is a transport that lets somebody else act before the nth call of a route.
type rival struct {
	next http.RoundTripper
	call string // such as "POST /fake/accounts/bulk"
	act  func() // nil when it is done
}

func (r *rival) RoundTrip(req *http.Request) (*http.Response, error) {
	if act := r.act; act != nil && req.Method+" "+req.URL.Path == r.call {
		r.act = nil
		act()
	}
	return r.next.RoundTrip(req)
}

func TestImportBesideOthers(t *testing.T) {
	accounts := people(3)
	tests := map[string]struct {
		act  func(*testing.T, *Provider)
		want *providers.ImportRefusal // of the second account
	}{
		"the same import": {func(t *testing.T, p *Provider) { mustImport(t, p, accounts) }, nil},
		"one of its accounts, otherwise": {func(t *testing.T, p *Provider) {
			mustImport(t, p, []providers.ImportAccount{{Key: accounts[1].Key, Username: "another"}})
		}, nil},
		"another account with its address": {func(t *testing.T, p *Provider) {
			a := ada()
			a.Email = accounts[1].Email
			mustCreate(t, p, a)
		}, refused("NON_UNIQUE_PROPERTY_VALUE", `Property "email" has non-unique value: person1@example.com`)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			between := &rival{call: "POST /fake/accounts/bulk"}
			p, _ := openOn(t, nil, storeThrough(t, func(next http.RoundTripper) http.RoundTripper {
				between.next = next
				return between
			}))
			between.act = func() { test.act(t, p) }
			outcomes := mustImport(t, p, accounts)
			if diff := cmp.Diff(test.want, outcomes[1].Refusal); diff != "" {
				t.Errorf("refusal of the second (-want +got):\n%s", diff)
			}
			for i, got := range outcomes {
				if got.Refusal != nil {
					continue
				}
				a, err := p.Account(t.Context(), got.ID)
				if err != nil || a.Email != accounts[i].Email || a.Username != accounts[i].Username || !got.Inserted {
					t.Errorf("account %d: email %q, username %q, outcome %+v (%v)", i, a.Email, a.Username, got, err)
				}
			}
		})
	}
}

func TestImportCompletesAfterAnyFault(t *testing.T) {
	accounts := people(5)
	moved := providers.ImportAccount{ID: scheme + ada().Key, Username: "countess", Email: "countess@example.com", Blocked: true}
	twin := providers.ImportAccount{Key: "66e19957f72ba7349eb7b7b4", Username: "twin", Email: accounts[0].Email}
	accounts = append(accounts, moved, twin)
	setUp := func(t *testing.T) (*Provider, *faults.Plan) {
		plan := faults.NewPlan()
		p, _ := openOn(t, nil, storeThrough(t, func(next http.RoundTripper) http.RoundTripper {
			return crudtest.NewFaulty(next, plan)
		}))
		mustCreate(t, p, ada())
		plan.Reset()
		return p, plan
	}
	p, plan := setUp(t)
	want := mustImport(t, p, accounts)
	calls := len(plan.Calls())
	for _, fault := range []faults.Fault{faults.Refuse500, faults.Unreachable, faults.DropAnswer, faults.Late} {
		for n := range calls {
			t.Run(fmt.Sprintf("%v at call %d", fault, n+1), func(t *testing.T) {
				p, plan := setUp(t)
				plan.Arm(n+1, fault)
				if _, err := p.Import(t.Context(), accounts); upstream.Refused(err) {
					t.Errorf("Import: %v, which claims that nothing was done", err)
				}
				plan.Heal()
				plan.Deliver()
				if diff := cmp.Diff(want, mustImport(t, p, accounts)); diff != "" {
					t.Errorf("outcomes of the repeated Import (-want +got):\n%s", diff)
				}
				if n, err := p.accounts.Count(t.Context(), crud.Query{}); err != nil || n != len(accounts)-1 {
					t.Errorf("%d accounts (%v), want %d", n, err, len(accounts)-1)
				}
			})
		}
	}
}

func TestImportStopsMidway(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	between := &rival{call: "POST /fake/accounts/bulk", act: func() { cancel(stopped) }}
	p, _ := openOn(t, nil, storeThrough(t, func(next http.RoundTripper) http.RoundTripper {
		between.next = next
		return between
	}))
	accounts := people(3)
	_, err := p.Import(ctx, accounts)
	if !errors.Is(err, stopped) || upstream.Status(err) != 0 {
		t.Errorf("Import: %v, status %d; want what stopped it", errors.Unwrap(err), upstream.Status(err))
	}
	wantMade(t, p, accounts, mustImport(t, p, accounts))
}

func TestCreateSaysWhatIsTaken(t *testing.T) {
	p, _ := open(t, nil)
	mustCreate(t, p, ada())
	email, username, key := bob(), bob(), bob()
	email.Email, username.Username, key.Key = "ada@example.com", "ada", ada().Key
	for want, a := range map[string]providers.NewAccount{"email": email, "username": username, "": key} {
		_, err := p.Create(t.Context(), a)
		if got, _ := errors.AsType[providers.Taken](err); got.Property != want || !errors.Is(err, providers.ErrConflict) {
			t.Errorf("Create: %v over property %q, want a conflict over %q", err, got.Property, want)
		}
	}
}

func TestNothingMatchesNoPassword(t *testing.T) {
	for _, plain := range []string{"", ".", noPassword, password} {
		if matches(noPassword, secret.New(plain)) {
			t.Errorf("%q is let in without a password", plain)
		}
	}
	if got, want := len(noPassword), len(nobody()); got != want {
		t.Errorf("it has %d characters, want the %d of a hash", got, want)
	}
}
