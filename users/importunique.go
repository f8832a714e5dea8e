package users

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"user-manager/crud"
	"user-manager/crud/document"
	"user-manager/upstream"
)

// A uniqueKey is the fields of a unique index of the users.
type uniqueKey []string

// nameKeys are the unique indexes that every users collection ought to have.
var nameKeys = []uniqueKey{{"username"}, {"email"}}

// maxUniques bounds how many unique indexes are looked at.
const maxUniques = 16

// in returns what stands for the values that doc has in k's fields, or "" when it lacks
// one: then the index does not know it.
func (k uniqueKey) in(doc crud.Document) string {
	return k.of(func(field string) (any, bool) { return document.Get(doc, field) })
}

// of is in for the values that get returns. A value counts by its text: the store may keep
// "5" as a number, and a cell of a file is but text.
func (k uniqueKey) of(get func(field string) (value any, has bool)) string {
	name := []byte(strings.Join(k, " "))
	for _, field := range k {
		value, has := get(field)
		if !has || value == nil {
			return ""
		}
		if text, ok := scalarText(value); ok {
			value = text
		}
		name = document.AppendJSON(append(name, '\n'), value)
	}
	return string(name)
}

// scalarText returns the text of a value that is no array or object. That of null is
// "null".
func scalarText(value any) (text string, ok bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case nil, bool, float64:
		return string(document.AppendJSON(nil, value)), true
	}
	return "", false
}

// sameScalar reports whether two texts are of one value: the same, one number or one
// instant.
func sameScalar(a, b string) bool {
	if sameText(a, b) {
		return true
	}
	x, errA := strconv.ParseFloat(a, 64)
	y, errB := strconv.ParseFloat(b, 64)
	return errA == nil && errB == nil && x == y
}

// namesOf returns what stands for each value of user that must be unique.
func (im *importer) namesOf(user crud.Document) []string {
	var names []string
	for _, key := range im.uniques {
		if name := key.in(user); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// A takenValue is what a store's refusal says of the value that another user has, in the
// words of the database: the fields of the unique index, and their values. Both are no
// more than a hint, and nil when the words are others.
type takenValue struct {
	key    uniqueKey
	values []string // by the fields of key
}

// holders returns which rows have the value: those with the same text, or else with one
// that means the same to the store.
func (t takenValue) holders(rows []insertion) []int {
	if exact := t.holdersBy(rows, func(a, b string) bool { return a == b }); len(exact) > 0 {
		return exact
	}
	return t.holdersBy(rows, sameScalar)
}

func (t takenValue) holdersBy(rows []insertion, same func(a, b string) bool) (holders []int) {
	has := func(user crud.Document) bool {
		for i, field := range t.key {
			value, _ := document.Get(user, field)
			if text, ok := scalarText(value); !ok || !same(text, t.values[i]) {
				return false
			}
		}
		return len(t.key) > 0
	}
	for i, r := range rows {
		if has(r.user) {
			holders = append(holders, i)
		}
	}
	return holders
}

// learnUnique returns what a refusal says of the value that is taken, and notes its index.
func (im *importer) learnUnique(err error) takenValue {
	taken := readTaken(err)
	known := func(k uniqueKey) bool { return slices.Equal(k, taken.key) }
	if len(taken.key) > 0 && len(im.uniques) < maxUniques && !slices.ContainsFunc(im.uniques, known) {
		im.uniques = append(im.uniques, taken.key)
	}
	return taken
}

// duplicateKey returns the fields of the unique index that a refusal names, if it does.
func duplicateKey(err error) uniqueKey { return readTaken(err).key }

// duplicateField begins a field and its value, and duplicateNext the next.
var (
	duplicateField = regexp.MustCompile(`^([A-Za-z_][\w.]{0,99}): `)
	duplicateNext  = regexp.MustCompile(`, [A-Za-z_][\w.]{0,99}: `)
)

// maxKeyFields bounds the fields of a unique index.
const maxKeyFields = 32

// readTaken returns what a refusal says of the value that is taken.
func readTaken(err error) takenValue {
	refusal, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		return takenValue{}
	}
	return readTakenMessage(refusal.Message)
}

// readTakenMessage reads what stands behind "dup key:" in a refusal.
func readTakenMessage(message string) (taken takenValue) {
	_, rest, _ := strings.Cut(message, "dup key: { ")
	end := strings.LastIndex(rest, " }")
	if end < 0 {
		return takenValue{}
	}
	for rest = rest[:end]; rest != ""; {
		field := duplicateField.FindStringSubmatch(rest)
		if field == nil || len(taken.key) == maxKeyFields {
			return takenValue{}
		}
		var value string
		value, rest = cutValue(rest[len(field[0]):])
		taken.key, taken.values = append(taken.key, field[1]), append(taken.values, value)
	}
	return taken
}

// cutValue cuts the first value off the values of a duplicate key. A text is in quotes;
// what it holds is written as in JSON, or as it is.
func cutValue(text string) (value, rest string) {
	if decoder := json.NewDecoder(strings.NewReader(text)); strings.HasPrefix(text, `"`) && decoder.Decode(&value) == nil {
		rest = text[decoder.InputOffset():]
		if rest == "" || duplicateNext.MatchString(rest) && strings.HasPrefix(rest, ", ") {
			return value, strings.TrimPrefix(rest, ", ")
		}
	}
	value, rest = text, ""
	if next := duplicateNext.FindStringIndex(text); next != nil {
		value, rest = text[:next[0]], text[next[0]+len(", "):]
	}
	if unquoted, ok := strings.CutPrefix(value, `"`); ok {
		value = strings.TrimSuffix(unquoted, `"`)
	}
	return value, rest
}

// takenProblem is what is said of a row with values of the given fields that another user
// has.
func takenProblem(index uniqueKey) string {
	if len(index) == 0 {
		return "another user has a value that must be unique"
	}
	return strings.Join(index, ", ") + ": another user has this value"
}
