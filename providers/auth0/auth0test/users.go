package auth0test

import (
	"errors"
	"net/http"
	"regexp"

	"user-manager/secret"
)

// prefix goes before the id that a user of a database has there.
const prefix = "auth0|"

var errNoUser = refuse(http.StatusNotFound, "inexistent_user", "The user does not exist.")

// userIDForm is how ids look.
var userIDForm = regexp.MustCompile(`^[^|\s]+\|\S+$`)

// pathUser returns the account that the path names.
func (c *call) pathUser() (*account, error) {
	id := c.PathValue("id")
	if !userIDForm.MatchString(id) {
		return nil, refuse(http.StatusBadRequest, "invalid_uri",
			"Path validation error: 'Object didn't pass validation for format user-id: "+id+"' on property id (The user_id of the user).")
	}
	a := c.tenant.users.accounts[id]
	if a == nil {
		return nil, errNoUser
	}
	return a, nil
}

// createUser handles POST /api/v2/users.
func createUser(c *call) (*reply, error) {
	in, err := c.object()
	if err != nil {
		return nil, err
	}
	if err := createSchema.check(in); err != nil {
		return nil, err
	}
	if err := c.checkNewUser(in); err != nil {
		return nil, err
	}
	password, _ := in["password"].(string)
	a := &account{id: prefix + newKey(in), password: secret.New(password)}
	doc := newDocument(a.id, in, c.now)
	if c.tenant.users.accounts[a.id] != nil || c.tenant.users.taken(doc, a.id) != "" {
		return nil, refuse(http.StatusConflict, "auth0_idp_error", "The user already exists.")
	}
	c.tenant.users.put(a, doc, c.now)
	c.tenant.verifyNew(in, doc)
	return ok(http.StatusCreated, doc), nil
}

func (c *call) checkNewUser(in map[string]any) error {
	_, named := in["username"]
	password, given := in["password"].(string)
	switch {
	case in["connection"] != Connection:
		return invalid("Connection does not exist.")
	case c.tenant.cfg.NotEnabled && c.caller == ManagementClientID:
		return refuse(http.StatusBadRequest, "", "Connection must be enabled for this client to perform single user creation and signup operations (client_id: "+
			c.caller+" - connection: "+Connection+")")
	case named && c.tenant.cfg.NoUsernames:
		return invalid("Cannot set username for connection without requires_username.")
	case !hasIdentifier(in):
		return invalid("Payload validation error: 'Missing required property: email'.")
	case !given:
		return invalid("Payload validation error: 'Missing required property: password'.")
	case weak(password):
		return refuse(http.StatusBadRequest, "", "PasswordStrengthError: Password is too weak")
	}
	return checkMetadata(in)
}

func hasIdentifier(doc map[string]any) bool {
	for _, property := range identifiers {
		if doc[property] != nil {
			return true
		}
	}
	return false
}

// weak reports whether a password breaks the connection's policy.
func weak(password string) bool { return len(password) < 8 }

// verifyNew sends the mail that a new user gets unless it is known to be verified.
func (t *Tenant) verifyNew(in, doc map[string]any) {
	send := doc["email_verified"] != true
	if asked, ok := in["verify_email"].(bool); ok {
		send = asked
	}
	if send {
		t.sendVerification(doc)
	}
}

// readUser handles GET /api/v2/users/{id}.
func readUser(c *call) (*reply, error) {
	show, err := c.fields("fields", "include_fields")
	if err != nil {
		return nil, err
	}
	a, err := c.pathUser()
	if err != nil {
		return nil, err
	}
	return ok(http.StatusOK, show(a.doc)), nil
}

// deleteUser handles DELETE /api/v2/users/{id}: of one who is not there, too.
func deleteUser(c *call) (*reply, error) {
	a, err := c.pathUser()
	if errors.Is(err, errNoUser) {
		return ok(http.StatusNoContent, nil), nil
	}
	if err != nil {
		return nil, err
	}
	c.tenant.users.remove(a, c.now)
	return ok(http.StatusNoContent, nil), nil
}

// usersByEmail handles GET /api/v2/users-by-email.
func usersByEmail(c *call) (*reply, error) {
	show, err := c.fields("email", "fields", "include_fields")
	if err != nil {
		return nil, err
	}
	email := c.URL.Query().Get("email")
	if email == "" {
		return nil, invalidQuery("Missing required property: email", "")
	}
	found := []any{}
	if id, ok := c.tenant.users.owners[identifier{"email", email}]; ok {
		found = append(found, show(c.tenant.users.accounts[id].doc))
	}
	return ok(http.StatusOK, found), nil
}
