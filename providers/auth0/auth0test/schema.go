package auth0test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// object reads the body, which must be a JSON object.
func (c *call) object() (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(c.body))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, invalid("Invalid request payload JSON format")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, invalid("Invalid request payload JSON format")
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, invalid("Payload validation error: 'Expected type object but found type " + typeOf(v) + "'.")
	}
	return o, nil
}

// typeOf names a JSON type.
func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number, float64:
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

// A property is what a schema says of one.
type property struct {
	kind     string // a JSON type
	min, max int    // of texts, in characters; max 0: any
	form     func(string) bool
	format   string // name of form, for the message
	pattern  string // what form is, if it is a pattern
	nullable bool
	about    string // description
}

// A schema is what the properties of an object are, and which must be there.
type schema struct {
	properties map[string]property
	required   []string
	advice     string // after the names of those that must not be there
}

// check returns the refusal of a body, or nil.
func (s schema) check(body map[string]any) error {
	var extra []string
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if _, known := s.properties[name]; !known {
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		return invalid("Payload validation error: 'Additional properties not allowed: " + strings.Join(extra, ",") + s.advice + "'.")
	}
	for _, name := range s.required {
		if _, ok := body[name]; !ok {
			return invalid("Payload validation error: 'Missing required property: " + name + "'.")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		p := s.properties[name]
		if reason := p.wrong(body[name]); reason != "" {
			return invalid("Payload validation error: '" + reason + "' on property " + name + " (" + p.about + ").")
		}
	}
	return nil
}

// wrong returns why v cannot be the property's value, or "".
func (p property) wrong(v any) string {
	kind := typeOf(v)
	if kind == "null" && p.nullable {
		return ""
	}
	if kind != p.kind {
		return "Expected type " + p.kind + " but found type " + kind
	}
	text, ok := v.(string)
	if !ok {
		return ""
	}
	switch n := utf8.RuneCountInString(text); {
	case n < p.min:
		return fmt.Sprintf("String is too short (%d chars), minimum %d", n, p.min)
	case p.max > 0 && n > p.max:
		return fmt.Sprintf("String is too long (%d chars), maximum %d", n, p.max)
	case p.form != nil && !p.form(text) && p.pattern != "":
		return "String does not match pattern " + p.pattern + ": " + text
	case p.form != nil && !p.form(text):
		return "Object didn't pass validation for format " + p.format + ": " + text
	}
	return ""
}

var emailForm = regexp.MustCompile(`^[^\s@"(),:;<>\[\]\\]{1,64}@[^\s@.]+(\.[^\s@.]+)+$`)

func isEmail(s string) bool {
	_, domain, _ := strings.Cut(s, "@")
	return emailForm.MatchString(s) && len(domain) <= 256
}

func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && (u.Host != "" || u.Opaque != "")
}

const (
	phonePattern = `^\+[0-9]{1,15}$`
	namePattern  = `^\S*$`
)

// userProperties are those that can be sent of a user, new or not.
func userProperties(nullable bool) map[string]property {
	text := func(min, max int, about string) property {
		return property{kind: "string", min: min, max: max, nullable: nullable, about: about}
	}
	formed := func(format, pattern string, form func(string) bool, about string) property {
		return property{kind: "string", format: format, pattern: pattern, form: form, nullable: nullable, about: about}
	}
	flag := func(about string) property { return property{kind: "boolean", about: about} }
	return map[string]property{
		"email":          formed("email", "", isEmail, "The user's email"),
		"username":       text(1, 128, "The user's username. Only valid if the connection requires a username"),
		"phone_number":   formed("", phonePattern, regexp.MustCompile(phonePattern).MatchString, "The user's phone number"),
		"password":       {kind: "string", min: 1, about: "Initial password for this user (mandatory for non-SMS connections)"},
		"given_name":     text(1, 150, "The user's given name(s)"),
		"family_name":    text(1, 150, "The user's family name(s)"),
		"name":           text(1, 300, "The user's full name"),
		"nickname":       text(1, 300, "The user's nickname"),
		"picture":        formed("strict-uri", "", isURI, "A URI pointing to the user's picture"),
		"blocked":        flag("Whether this user was blocked by an administrator (true) or not (false)"),
		"email_verified": flag("Whether this email address is verified (true) or unverified (false)"),
		"phone_verified": flag("Whether this phone number has been verified (true) or not (false)"),
		"verify_email":   flag("Whether the user will receive a verification email (true) or no email (false)"),
		"user_metadata":  {kind: "object", nullable: nullable, about: "Data related to the user that does not affect the application's core functionality"},
		"app_metadata":   {kind: "object", nullable: nullable, about: "Data related to the user that does affect the application's core functionality"},
		"connection":     {kind: "string", min: 1, about: "Name of the connection this user belongs to"},
	}
}

var createSchema = func() schema {
	properties := userProperties(false)
	properties["user_id"] = property{kind: "string", max: 255, pattern: namePattern, form: regexp.MustCompile(namePattern).MatchString,
		about: "The external user's id provided by the identity provider"}
	return schema{properties: properties, required: []string{"connection"}}
}()

// reserved are the names that app_metadata must not have.
var reserved = []string{
	"__tenant", "_id", "blocked", "clientID", "created_at", "email", "email_verified", "globalClientID", "global_client_id", "identities",
	"lastIP", "lastLogin", "loginsCount", "metadata", "multifactor_last_modified", "multifactor", "updated_at", "user_id",
}

// checkMetadata refuses names that metadata must not have.
func checkMetadata(body map[string]any) error {
	for _, property := range []string{"app_metadata", "user_metadata"} {
		metadata, _ := body[property].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(metadata)) {
			if strings.ContainsAny(name, ".$") || property == "app_metadata" && slices.Contains(reserved, name) {
				return invalid("Payload validation error: 'Property name not allowed: " + name + "' on property " + property + ".")
			}
		}
	}
	return nil
}
