package sdk

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"
	"github.com/google/go-cmp/cmp"

	"user-manager/providers/auth0/auth0test"
)

func TestUserIsCreatedAndRead(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	made := user(t, m, management.User{
		Email: auth0.String("Ada.Lovelace@Example.com"), Username: auth0.String("Ada"), GivenName: auth0.String("Ada"), FamilyName: auth0.String("Lovelace"),
		EmailVerified: auth0.Bool(true), Blocked: auth0.Bool(false),
		AppMetadata:  &map[string]any{"groups": []any{"engineers"}, "plan": map[string]any{"level": "gold"}},
		UserMetadata: &map[string]any{"theme": "dark"},
	})
	if made.CreatedAt == nil || time.Since(made.GetCreatedAt()).Abs() > time.Minute || !made.GetCreatedAt().Equal(made.GetUpdatedAt()) {
		t.Errorf("created %v, updated %v: want one time, now", made.CreatedAt, made.UpdatedAt)
	}
	key, found := strings.CutPrefix(made.GetID(), "auth0|")
	if !found || len(key) != 24 {
		t.Errorf("id %q: want auth0| and 24 digits", made.GetID())
	}
	want := &management.User{
		ID: made.ID, Email: auth0.String("ada.lovelace@example.com"), Username: auth0.String("ada"), GivenName: auth0.String("Ada"), FamilyName: auth0.String("Lovelace"),
		Name: made.Name, Nickname: auth0.String("ada.lovelace"), Picture: made.Picture,
		EmailVerified: auth0.Bool(true), Blocked: auth0.Bool(false), CreatedAt: made.CreatedAt, UpdatedAt: made.UpdatedAt,
		AppMetadata:  &map[string]any{"groups": []any{"engineers"}, "plan": map[string]any{"level": "gold"}},
		UserMetadata: &map[string]any{"theme": "dark"},
		Identities: []*management.UserIdentity{{
			Connection: auth0.String(auth0test.Connection), UserID: &key, Provider: auth0.String("auth0"), IsSocial: auth0.Bool(false),
		}},
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
}

func TestUserKeepsTheIDThatIsSent(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	made := user(t, m, management.User{ID: auth0.String("own/1"), Email: auth0.String("own@example.com")})
	if want := "auth0|own/1"; made.GetID() != want {
		t.Errorf("id: want %q, got %q", want, made.GetID())
	}
	if err := m.User.Delete(t.Context(), made.GetID()); err != nil {
		t.Error(err)
	}
	_, err := m.User.Read(t.Context(), made.GetID())
	refused(t, err, http.StatusNotFound, "The user does not exist.")
}

func TestUserIsUpdated(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	made := user(t, m, management.User{
		Email: auth0.String("ada@example.com"), EmailVerified: auth0.Bool(true),
		AppMetadata: &map[string]any{"keep": "this", "plan": map[string]any{"level": "gold", "since": "2020"}},
	})
	err := m.User.Update(t.Context(), made.GetID(), &management.User{
		GivenName: auth0.String("Augusta"), Blocked: auth0.Bool(true), AppMetadata: &map[string]any{"plan": map[string]any{"level": "silver"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.User.Read(t.Context(), made.GetID())
	if err != nil {
		t.Fatal(err)
	}
	want := *made
	want.GivenName, want.Blocked, want.UpdatedAt = auth0.String("Augusta"), auth0.Bool(true), got.UpdatedAt
	want.AppMetadata = &map[string]any{"keep": "this", "plan": map[string]any{"level": "silver"}} // merged at the first level only
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	if got.GetUpdatedAt().Before(made.GetUpdatedAt()) {
		t.Errorf("updated %v, before %v", got.GetUpdatedAt(), made.GetUpdatedAt())
	}
}

func TestUserIsDeletedAndTwice(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	made := ada(t, m)
	for range 2 {
		if err := m.User.Delete(t.Context(), made.GetID()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := m.User.Read(t.Context(), made.GetID())
	refused(t, err, http.StatusNotFound, "The user does not exist.")
	refused(t, m.User.Update(t.Context(), made.GetID(), &management.User{Name: auth0.String("nobody")}), http.StatusNotFound, "")
}

func TestUserIsRefused(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	ada(t, m)
	base := management.User{Connection: auth0.String(auth0test.Connection), Email: auth0.String("new@example.com"), Password: auth0.String(password)}
	for name, c := range map[string]struct {
		change  func(*management.User)
		status  int
		message string
	}{
		"an address that is taken":   {func(u *management.User) { u.Email = auth0.String("ADA@example.com") }, http.StatusConflict, "The user already exists."},
		"no connection":              {func(u *management.User) { u.Connection = nil }, http.StatusBadRequest, "connection"},
		"a connection that is not":   {func(u *management.User) { u.Connection = auth0.String("nowhere") }, http.StatusBadRequest, "Connection does not exist."},
		"no address at all":          {func(u *management.User) { u.Email = auth0.String("no address") }, http.StatusBadRequest, "email"},
		"a property nobody knows":    {func(u *management.User) { u.LastIP = auth0.String("192.0.2.1") }, http.StatusBadRequest, "Additional properties not allowed: last_ip"},
		"a picture that is no URI":   {func(u *management.User) { u.Picture = auth0.String("none") }, http.StatusBadRequest, "picture"},
		"a password that is too bad": {func(u *management.User) { u.Password = auth0.String("a") }, http.StatusBadRequest, "PasswordStrengthError: Password is too weak"},
	} {
		t.Run(name, func(t *testing.T) {
			u := base
			c.change(&u)
			refused(t, m.User.Create(t.Context(), &u), c.status, c.message)
		})
	}
}

func TestUpdateIsRefused(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	made := ada(t, m)
	for name, c := range map[string]struct {
		change  management.User
		message string
	}{
		"password and address":           {management.User{Password: auth0.String(password + "2"), Email: auth0.String("new@example.com")}, "Cannot update password and email simultaneously"},
		"password and its verification":  {management.User{Password: auth0.String(password + "2"), EmailVerified: auth0.Bool(true)}, "Cannot update password and email_verified simultaneously"},
		"username and address":           {management.User{Username: auth0.String("ada"), Email: auth0.String("new@example.com")}, "Cannot update username and email simultaneously"},
		"username and password":          {management.User{Username: auth0.String("ada"), Password: auth0.String(password + "2")}, "Cannot update username and password simultaneously"},
		"the whole user, as it was read": {*made, "Additional properties not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, m.User.Update(t.Context(), made.GetID(), &c.change), http.StatusBadRequest, c.message)
		})
	}
	got, err := m.User.Read(t.Context(), made.GetID())
	if diff := cmp.Diff(made, got); err != nil || diff != "" {
		t.Errorf("user after refusals (-want +got):\n%s%v", diff, err)
	}
}

func TestUsersOfAnAddress(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	made := ada(t, m)
	for address, want := range map[string][]*management.User{
		"ada@example.com":    {made},
		"ADA@example.com":    {}, // matched as sent, and stored in lower case
		"nobody@example.com": {},
	} {
		got, err := m.User.ListByEmail(t.Context(), address)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("users of %s (-want +got):\n%s%v", address, diff, err)
		}
	}
	_, err := m.User.ListByEmail(t.Context(), "ada@example.com", management.Page(0))
	refused(t, err, http.StatusBadRequest, "page")
}

func TestFieldsOfAUser(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	made := ada(t, m)
	got, err := m.User.Read(t.Context(), made.GetID(), management.IncludeFields("email", "user_id"))
	if diff := cmp.Diff(&management.User{ID: made.ID, Email: made.Email}, got); err != nil || diff != "" {
		t.Errorf("two fields (-want +got):\n%s%v", diff, err)
	}
	want := *made
	want.Email, want.ID = nil, nil
	got, err = m.User.Read(t.Context(), made.GetID(), management.ExcludeFields("email", "user_id"))
	if diff := cmp.Diff(&want, got); err != nil || diff != "" {
		t.Errorf("without them (-want +got):\n%s%v", diff, err)
	}
}
