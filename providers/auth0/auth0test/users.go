package auth0test

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

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

// newKey returns the id within the connection: the one that is asked for, or a new one.
func newKey(in map[string]any) string {
	if key, ok := in["user_id"].(string); ok && key != "" {
		return key
	}
	return randomHex(12)
}

// hidden are the properties that are sent and never shown.
var hidden = []string{"connection", "password", "verify_email", "user_id"}

// newDocument returns what the API shows of a new user.
func newDocument(id string, in map[string]any, at time.Time) map[string]any {
	doc := map[string]any{}
	for name, value := range in {
		doc[name] = value
	}
	for _, name := range hidden {
		delete(doc, name)
	}
	lower(doc)
	addDefaults(doc)
	doc["user_id"] = id
	doc["created_at"], doc["updated_at"] = stamp(at), stamp(at)
	doc["identities"] = []any{map[string]any{
		"connection": Connection, "user_id": strings.TrimPrefix(id, prefix), "provider": "auth0", "isSocial": false,
	}}
	return doc
}

// lower writes email address and user name as they are stored.
func lower(doc map[string]any) {
	for _, property := range []string{"email", "username"} {
		if value, ok := doc[property].(string); ok {
			doc[property] = strings.ToLower(value)
		}
	}
}

// addDefaults gives a new user the properties that everyone has.
func addDefaults(doc map[string]any) {
	email, _ := doc["email"].(string)
	username, _ := doc["username"].(string)
	phone, _ := doc["phone_number"].(string)
	local, _, _ := strings.Cut(email, "@")
	fallback := func(name string, values ...string) {
		for _, value := range values {
			if doc[name] == nil && value != "" {
				doc[name] = value
			}
		}
	}
	if doc["email_verified"] == nil {
		doc["email_verified"] = false
	}
	fallback("name", email, username, phone)
	fallback("nickname", local, username, phone)
	name, _ := doc["name"].(string)
	fallback("picture", gravatar("s", email, name))
}

// gravatar is the default picture.
func gravatar(host, email, name string) string {
	sum := md5.Sum([]byte(email)) // what the service goes by
	initials := strings.ToLower(string([]rune(name + "  ")[:2]))
	return "https://" + host + ".gravatar.com/avatar/" + hex.EncodeToString(sum[:]) +
		"?s=480&r=pg&d=" + url.QueryEscape("https://cdn.auth0.com/avatars/"+strings.TrimSpace(initials)+".png")
}

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
