package fake

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/crypto/bcrypt"

	"user-manager/crud/crudtest"
	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// refusalOf returns the status and the words of a refusal.
func refusalOf(err error) (status int, message string) {
	failed, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		return 0, ""
	}
	return failed.Status, failed.Message
}

func wantRefusal(t *testing.T, err error, status int, message string) {
	t.Helper()
	if gotStatus, gotMessage := refusalOf(err); gotStatus != status || gotMessage != message {
		t.Errorf("refused with %d %q (%v), want %d %q", gotStatus, gotMessage, err, status, message)
	}
}

func TestCreateRefuses(t *testing.T) {
	const other = "66e19957f72ba7349eb7b7b3"
	tests := map[string]struct {
		change  func(*providers.NewAccount)
		status  int
		message string
	}{
		"a taken address": {func(a *providers.NewAccount) { a.Key, a.Username = other, "bob" },
			409, "The user already exists: the email address is taken."},
		"a taken address in capitals": {func(a *providers.NewAccount) { a.Key, a.Username, a.Email = other, "bob", "ADA@Example.com" },
			409, "The user already exists: the email address is taken."},
		"a taken username": {func(a *providers.NewAccount) { a.Key, a.Email = other, "bob@example.com" },
			409, "The user already exists: the username is taken."},
		"a taken username in capitals": {func(a *providers.NewAccount) { a.Key, a.Email, a.Username = other, "bob@example.com", "ADA" },
			409, "The user already exists: the username is taken."},
		"a taken key": {func(a *providers.NewAccount) { a.Username, a.Email = "bob", "bob@example.com" },
			409, "The user already exists: its key, email address or username is taken."},
		"a key that is none": {func(a *providers.NewAccount) { a.Key = "ADA" },
			400, "The key must be 24 lower-case hexadecimal digits."},
		"no names": {func(a *providers.NewAccount) { a.Username, a.Email = "", "" },
			400, "An account needs a username or an email address."},
		"an address that is none": {func(a *providers.NewAccount) { a.Email = "ada" },
			400, "The email address does not look like one."},
		"an address with a space": {func(a *providers.NewAccount) { a.Email = "ada lovelace@example.com" },
			400, "The email address does not look like one."},
		"a username with a space around it": {func(a *providers.NewAccount) { a.Username = "ada " },
			400, "The username must not begin or end with white space or contain control characters."},
		"no password": {func(a *providers.NewAccount) { a.Password = secret.Text{} },
			400, "The password is missing."},
		"a password that bcrypt would cut": {func(a *providers.NewAccount) { a.Password = secret.New(strings.Repeat("x", 73)) },
			400, "The password must not be longer than 72 bytes."},
		"a password that bcrypt would take for another": {func(a *providers.NewAccount) { a.Password = secret.New("password\x00password") },
			400, "The password must not contain a zero byte."},
	}
	p, _ := open(t, nil)
	mustCreate(t, p, ada())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			refused := ada()
			test.change(&refused)
			_, err := p.Create(t.Context(), refused)
			wantRefusal(t, err, test.status, test.message)
		})
	}
	if n, err := p.accounts.Count(t.Context(), crudQuery("", nil)); err != nil || n != 1 {
		t.Errorf("%d accounts (%v), want ada's only", n, err)
	}
}

