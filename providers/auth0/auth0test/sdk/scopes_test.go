package sdk

import (
	"net/http"
	"strings"
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"

	"user-manager/providers/auth0/auth0test"
)

func TestScopeThatIsMissing(t *testing.T) {
	m := newTenant(t, auth0test.Config{Scopes: []string{"create:users", "read:users", "update:users_app_metadata"}}).management(t)
	u := ada(t, m)
	refused(t, m.User.Delete(t.Context(), u.GetID()), http.StatusForbidden, "Insufficient scope, expected any of: delete:users")
	refused(t, m.Ticket.ChangePassword(t.Context(), &management.Ticket{UserID: u.ID}), http.StatusForbidden, "Insufficient scope, expected any of: create:user_tickets")
	_, err := m.Connection.ReadByName(t.Context(), auth0test.Connection)
	refused(t, err, http.StatusForbidden, "Insufficient scope, expected any of: read:connections")
	if err := m.User.Update(t.Context(), u.GetID(), &management.User{AppMetadata: &map[string]any{"groups": []any{}}}); err != nil {
		t.Errorf("app_metadata alone: %v", err)
	}
	refused(t, m.User.Update(t.Context(), u.GetID(), &management.User{Name: auth0.String("Ada")}), http.StatusForbidden, "Insufficient scope")
}

// The client that people log in to has nothing to do with the Management API.
func TestClientWithoutTheManagementAPI(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).managementAs(t, auth0test.ClientID, auth0test.ClientSecret, management.WithNoRetries())
	_, err := m.User.List(t.Context())
	if err == nil || !strings.Contains(err.Error(), `You need to create a \"client-grant\" associated to this API.`) {
		t.Errorf("want no token, got %v", err)
	}
	m = newTenant(t, auth0test.Config{OneClient: true}).managementAs(t, auth0test.ClientID, auth0test.ClientSecret)
	if _, err := m.User.List(t.Context()); err != nil {
		t.Errorf("a client for both: %v", err)
	}
}

func TestManagementIsForItsTokens(t *testing.T) {
	tn := newTenant(t, auth0test.Config{})
	u := ada(t, tn.management(t))
	set, err := login(t, tn.authentication(t), "ada@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		token   string
		status  int
		message string
	}{
		{"nonsense", http.StatusBadRequest, "Bad HTTP authentication header format"},
		{set.AccessToken, http.StatusBadRequest, "Bad HTTP authentication header format"}, // a user's, which is opaque
		{set.IDToken, http.StatusUnauthorized, "Bad audience: " + auth0test.ClientID},
		{set.IDToken[:len(set.IDToken)-8] + "AAAAAAAA", http.StatusUnauthorized, "Invalid signature received for JSON Web Token validation."},
	} {
		m, err := management.New(tn.domain, management.WithClient(tn.client()), management.WithStaticToken(c.token))
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.User.Read(t.Context(), u.GetID())
		refused(t, err, c.status, c.message)
	}
}
