package sdk

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/authentication"
	"github.com/auth0/go-auth0/authentication/database"
	"github.com/auth0/go-auth0/authentication/oauth"
	"github.com/auth0/go-auth0/management"
	"github.com/google/go-cmp/cmp"

	"user-manager/providers/auth0/auth0test"
)

var unchecked = oauth.IDTokenValidationOptions{} // what their client looks at in ID tokens beyond the signature, issuer and audience

func TestLogin(t *testing.T) {
	tn := newTenant(t, auth0test.Config{})
	m, a := tn.management(t), tn.authentication(t)
	u := ada(t, m)
	for name, in := range map[string]oauth.LoginWithPasswordRequest{
		"at the default directory": {},
		"at a realm":               {Realm: auth0test.Connection},
		"for an API":               {Realm: auth0test.Connection, Audience: auth0test.Audience},
	} {
		t.Run(name, func(t *testing.T) {
			in.Username, in.Password, in.Scope = "ada@example.com", password, "openid profile email offline_access"
			set, err := a.OAuth.LoginWithPassword(t.Context(), in, unchecked)
			if err != nil {
				t.Fatal(err)
			}
			if set.AccessToken == "" || set.IDToken == "" || set.RefreshToken == "" || set.TokenType != "Bearer" || set.ExpiresIn != 86400 {
				t.Errorf("tokens: %+v", set)
			}
			if signed := strings.Count(set.AccessToken, ".") == 2; signed != (in.Audience != "") {
				t.Errorf("access token for the audience %q: signed %v", in.Audience, signed)
			}
			who, err := a.UserInfo(t.Context(), set.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			want := &authentication.UserInfoResponse{
				Sub: u.GetID(), Email: "ada@example.com", EmailVerified: true, Name: u.GetName(), Nickname: "ada", Picture: u.GetPicture(),
				UpdatedAt: who.UpdatedAt, AdditionalClaims: map[string]any{},
			}
			if diff := cmp.Diff(want, who); diff != "" || who.UpdatedAt == nil {
				t.Errorf("userinfo (-want +got):\n%s", diff)
			}
		})
	}
	got, err := m.User.Read(t.Context(), u.GetID())
	if err != nil || got.GetLoginsCount() != 3 || got.LastLogin == nil || got.GetLastIP() == "" {
		t.Errorf("after three logins: %v, %v", got, err)
	}
}

func TestScopeDecidesWhatComes(t *testing.T) {
	tn := newTenant(t, auth0test.Config{})
	ada(t, tn.management(t))
	a := tn.authentication(t)
	for scope, want := range map[string][2]bool{ // an ID token, a refresh token
		"openid":                {true, false},
		"openid offline_access": {true, true},
	} {
		set, err := a.OAuth.LoginWithPassword(t.Context(), oauth.LoginWithPasswordRequest{Username: "ada@example.com", Password: password, Scope: scope}, unchecked)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{set.IDToken != "", set.RefreshToken != ""}; got != want {
			t.Errorf("%s: want %v, got %v", scope, want, got)
		}
	}
}

// Their client checks the signature and whom the token is for; here it must not be
// content.
func TestIDTokenOfAnotherTenantIsNotTaken(t *testing.T) {
	here, there := newTenant(t, auth0test.Config{}), newTenant(t, auth0test.Config{})
	ada(t, here.management(t))
	ada(t, there.management(t))
	a := here.authentication(t, authentication.WithClient(&http.Client{Transport: detour{here, there}}))
	if _, err := login(t, a, "ada@example.com", password); err == nil || !strings.Contains(err.Error(), `"iss" not satisfied`) && !strings.Contains(err.Error(), "verify") {
		t.Errorf("want the ID token refused, got %v", err)
	}
}

// A detour takes logins to another tenant.
type detour struct{ here, there *tenant }

// RoundTrip implements [http.RoundTripper].
func (d detour) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != "/oauth/token" {
		return d.here.http.Transport.RoundTrip(req)
	}
	away := req.Clone(req.Context())
	away.URL.Host, away.Host = d.there.domain, d.there.domain
	return d.there.http.Transport.RoundTrip(away)
}

