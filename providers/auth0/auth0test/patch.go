package auth0test

import (
	"maps"
	"net/http"

	"user-manager/secret"
)

var patchSchema = func() schema {
	properties := userProperties(true)
	properties["client_id"] = property{kind: "string", min: 1, about: "Auth0 client ID. Only valid when updating email address"}
	properties["verify_phone_number"] = property{kind: "boolean", about: "Whether the user will receive a text after changing the phone number"}
	return schema{properties: properties, advice: " (consider storing them in app_metadata or user_metadata. See \"Users Metadata\" in https://auth0.com/docs/api/v2/changes for more details)"}
}()

// apart are the properties that one PATCH must not have both of.
var apart = [][2]string{
	{"password", "email"}, {"password", "email_verified"}, {"username", "email"}, {"username", "email_verified"}, {"username", "password"},
}

// patchUser handles PATCH /api/v2/users/{id}.
func patchUser(c *call) (*reply, error) {
	in, err := c.object()
	if err != nil {
		return nil, err
	}
	if err := c.checkPatch(in); err != nil {
		return nil, err
	}
	a, err := c.pathUser()
	if err != nil {
		return nil, err
	}
	doc := c.patched(a, in)
	if !hasIdentifier(doc) {
		return nil, invalid("Payload validation error: 'Missing required property: email'.")
	}
	if property := c.tenant.users.taken(doc, a.id); property != "" {
		return nil, c.tenant.patchConflict(property)
	}
	wasBlocked := a.blocked()
	c.tenant.users.put(a, doc, c.now)
	if password, ok := in["password"].(string); ok {
		a.password, a.hash = secret.New(password), ""
	}
	if in["verify_email"] == true {
		c.tenant.sendVerification(doc)
	}
	if c.tenant.cfg.EndsSessionsOnBlock && a.blocked() && !wasBlocked {
		c.tenant.endSessions(a.id)
	}
	return ok(http.StatusOK, doc), nil
}

// checkPatch refuses what no user's patch may be.
func (c *call) checkPatch(in map[string]any) error {
	if err := patchSchema.check(in); err != nil {
		return err
	}
	for _, pair := range apart {
		_, one := in[pair[0]]
		_, other := in[pair[1]]
		if one && other {
			return refuse(http.StatusBadRequest, "", "Cannot update "+pair[0]+" and "+pair[1]+" simultaneously.")
		}
	}
	if connection, ok := in["connection"]; ok && connection != Connection {
		return refuse(http.StatusBadRequest, "", "Connection does not exist.")
	}
	if name, ok := in["username"]; ok && name != nil && c.tenant.cfg.NoUsernames {
		return refuse(http.StatusBadRequest, "", "Cannot set username for connection without requires_username.")
	}
	if password, ok := in["password"].(string); ok && weak(password) {
		return refuse(http.StatusBadRequest, "", "PasswordStrengthError: Password is too weak")
	}
	if err := c.mayPatch(in); err != nil {
		return err
	}
	return checkMetadata(in)
}

// mayPatch refuses a token that may only change app_metadata and wants more.
func (c *call) mayPatch(in map[string]any) error {
	for _, scope := range c.granted {
		if scope == "update:users" {
			return nil
		}
	}
	for name := range in {
		if name != "app_metadata" {
			return insufficient("update:users")
		}
	}
	return nil
}

// patchConflict refuses a property that another user has.
func (t *Tenant) patchConflict(property string) error {
	if t.cfg.PatchConflicts {
		return refuse(http.StatusConflict, "auth0_idp_error", "The user already exists.")
	}
	return refuse(http.StatusBadRequest, "auth0_idp_error", "The specified new "+property+" already exists")
}

// patched returns the document after a change.
func (c *call) patched(a *account, in map[string]any) map[string]any {
	doc := a.changed()
	for name, value := range in {
		switch name {
		case "connection", "client_id", "verify_email", "verify_phone_number", "password":
		case "user_metadata", "app_metadata":
			mergeMetadata(doc, name, value)
		default:
			if value == nil {
				delete(doc, name)
			} else {
				doc[name] = value
			}
		}
	}
	lower(doc)
	if _, sent := in["email_verified"]; !sent && doc["email"] != a.doc["email"] {
		doc["email_verified"] = false
	}
	if _, sent := in["phone_verified"]; !sent && doc["phone_number"] != a.doc["phone_number"] {
		doc["phone_verified"] = false
	}
	if _, reset := in["password"]; reset {
		doc["last_password_reset"] = stamp(c.now)
		if _, sent := in["blocked"]; !sent && a.blocked() {
			doc["blocked"] = false // a new password lifts an administrator's block
		}
	}
	doc["updated_at"] = stamp(c.now)
	return doc
}

// mergeMetadata merges the first level. An empty object empties it all: user_metadata stays as
// an empty object, app_metadata goes.
func mergeMetadata(doc map[string]any, name string, value any) {
	change, _ := value.(map[string]any)
	old, _ := doc[name].(map[string]any)
	if value == nil {
		delete(doc, name)
		return
	}
	merged := maps.Clone(old)
	if merged == nil || len(change) == 0 {
		merged = map[string]any{}
	}
	for key, v := range change {
		if v == nil {
			delete(merged, key)
		} else {
			merged[key] = v
		}
	}
	doc[name] = merged
	if len(merged) == 0 && name == "app_metadata" {
		delete(doc, name)
	}
}
