package document

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// The order of types, lowest first. Missing counts as null.
const (
	rankNull = iota
	rankNumber
	rankText
	rankObject
	rankArray
	rankBool
	rankOther
)

func rank(v any) int {
	switch v.(type) {
	case nil:
		return rankNull
	case float64:
		return rankNumber
	case string:
		return rankText
	case map[string]any:
		return rankObject
	case []any:
		return rankArray
	case bool:
		return rankBool
	}
	return rankOther
}

// Equal reports whether two values are the same; the order of keys in objects
// does not matter, the order in arrays does. Types do not mix: 1 is not "1".
func Equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, Equal)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, Equal)
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// Compare orders any two values as MongoDB does: null, numbers, texts by code
// point, objects, arrays, booleans. It is zero only where [Equal] is true.
func Compare(a, b any) int {
	ra, rb := rank(a), rank(b)
	if ra != rb {
		return cmp.Compare(ra, rb)
	}
	switch ra {
	case rankNumber:
		return cmp.Compare(a.(float64), b.(float64))
	case rankText:
		return strings.Compare(a.(string), b.(string))
	case rankObject:
		return compareObjects(a.(map[string]any), b.(map[string]any))
	case rankArray:
		return slices.CompareFunc(a.([]any), b.([]any), Compare)
	case rankBool:
		return compareBools(a.(bool), b.(bool))
	}
	return 0
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// compareObjects goes through the keys of both in sorted order.
func compareObjects(a, b map[string]any) int {
	ka, kb := slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b))
	for i := range min(len(ka), len(kb)) {
		if c := strings.Compare(ka[i], kb[i]); c != 0 {
			return c
		}
		if c := Compare(a[ka[i]], b[kb[i]]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(ka), len(kb))
}

// A composite is the text of an array or object, in the place of which it stands in a set.
type composite string

// setKey is what stands for a value in a set: two have the same where [Equal] is true.
func setKey(v any) any {
	switch v.(type) {
	case map[string]any, []any:
		return composite(AppendJSON(nil, v))
	}
	return v
}

// setOf is the set of the items, for [setKey].
func setOf(items []any) map[any]bool {
	set := make(map[any]bool, len(items))
	for _, item := range items {
		set[setKey(item)] = true
	}
	return set
}
