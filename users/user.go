package users

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"user-manager/crud"
	"user-manager/crud/document"
)

// text returns the text in a field of doc, or "".
func text(doc crud.Document, field string) string {
	value, _ := doc[field].(string)
	return value
}

// accountID returns the id of the user's account, or "" when it has none (yet).
func accountID(user crud.Document) string {
	id := text(user, "authUserId")
	if marked(user) {
		return ""
	}
	return id
}

// as selects by equality with fields of a user, as they are or are not there.
func as(user crud.Document, fields ...string) crud.Document {
	conditions := crud.Document{}
	for _, field := range fields {
		if value, has := user[field]; has {
			conditions[field] = value
		} else {
			conditions[field] = map[string]any{"$exists": false}
		}
	}
	return conditions
}

// lastChange are the fields that say who made the last change of a user, and when.
var lastChange = []string{"updatedAt", "updaterId"}

// sameUser reports whether two readings of a user show no change but who made the last
// one, and when.
func sameUser(one, other crud.Document) bool {
	return document.Equal(without(one, lastChange...), without(other, lastChange...))
}

// versionOf tells a user from what it was or becomes; who has changed it, when, and which
// timer it has makes no other version.
func versionOf(user crud.Document) string {
	encoded, _ := json.Marshal(without(user, append([]string{"expirationId"}, lastChange...)...)) // it was decoded from JSON
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:16])
}

// accountRemoved reports whether the state of a user that had an account has removed it.
func (s *Service) accountRemoved(user crud.Document) bool {
	return text(user, "__STATE__") == crud.Deleted && s.HardDelete
}

// isBlocked reports whether the user itself is blocked.
func isBlocked(user crud.Document) bool {
	blocked, _ := user["blocked"].(bool)
	return blocked
}

// without returns a user without the fields.
func without(user crud.Document, fields ...string) crud.Document {
	rest := maps.Clone(user)
	for _, field := range fields {
		delete(rest, field)
	}
	return rest
}

// mayLogIn reports whether the user's account may be able to log in: the user is
// PUBLIC, not blocked and not expired.
func (s *Service) mayLogIn(user crud.Document) bool {
	if state := text(user, "__STATE__"); state != "" && state != crud.Public {
		return false
	}
	return !isBlocked(user) && !s.expired(user)
}

// inState returns the user as it will be in another state.
func inState(user crud.Document, state string) crud.Document {
	moved := maps.Clone(user)
	moved["__STATE__"] = state
	return moved
}

// transitions is the store's table: the states that each state may be left for.
var transitions = map[string][]string{
	crud.Public:  {crud.Draft, crud.Trash},
	crud.Draft:   {crud.Public, crud.Trash},
	crud.Trash:   {crud.Draft, crud.Deleted},
	crud.Deleted: {crud.Trash},
}

// walk returns the states to go through from one to another, the last included: the
// shortest way that the transition table knows.
func walk(from, to string) []string {
	ways := map[string][]string{from: {}}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at == to {
			return ways[at]
		}
		for _, next := range transitions[at] {
			if _, seen := ways[next]; !seen {
				ways[next] = append(slices.Clone(ways[at]), next)
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// dateLayout is how the store gives dates back.
const dateLayout = "2006-01-02T15:04:05.000Z"

// parseDate reads an RFC 3339 date-time, or a date, which means its first instant
// in UTC.
func parseDate(value string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339Nano, strings.ToUpper(value)); err == nil {
		return at, nil
	}
	return time.Parse(time.DateOnly, value)
}
