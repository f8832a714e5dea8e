package auth0test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A query is a condition on a document.
type query interface {
	matches(doc map[string]any) bool
}

type (
	// anyOf is a disjunction.
	anyOf []query
	// allOf is a conjunction.
	allOf []query
	not   struct{ query }
	// exists is _exists_:field.
	exists struct{ path []string }
	// ids is a disjunction of exact user ids, which is what programs ask for most.
	ids map[string]bool
	// term is field:value or field:prefix*.
	term struct {
		path   []string
		value  string
		prefix bool
	}
	// span is field:[low TO high].
	span struct {
		path              []string
		low, high         string // "*": open
		openLow, openHigh bool   // the end itself is left out
	}
)

func (q anyOf) matches(doc map[string]any) bool {
	return slices.ContainsFunc(q, func(part query) bool { return part.matches(doc) })
}

func (q allOf) matches(doc map[string]any) bool {
	return !slices.ContainsFunc(q, func(part query) bool { return !part.matches(doc) })
}

func (q not) matches(doc map[string]any) bool { return !q.query.matches(doc) }

func (q exists) matches(doc map[string]any) bool { return len(valuesAt(doc, q.path)) > 0 }

func (q ids) matches(doc map[string]any) bool {
	id, _ := doc["user_id"].(string)
	return q[id]
}

// anyCase are the fields that match in any case.
var anyCase = []string{"email", "name", "given_name", "family_name", "nickname"}

// matching reports whether a value of a field of doc fits what is wanted, both as they are
// compared.
func matching(doc map[string]any, path []string, wanted string, fits func(text, wanted string) bool) bool {
	as := func(text string) string { return text }
	if len(path) == 1 && slices.Contains(anyCase, path[0]) {
		as = strings.ToLower
	}
	return slices.ContainsFunc(valuesAt(doc, path), func(value any) bool { return fits(as(textOf(value)), as(wanted)) })
}

func (q term) matches(doc map[string]any) bool {
	return matching(doc, q.path, q.value, func(text, wanted string) bool {
		return text == wanted || q.prefix && strings.HasPrefix(text, wanted)
	})
}

func (q span) matches(doc map[string]any) bool {
	for _, value := range valuesAt(doc, q.path) {
		low, high := 1, -1
		if q.low != "*" {
			low = compareValues(value, q.low)
		}
		if q.high != "*" {
			high = compareValues(value, q.high)
		}
		if (low > 0 || low == 0 && !q.openLow) && (high < 0 || high == 0 && !q.openHigh) {
			return true
		}
	}
	return false
}

// compareValues compares a value with an end of a range: numbers as such, all else as text.
func compareValues(value any, end string) int {
	a, isNumber := numberOf(value)
	b, err := strconv.ParseFloat(end, 64)
	if !isNumber || err != nil {
		return strings.Compare(textOf(value), end)
	}
	return cmp.Compare(a, b)
}

// valuesAt returns the values of a field, of which an array has several.
func valuesAt(v any, path []string) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		var all []any
		for _, element := range v {
			all = append(all, valuesAt(element, path)...)
		}
		return all
	case map[string]any:
		if len(path) == 0 {
			return []any{v}
		}
		return valuesAt(v[path[0]], path[1:])
	}
	if len(path) > 0 {
		return nil
	}
	return []any{v}
}

// textOf returns a value as a query writes it.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case map[string]any:
		return ""
	}
	return fmt.Sprint(v)
}

// idsIn returns the only user ids that can match q, or nil when there is no telling.
func idsIn(q query) ids {
	switch q := q.(type) {
	case ids:
		return q
	case term:
		if !q.prefix && len(q.path) == 1 && q.path[0] == "user_id" {
			return ids{q.value: true}
		}
	case allOf:
		for _, part := range q {
			if some := idsIn(part); some != nil {
				return some
			}
		}
	}
	return nil
}

// disjunction returns a query for any of parts, with exact ids put together.
func disjunction(parts []query) query {
	if len(parts) == 1 {
		return parts[0]
	}
	wanted := ids{}
	for _, part := range parts {
		some := idsIn(part)
		if _, both := part.(allOf); some == nil || both {
			return anyOf(parts)
		}
		for id := range some {
			wanted[id] = true
		}
	}
	return wanted
}
