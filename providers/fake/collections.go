package fake

import (
	"maps"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/crud/embedded"
)

// Where the fake keeps what it knows.
const (
	accountsPath = "/fake/accounts"
	sessionsPath = "/fake/refresh-tokens"
	outboxPath   = "/fake/outbox"
	settingsPath = "/fake/settings"
)

// Fields of the documents in those collections. Instants that are compared are Unix
// milliseconds.
const (
	keyField             = "key" // of an account: its id without the scheme
	emailField           = "email"
	usernameField        = "username"
	emailVerifiedField   = "emailVerified"
	passwordField        = "passwordHash"
	passwordVersionField = "passwordVersion" // grows with every new password
	blockedField         = "blocked"
	generationField      = "generation" // see account.generation
	lastLoginField       = "lastLogin"
	loginsField          = "logins"

	familyField    = "family"
	currentField   = "current" // hash of the one refresh token of the family that works
	accountField   = "account" // the account's key
	expiresAtField = "expiresAt"

	toField      = "to"
	subjectField = "subject"
	textField    = "text"
	ticketField  = "ticket"
	sentAtField  = "sentAt"

	nameField  = "name"
	valueField = "value"
)

// uniqueNames are the fields of an account whose value no other may have, besides its
// key. They are called as [providers.Taken] calls them.
var uniqueNames = []string{emailField, usernameField}

// Collections are what the fake needs in the store that is [providers.Settings.Local].
func Collections() []embedded.Definition {
	return []embedded.Definition{
		collection(accountsPath, fields{
			"string":  {keyField, emailField, usernameField, passwordField, lastLoginField},
			"number":  {passwordVersionField, generationField, loginsField},
			"boolean": {emailVerifiedField, blockedField},
		}, unique(keyField), unique(emailField), unique(usernameField)),
		collection(sessionsPath, fields{
			"string": {familyField, currentField, accountField},
			"number": {generationField, expiresAtField},
		}, unique(familyField), normal(accountField), normal(expiresAtField)),
		collection(outboxPath, fields{
			"string": {toField, subjectField, textField, ticketField, accountField},
			"number": {passwordVersionField, sentAtField, expiresAtField},
		}, unique(ticketField), normal(toField)),
		collection(settingsPath, fields{"string": {nameField, valueField}}, unique(nameField)),
	}
}

// fields are names of fields by their type.
type fields map[string][]string

func collection(path string, has fields, indexes ...embedded.Index) embedded.Definition {
	d := embedded.Definition{
		Name: strings.TrimPrefix(path, "/"), Path: path, DefaultState: crud.Public, Internal: true, Indexes: indexes,
	}
	for _, kind := range slices.Sorted(maps.Keys(has)) {
		for _, name := range has[kind] {
			d.Fields = append(d.Fields, embedded.Field{Name: name, Type: kind})
		}
	}
	return d
}

func unique(field string) embedded.Index {
	index := normal(field)
	index.Unique = true
	return index
}

func normal(field string) embedded.Index {
	return embedded.Index{Name: field, Type: "normal", Fields: []embedded.IndexField{{Name: field, Order: 1}}}
}

func text(doc crud.Document, field string) string {
	s, _ := doc[field].(string)
	return s
}

func number(doc crud.Document, field string) int64 {
	f, _ := doc[field].(float64)
	return int64(f)
}

func flag(doc crud.Document, field string) bool {
	b, _ := doc[field].(bool)
	return b
}
