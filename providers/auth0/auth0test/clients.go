package auth0test

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
)

// Grants that clients may have.
const (
	passwordGrant    = "password"
	realmGrant       = "http://auth0.com/oauth/grant-type/password-realm"
	refreshGrant     = "refresh_token"
	credentialsGrant = "client_credentials"
	codeGrant        = "authorization_code"
)

// A client is an application of the tenant.
type client struct {
	id, secret string // secret "": a public one
	grants     []string
	apis       map[string][]string // audiences of client credentials, with their scopes
}

func (t *Tenant) knownClients() map[string]client {
	scopes := t.cfg.Scopes
	if scopes == nil {
		scopes = managementScopes()
	}
	app := client{ClientID, ClientSecret, []string{passwordGrant, realmGrant, refreshGrant, codeGrant, credentialsGrant}, map[string][]string{Audience: nil}}
	if t.cfg.OneClient {
		app.apis[t.management()] = scopes
	}
	return map[string]client{
		ClientID: app,
		ManagementClientID: {ManagementClientID, ManagementClientSecret, []string{credentialsGrant},
			map[string][]string{t.management(): scopes}},
		PublicClientID: {PublicClientID, "", []string{passwordGrant, realmGrant, refreshGrant, codeGrant}, nil},
	}
}

// parameters are those of a form or of a JSON object.
type parameters map[string]any

func (p parameters) text(name string) string {
	s, _ := p[name].(string)
	return s
}

// parameters reads the body, by its content type.
func (c *call) parameters() (parameters, error) {
	kind, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	p := parameters{}
	if err == nil && kind == "application/json" {
		if json.Unmarshal(c.body, &p) != nil || p == nil {
			return nil, deny(http.StatusBadRequest, "invalid_request", "The body is not a JSON object.")
		}
		return p, nil
	}
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return nil, deny(http.StatusBadRequest, "invalid_request", "The body is not a form.")
	}
	for name, values := range form {
		p[name] = values[0]
	}
	return p, nil
}

// errClient refuses an unknown client and a wrong secret alike.
var errClient = deny(http.StatusUnauthorized, "access_denied", "Unauthorized")

// client returns who calls, by HTTP Basic or by the parameters.
func (c *call) client(p parameters) (client, error) {
	id, secret, basic := c.BasicAuth()
	if basic {
		var errs [2]error // both are encoded as in a form (RFC 6749, section 2.3.1)
		id, errs[0] = url.QueryUnescape(id)
		secret, errs[1] = url.QueryUnescape(secret)
		if errors.Join(errs[:]...) != nil {
			return client{}, errClient
		}
	} else {
		id, secret = p.text("client_id"), p.text("client_secret")
	}
	known, ok := c.tenant.clients[id]
	if !ok || secret != known.secret {
		return client{}, errClient
	}
	return known, nil
}

// mayUse refuses a grant that the client does not have.
func (c client) mayUse(grant string) error {
	if slices.Contains(c.grants, grant) {
		return nil
	}
	return deny(http.StatusForbidden, "unauthorized_client", "Grant type '"+grant+"' not allowed for the client.").
		with("error_uri", "https://auth0.com/docs/clients/client-grant-types")
}