func TestLoginIsRefused(t *testing.T) {
	tn := newTenant(t, auth0test.Config{})
	m, a := tn.management(t), tn.authentication(t)
	ada(t, m)
	user(t, m, management.User{Email: auth0.String("blocked@example.com"), Blocked: auth0.Bool(true)})
	for name, c := range map[string]struct {
		in            oauth.LoginWithPasswordRequest
		status        int
		code, message string
	}{
		"a wrong password":         {oauth.LoginWithPasswordRequest{Username: "ada@example.com", Password: "wrong"}, 403, "invalid_grant", "Wrong email or password."},
		"nobody's address":         {oauth.LoginWithPasswordRequest{Username: "nobody@example.com", Password: password}, 403, "invalid_grant", "Wrong email or password."},
		"an API that is not":       {oauth.LoginWithPasswordRequest{Username: "ada@example.com", Password: password, Audience: "https://nowhere.example.com"}, 400, "invalid_request", "invalid audience specified for password grant exchange"},
		"a wrong secret":           {oauth.LoginWithPasswordRequest{Username: "ada@example.com", Password: password, ClientAuthentication: oauth.ClientAuthentication{ClientSecret: "wrong"}}, 401, "access_denied", "Unauthorized"},
		"an unknown client":        {oauth.LoginWithPasswordRequest{Username: "ada@example.com", Password: password, ClientAuthentication: oauth.ClientAuthentication{ClientID: "nobody"}}, 401, "access_denied", "Unauthorized"},
		"a client without a grant": {oauth.LoginWithPasswordRequest{Username: "ada@example.com", Password: password, ClientAuthentication: oauth.ClientAuthentication{ClientID: auth0test.ManagementClientID, ClientSecret: auth0test.ManagementClientSecret}}, 403, "unauthorized_client", "Grant type 'password' not allowed for the client."},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := a.OAuth.LoginWithPassword(t.Context(), c.in, unchecked)
			if set != nil {
				t.Errorf("want no tokens, got %+v", set)
			}
			denied(t, err, c.status, c.code, c.message)
		})
	}
	if _, err := login(t, a, "blocked@example.com", password); err == nil || !strings.Contains(err.Error(), "user is blocked") {
		t.Errorf("a blocked user: want the login refused, got %v", err)
	}
}

func TestRefreshTokenRotates(t *testing.T) {
	tn := newTenant(t, auth0test.Config{})
	m, a := tn.management(t), tn.authentication(t)
	u := ada(t, m)
	set, err := login(t, a, "ada@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	next, err := a.OAuth.RefreshToken(t.Context(), oauth.RefreshTokenRequest{RefreshToken: set.RefreshToken}, unchecked)
	if err != nil {
		t.Fatal(err)
	}
	if next.RefreshToken == "" || next.RefreshToken == set.RefreshToken || next.AccessToken == set.AccessToken || next.AccessToken == "" {
		t.Errorf("want new tokens: before %+v, after %+v", set, next)
	}
	want := []string{"email", "offline_access", "openid", "profile"}
	if got := strings.Fields(next.Scope); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("scope: want %v, got %v", want, got)
	}
	if who, err := a.UserInfo(t.Context(), next.AccessToken); err != nil || who.Sub != u.GetID() {
		t.Errorf("userinfo: %v, %v", who, err)
	}
	// A token that comes a second time ends all that came from it.
	for _, token := range []string{"unknown", set.RefreshToken, next.RefreshToken} {
		_, err = a.OAuth.RefreshToken(t.Context(), oauth.RefreshTokenRequest{RefreshToken: token}, unchecked)
		denied(t, err, 403, "invalid_grant", "Unknown or invalid refresh token.")
	}
}

func TestFixedRefreshToken(t *testing.T) {
	tn := newTenant(t, auth0test.Config{FixedRefreshTokens: true})
	ada(t, tn.management(t))
	a := tn.authentication(t)
	set, err := login(t, a, "ada@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		next, err := a.OAuth.RefreshToken(t.Context(), oauth.RefreshTokenRequest{RefreshToken: set.RefreshToken}, unchecked)
		if err != nil || next.RefreshToken != "" || next.AccessToken == "" {
			t.Errorf("want an access token alone, got %+v, %v", next, err)
		}
	}
}

func TestUserInfoOfAnUnknownToken(t *testing.T) {
	a := newTenant(t, auth0test.Config{}).authentication(t)
	_, err := a.UserInfo(t.Context(), "nonsense")
	denied(t, err, 401, "Unauthorized", "decode") // the answer is no JSON
}

