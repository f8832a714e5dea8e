package auth0test

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Lifetimes of tokens, in seconds.
const (
	accessTokenLife = 86400
	idTokenLife     = 36000
)

// token handles POST /oauth/token.
func token(c *call) (*reply, error) {
	p, err := c.parameters()
	if err != nil {
		return nil, err
	}
	grant := p.text("grant_type")
	handlers := map[string]func(*call, client, parameters) (*reply, error){
		credentialsGrant: clientCredentials, passwordGrant: passwordLogin, realmGrant: passwordLogin,
		refreshGrant: refreshTokens, codeGrant: exchangeCode,
	}
	handle := handlers[grant]
	switch {
	case grant == "":
		return nil, deny(http.StatusBadRequest, "invalid_request", "Missing required parameter: grant_type")
	case handle == nil:
		return nil, deny(http.StatusNotImplemented, "unsupported_grant_type", "Unsupported grant type: "+grant)
	}
	who, err := c.client(p)
	if err != nil {
		return nil, err
	}
	if err := who.mayUse(grant); err != nil {
		return nil, err
	}
	answer, err := handle(c, who, p)
	if err == nil {
		answer.set("Cache-Control", "no-store")
	}
	return answer, err
}

// granted answers with tokens.
func granted(body map[string]any) *reply {
	return &reply{status: http.StatusOK, kind: plainJSON, body: body}
}

func clientCredentials(c *call, who client, p parameters) (*reply, error) {
	audience := p.text("audience")
	scopes, allowed := who.apis[audience]
	switch {
	case audience == "":
		return nil, deny(http.StatusForbidden, "access_denied", "No audience parameter was provided, and no default audience has been configured")
	case audience != Audience && audience != c.tenant.management():
		return nil, deny(http.StatusForbidden, "access_denied", "Service not enabled within domain: "+audience)
	case !allowed:
		return nil, deny(http.StatusForbidden, "access_denied", "Client is not authorized to access \""+audience+
			"\". You need to create a \"client-grant\" associated to this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants")
	}
	claims := jwt.MapClaims{
		"iss": c.tenant.issuer(), "sub": who.id + "@clients", "aud": audience, "azp": who.id, "gty": "client-credentials",
		"iat": c.now.Unix(), "exp": c.now.Unix() + accessTokenLife,
	}
	body := map[string]any{"expires_in": accessTokenLife, "token_type": "Bearer"}
	if len(scopes) > 0 {
		claims["scope"] = strings.Join(scopes, " ")
		body["scope"] = claims["scope"]
	}
	body["access_token"] = sign(claims)
	return granted(body), nil
}

func exchangeCode(*call, client, parameters) (*reply, error) {
	return nil, deny(http.StatusForbidden, "invalid_grant", "Invalid authorization code")
}

// An accessToken is one of a user that was given out.
type accessToken struct {
	user    string // the account's id
	scopes  []string
	expires time.Time
}

// profileScopes are what a login is granted that asks for nothing in particular.
var profileScopes = []string{"openid", "profile", "email", "address", "phone"}

const offline = "offline_access"

// grantScopes returns what is granted of what is asked for.
func (t *Tenant) grantScopes(asked []string, audience string, who client) []string {
	possible := slices.Clone(profileScopes)
	if audience == Audience {
		possible = append(possible, t.cfg.APIScopes...)
	}
	if len(asked) == 0 {
		return possible
	}
	if slices.Equal(asked, []string{"openid"}) {
		return slices.Clone(profileScopes)
	}
	if slices.Contains(who.grants, refreshGrant) && !(t.cfg.NoOfflineAccess && audience == Audience) {
		possible = append(possible, offline)
	}
	var granted []string
	for _, scope := range asked {
		if slices.Contains(possible, scope) && !slices.Contains(granted, scope) {
			granted = append(granted, scope)
		}
	}
	return granted
}

// A session is what a login or a refresh gives tokens for.
type session struct {
	user     string // the account's id
	client   client
	audience string // "" for none
	scopes   []string
}

// tokens makes the access and ID token of s.
func (c *call) tokens(s session) map[string]any {
	body := map[string]any{"access_token": c.accessToken(s), "expires_in": accessTokenLife, "token_type": "Bearer"}
	if len(s.scopes) > 0 {
		body["scope"] = strings.Join(s.scopes, " ")
	}
	if slices.Contains(s.scopes, "openid") {
		body["id_token"] = c.idToken(s)
	}
	return body
}

func (c *call) accessToken(s session) string {
	value := randomLetters(32)
	if s.audience != "" {
		value = c.signedAccessToken(s)
	}
	for old, t := range c.tenant.tokens {
		if len(c.tenant.tokens) < 1000 || c.now.Before(t.expires) {
			break // one at a time is enough to keep up
		}
		delete(c.tenant.tokens, old)
	}
	c.tenant.tokens[value] = &accessToken{s.user, s.scopes, c.now.Add(accessTokenLife * time.Second)}
	return value
}

func (c *call) signedAccessToken(s session) string {
	claims := jwt.MapClaims{
		"iss": c.tenant.issuer(), "sub": s.user, "aud": s.audience, "azp": s.client.id, "gty": "password",
		"iat": c.now.Unix(), "exp": c.now.Unix() + accessTokenLife, "jti": randomLetters(22),
	}
	if slices.Contains(s.scopes, "openid") {
		claims["aud"] = []string{s.audience, c.tenant.base + "/userinfo"}
	}
	if len(s.scopes) > 0 {
		claims["scope"] = strings.Join(s.scopes, " ")
	}
	return sign(claims)
}

func (c *call) idToken(s session) string {
	claims := jwt.MapClaims{"iss": c.tenant.issuer(), "aud": s.client.id, "iat": c.now.Unix(), "exp": c.now.Unix() + idTokenLife}
	for name, value := range c.tenant.claims(s.user, s.scopes) {
		claims[name] = value
	}
	return sign(claims)
}

// claims are what a user's profile gives to those with the scopes.
func (t *Tenant) claims(user string, scopes []string) map[string]any {
	claims := map[string]any{"sub": user}
	a := t.users.accounts[user]
	if a == nil {
		return claims
	}
	add := func(scope string, names ...string) {
		for _, name := range names {
			if value, ok := a.doc[name]; ok && slices.Contains(scopes, scope) {
				claims[name] = value
			}
		}
	}
	add("profile", "nickname", "name", "picture", "updated_at", "given_name", "family_name")
	add("email", "email", "email_verified")
	add("phone", "phone_number")
	return claims
}
