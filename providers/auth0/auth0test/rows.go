package auth0test

import (
	"maps"
	"strings"
	"time"

	"user-manager/secret"
)

// A rowFailure is a row of an import that was not done, with the reasons.
type rowFailure struct {
	User   map[string]any `json:"user"`
	Errors []rowError     `json:"errors"`
}

type rowError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Path    string `json:"path,omitempty"`
}

// Codes of row errors.
const (
	duplicatedUser   = "DUPLICATED_USER"
	conflict         = "CONFLICT"
	conflictEmail    = "CONFLICT_EMAIL"
	conflictUsername = "CONFLICT_USERNAME"
	badFormat        = "INVALID_FORMAT"
	badType          = "INVALID_TYPE"
	badPattern       = "PATTERN"
	tooShort         = "MIN_LENGTH"
	tooLong          = "MAX_LENGTH"
	missing          = "OBJECT_REQUIRED"
	notPassed        = "NOT_PASSED"
	tooMany          = "ARRAY_LENGTH_LONG"
	tooFew           = "ARRAY_LENGTH_SHORT"
	noSuch           = "ENUM_MISMATCH"
)

// land does a row of an import.
func (t *Tenant) land(j *job, row map[string]any, at time.Time) {
	errs := checkRow(row)
	if len(errs) == 0 {
		errs = j.repeats(row)
	}
	if len(errs) == 0 {
		errs = t.apply(j, row, at)
	}
	if len(errs) > 0 {
		j.failures = append(j.failures, rowFailure{masked(row), errs})
	}
}

// repeats refuses what an earlier row of the file had, whatever became of that one.
func (j *job) repeats(row map[string]any) []rowError {
	var errs []rowError
	for _, name := range []string{"email", "username", "user_id", "phone_number"} {
		value, _ := row[name].(string)
		if value == "" {
			continue
		}
		key := name + " " + value
		if name != "user_id" {
			key = strings.ToLower(key)
		}
		if j.provided[key] {
			errs = append(errs, rowError{Code: duplicatedUser, Message: "A user with this " + name + " was already provided."})
		}
		j.provided[key] = true
	}
	return errs
}

// apply inserts or updates a user.
func (t *Tenant) apply(j *job, row map[string]any, at time.Time) []rowError {
	row = maps.Clone(row)
	lower(row)
	key, _ := row["user_id"].(string)
	owner := t.users.owners[identifier{"email", row["email"].(string)}]
	sameID := t.users.accounts[prefix+key]
	if key == "" {
		sameID = nil
	}
	username := t.users.owners[identifier{"username", textOrEmpty(row["username"])}]
	phone := t.users.owners[identifier{"phone_number", textOrEmpty(row["phone_number"])}]
	switch {
	case !j.upsert && (owner != "" || sameID != nil || username != "" || phone != ""):
		return []rowError{{Code: duplicatedUser, Message: "The user already exist and upsert parameter is false"}}
	case sameID != nil && sameID.id != owner:
		return []rowError{{Code: conflict, Message: "The user_id belongs to a user with another email"}}
	case username != owner && username != "":
		return []rowError{{Code: conflictUsername, Message: "The username belongs to another user"}}
	case phone != owner && phone != "":
		return []rowError{{Code: conflict, Message: "The phone_number belongs to another user"}}
	}
	if owner == "" {
		t.insert(row, at)
		j.inserted++
	} else {
		t.upsert(t.users.accounts[owner], row, at)
		j.updated++
	}
	return nil
}

func textOrEmpty(v any) string {
	text, _ := v.(string)
	return text
}

// insert makes the user of a row.
func (t *Tenant) insert(row map[string]any, at time.Time) {
	a := &account{id: prefix + newKey(row), hash: textOrEmpty(row["password_hash"])}
	if hash := bcryptOf(row); hash != "" {
		a.hash = hash
	}
	pictured := row["picture"] != nil
	for _, name := range []string{"password_hash", "custom_password_hash", "mfa_factors"} {
		delete(row, name)
	}
	doc := newDocument(a.id, row, at)
	if !pictured {
		doc["picture"] = gravatar("secure", textOrEmpty(doc["email"]), textOrEmpty(doc["name"]))
	}
	t.users.put(a, doc, at)
}

// bcryptOf returns the hash of a custom_password_hash that this tenant can check, or "".
func bcryptOf(row map[string]any) string {
	custom, _ := row["custom_password_hash"].(map[string]any)
	hash, _ := custom["hash"].(map[string]any)
	if custom["algorithm"] != "bcrypt" {
		return ""
	}
	return textOrEmpty(hash["value"])
}

// upsertable are the properties that an import changes of a user who exists.
var upsertable = []string{"app_metadata", "user_metadata", "email_verified", "given_name", "family_name", "name", "nickname", "picture"}

// upsert brings a user to what a row says. What cannot be changed stays, and nobody is told.
func (t *Tenant) upsert(a *account, row map[string]any, at time.Time) {
	doc := a.changed()
	for _, name := range upsertable {
		if value, ok := row[name]; ok {
			doc[name] = value
		}
	}
	doc["updated_at"] = stamp(at)
	t.users.put(a, doc, at)
	if row["custom_password_hash"] != nil {
		a.password, a.hash = secret.Text{}, bcryptOf(row)
	}
}