func TestRefreshTokenIsRevoked(t *testing.T) {
	tn := newTenant(t, auth0test.Config{})
	ada(t, tn.management(t))
	a := tn.authentication(t)
	set, err := login(t, a, "ada@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is no token any more, which is no mistake
		if err := a.OAuth.RevokeRefreshToken(t.Context(), oauth.RevokeRefreshTokenRequest{Token: set.RefreshToken}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = a.OAuth.RefreshToken(t.Context(), oauth.RefreshTokenRequest{RefreshToken: set.RefreshToken}, unchecked)
	denied(t, err, 403, "invalid_grant", "Unknown or invalid refresh token.")
	err = a.OAuth.RevokeRefreshToken(t.Context(), oauth.RevokeRefreshTokenRequest{Token: set.RefreshToken, ClientAuthentication: oauth.ClientAuthentication{ClientSecret: "wrong"}})
	denied(t, err, 401, "access_denied", "Unauthorized")
}

func TestRefreshOfUsersWhoMayNot(t *testing.T) {
	tn := newTenant(t, auth0test.Config{})
	m, a := tn.management(t), tn.authentication(t)
	u := ada(t, m)
	set, err := login(t, a, "ada@example.com", password)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.User.Update(t.Context(), u.GetID(), &management.User{Blocked: auth0.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	_, err = a.OAuth.RefreshToken(t.Context(), oauth.RefreshTokenRequest{RefreshToken: set.RefreshToken}, unchecked)
	denied(t, err, 403, "invalid_grant", "user is blocked")
	if err := m.User.Delete(t.Context(), u.GetID()); err != nil {
		t.Fatal(err)
	}
	if _, err := a.OAuth.RefreshToken(t.Context(), oauth.RefreshTokenRequest{RefreshToken: set.RefreshToken}, unchecked); err == nil {
		t.Error("want a deleted user's refresh refused")
	}
}

func TestClientCredentials(t *testing.T) {
	tn := newTenant(t, auth0test.Config{})
	a := tn.authentication(t, authentication.WithClientID(auth0test.ManagementClientID), authentication.WithClientSecret(auth0test.ManagementClientSecret))
	api := "https://" + tn.domain + "/api/v2/"
	set, err := a.OAuth.LoginWithClientCredentials(t.Context(), oauth.LoginWithClientCredentialsRequest{Audience: api}, unchecked)
	if err != nil {
		t.Fatal(err)
	}
	if set.TokenType != "Bearer" || set.ExpiresIn != 86400 || set.RefreshToken != "" || set.IDToken != "" || !slices.Contains(strings.Fields(set.Scope), "create:users") {
		t.Errorf("tokens: %+v", set)
	}
	m, err := management.New(tn.domain, management.WithClient(tn.client()), management.WithStaticToken(set.AccessToken))
	if err != nil {
		t.Fatal(err)
	}
	ada(t, m) // the token opens the Management API
	wrong := oauth.LoginWithClientCredentialsRequest{Audience: api, ClientAuthentication: oauth.ClientAuthentication{ClientSecret: "wrong"}}
	_, err = a.OAuth.LoginWithClientCredentials(t.Context(), wrong, unchecked)
	denied(t, err, 401, "access_denied", "Unauthorized")
	_, err = a.OAuth.LoginWithClientCredentials(t.Context(), oauth.LoginWithClientCredentialsRequest{Audience: strings.TrimSuffix(api, "/")}, unchecked)
	denied(t, err, 403, "access_denied", "Service not enabled within domain: "+strings.TrimSuffix(api, "/"))
}

func TestChangeOfPassword(t *testing.T) {
	tn := newTenant(t, auth0test.Config{})
	ada(t, tn.management(t))
	a := tn.authentication(t)
	for _, address := range []string{"ada@example.com", "nobody@example.com"} { // the answer does not tell them apart
		got, err := a.Database.ChangePassword(t.Context(), database.ChangePasswordRequest{Email: address, Connection: auth0test.Connection})
		if want := "We've just sent you an email to reset your password."; got != want || err != nil {
			t.Errorf("%s: want %q, got %q, %v", address, want, got, err)
		}
	}
	if diff := cmp.Diff([]string{"ada@example.com"}, tn.Mails()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	_, err := a.Database.ChangePassword(t.Context(), database.ChangePasswordRequest{Connection: auth0test.Connection})
	denied(t, err, 400, "email is required", "") // a sentence where others have a code
}

func TestSignup(t *testing.T) {
	tn := newTenant(t, auth0test.Config{})
	m, a := tn.management(t), tn.authentication(t)
	in := database.SignupRequest{Connection: auth0test.Connection, Email: "New@example.com", Password: password, GivenName: "New", UserMetadata: &map[string]any{"theme": "dark"}}
	made, err := a.Database.Signup(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	u, err := m.User.Read(t.Context(), "auth0|"+made.ID)
	if err != nil || u.GetEmail() != "new@example.com" || u.GetEmailVerified() || u.GetGivenName() != "New" || u.GetUserMetadata()["theme"] != "dark" {
		t.Errorf("signed up: %v, %v", u, err)
	}
	if _, err := login(t, a, "new@example.com", password); err != nil {
		t.Error(err)
	}
	_, err = a.Database.Signup(t.Context(), in)
	denied(t, err, 400, "invalid_signup", "Invalid sign up")
	in.Email, in.Password = "weak@example.com", "a"
	_, err = a.Database.Signup(t.Context(), in)
	denied(t, err, 400, "invalid_password", "rules")
}
