package auth0test

import (
	"crypto/md5"
	"encoding/hex"
	"net/url"
	"strings"
	"time"
)

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