func TestProperties(t *testing.T) {
	onlyUsername := providers.NewAccount{Key: ada().Key, Username: "Ada", Password: secret.New(password), Blocked: true}
	const instant = "an instant"
	tests := map[string]struct {
		account providers.NewAccount
		login   bool
		want    map[string]any
	}{
		"both names": {ada(), false, map[string]any{
			"user_id": "fake|66e19957f72ba7349eb7b7b2", "email": "ada@example.com", "email_verified": false, "username": "ada",
			"name": "ada@example.com", "nickname": "ada", "created_at": instant, "updated_at": instant, "logins_count": int64(0), "blocked": false,
		}},
		"logged in": {ada(), true, map[string]any{
			"user_id": "fake|66e19957f72ba7349eb7b7b2", "email": "ada@example.com", "email_verified": false, "username": "ada",
			"name": "ada@example.com", "nickname": "ada", "created_at": instant, "updated_at": instant, "logins_count": int64(1), "blocked": false,
			"last_login": instant,
		}},
		"a username only, blocked": {onlyUsername, false, map[string]any{
			"user_id": "fake|66e19957f72ba7349eb7b7b2", "username": "ada",
			"name": "ada", "nickname": "ada", "created_at": instant, "updated_at": instant, "logins_count": int64(0), "blocked": true,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, _ := open(t, nil)
			id := mustCreate(t, p, test.account).ID
			if test.login {
				mustLogin(t, p, "ada")
			}
			got, err := p.Account(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			for _, property := range []string{"created_at", "updated_at", "last_login"} {
				if value, _ := got.Properties[property].(string); len(value) == len("2026-01-02T15:04:05.000Z") {
					got.Properties[property] = instant
				}
			}
			if diff := cmp.Diff(test.want, got.Properties); diff != "" {
				t.Errorf("properties (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUserInfo(t *testing.T) {
	p, _ := open(t, nil)
	mustCreate(t, p, ada())
	got, err := p.UserInfo(t.Context(), providers.Ticket{AccessToken: mustLogin(t, p, "ada").AccessToken})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"sub": "fake|66e19957f72ba7349eb7b7b2", "email": "ada@example.com", "email_verified": false,
		"name": "ada@example.com", "nickname": "ada", "username": "ada"}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreMapEntries(func(name string, _ any) bool { return name == "updated_at" })); diff != "" {
		t.Errorf("UserInfo (-want +got):\n%s", diff)
	}
	if _, ok := got["updated_at"].(string); !ok {
		t.Errorf("updated_at is %v, want an instant", got["updated_at"])
	}
}

func TestUnknownIDs(t *testing.T) {
	p, _ := open(t, nil)
	mustCreate(t, p, ada())
	for _, id := range []string{"", "fake|", "66e19957f72ba7349eb7b7b2", "auth0|66e19957f72ba7349eb7b7b2", "fake|66e19957f72ba7349eb7b7b3"} {
		_, err := p.Account(t.Context(), id)
		wantRefusal(t, err, 404, "The user does not exist.")
		_, err = p.Update(t.Context(), id, providers.Change{Blocked: new(true)})
		wantRefusal(t, err, 404, "The user does not exist.")
		wantRefusal(t, p.Delete(t.Context(), id), 404, "The user does not exist.")
		wantRefusal(t, p.ChangePassword(t.Context(), id), 404, "The user does not exist.")
	}
}

func TestUpdateNamesTheTakenProperty(t *testing.T) {
	p, _ := open(t, nil)
	mustCreate(t, p, ada())
	bob := mustCreate(t, p, providers.NewAccount{Key: "66e19957f72ba7349eb7b7b3", Username: "bob", Email: "bob@example.com", Password: secret.New(password)})
	_, err := p.Update(t.Context(), bob.ID, providers.Change{Username: new("ADA"), Email: new("bob@example.com")})
	wantRefusal(t, err, 409, "The user already exists: the username is taken.")
	_, err = p.Update(t.Context(), bob.ID, providers.Change{Email: new("ada@EXAMPLE.com")})
	wantRefusal(t, err, 409, "The user already exists: the email address is taken.")
}

func TestNewAddressIsNotVerified(t *testing.T) {
	p, _ := open(t, nil)
	id := mustCreate(t, p, ada()).ID
	setPasswordByMail(t, p, id, "another password")
	verified := func(c providers.Change) any {
		t.Helper()
		got, err := p.Update(t.Context(), id, c)
		if err != nil {
			t.Fatal(err)
		}
		return got.Properties["email_verified"]
	}
	if got := verified(providers.Change{Email: new("ADA@example.com")}); got != true {
		t.Errorf("email_verified is %v with the address whose owner got the mail, want true", got)
	}
	if got := verified(providers.Change{Email: new("countess@example.com")}); got != false {
		t.Errorf("email_verified is %v with a new address, want false", got)
	}
}

func TestPasswordsAreHashed(t *testing.T) {
	p, _ := open(t, nil)
	mustCreate(t, p, ada())
	doc, err := p.accounts.First(t.Context(), crudQuery(keyField, ada().Key))
	if err != nil {
		t.Fatal(err)
	}
	for _, hash := range []string{text(doc, passwordField), nobody()} {
		if cost, err := bcrypt.Cost([]byte(hash)); err != nil || cost != hashCost {
			t.Errorf("bcrypt cost %d (%v), want %d", cost, err, hashCost)
		}
	}
	for field, value := range doc {
		if value == password {
			t.Errorf("the password is stored in %q", field)
		}
	}
}

// TestFailingStore lets each call of the store fail that a method makes, and looks
// at what the provider makes of it.
func TestFailingStore(t *testing.T) {
	plan := faults.NewPlan()
	local := storeThrough(t, func(rt http.RoundTripper) http.RoundTripper { return crudtest.NewFaulty(rt, plan) })
	for name, method := range methods {
		for fault, status := range map[faults.Fault]int{
			faults.Refuse500: 500, faults.Refuse429: 500, faults.Unreachable: 0, faults.DropAnswer: 0,
		} {
			for n := 1; ; n++ {
				plan.Reset()
				p, _ := openOn(t, nil, local)
				id := mustCreate(t, p, ada()).ID
				session := mustLogin(t, p, "ada")
				plan.Reset()
				plan.Arm(n, fault)
				err := method(t.Context(), p, session, id)
				made := plan.Calls()
				plan.Reset()
				for _, c := range Collections() {
					if _, err := local.Collection(c.Path).DeleteAll(t.Context(), crudQuery("", nil)); err != nil {
						t.Fatal(err)
					}
				}
				if len(made) < n {
					if err != nil {
						t.Errorf("%s without a fault: %v", name, err)
					}
					break
				}
				if err == nil && tidying[made[n-1]] {
					continue
				}
				failed, ok := errors.AsType[*upstream.Error](err)
				if !ok || failed.Service != providers.Service || failed.Status != status || failed.Refused() {
					t.Errorf("%s, call %d (%s), %v: %v, want a failure of %s with status %d", name, n, made[n-1], fault, err, providers.Service, status)
				}
			}
		}
	}
}

// methods are those of a provider that ask its store.
var methods = map[string]func(context.Context, *Provider, providers.Session, string) error{
	"Login": func(ctx context.Context, p *Provider, _ providers.Session, _ string) error {
		_, err := p.Login(ctx, "ada", secret.New(password))
		return err
	},
	"Refresh": func(ctx context.Context, p *Provider, s providers.Session, _ string) error {
		_, err := p.Refresh(ctx, s.RefreshToken, s.AccessToken)
		return err
	},
	"UserInfo": func(ctx context.Context, p *Provider, s providers.Session, _ string) error {
		_, err := p.UserInfo(ctx, providers.Ticket{AccessToken: s.AccessToken})
		return err
	},
	"Create": func(ctx context.Context, p *Provider, _ providers.Session, _ string) error {
		_, err := p.Create(ctx, bob())
		return err
	},
	"Account": func(ctx context.Context, p *Provider, _ providers.Session, id string) error {
		_, err := p.Account(ctx, id)
		return err
	},
	"Update": func(ctx context.Context, p *Provider, _ providers.Session, id string) error {
		_, err := p.Update(ctx, id, providers.Change{Email: new("new@example.com")})
		return err
	},
	"Delete": func(ctx context.Context, p *Provider, _ providers.Session, id string) error { return p.Delete(ctx, id) },
	"Ping":   func(ctx context.Context, p *Provider, _ providers.Session, _ string) error { return p.Ping(ctx) },
	"ChangePassword": func(ctx context.Context, p *Provider, _ providers.Session, id string) error {
		return p.ChangePassword(ctx, id)
	},
}

func TestSilentStore(t *testing.T) {
	plan := faults.NewPlan()
	local := storeThrough(t, func(rt http.RoundTripper) http.RoundTripper { return crudtest.NewFaulty(rt, plan) })
	p, _ := openOn(t, nil, local)
	id := mustCreate(t, p, ada()).ID
	session := mustLogin(t, p, "ada")
	plan.ArmFrom(1, faults.Timeout)
	for name, method := range methods {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		err := method(ctx, p, session, id)
		cancel()
		failed, ok := errors.AsType[*upstream.Error](err)
		if !ok || failed.Status != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want a failure without a status, because of the deadline", name, err)
		}
	}
}

// tidying are the calls whose failure leaves rubbish behind, and nothing worse.
var tidying = map[string]bool{"CRUD DELETE /fake/refresh-tokens/": true, "CRUD GET /fake/outbox/count": true}
