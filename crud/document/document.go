// Package document gives JSON documents, filters and updates one meaning,
// wherever they run: in the embedded store and before a call to any store.
//
// A value is nil, bool, float64, string, []any or map[string]any; a date is its
// text, YYYY-MM-DDTHH:mm:ss.mmmZ. The package knows no collections and coerces
// nothing: that is the business of its callers. Start at [ParseFilter] and
// [ParseUpdate].
package document

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Document is a JSON object.
type Document = map[string]any

// dateLayout is the one text of a date.
const dateLayout = "2006-01-02T15:04:05.000Z"

// Date gives the text of an instant, in UTC and cut to milliseconds.
func Date(t time.Time) string { return t.UTC().Format(dateLayout) }

// Clone copies a document deeply: the copy shares nothing that can change.
func Clone(doc Document) Document {
	if doc == nil {
		return nil
	}
	return cloneValue(doc).(Document)
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = cloneValue(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = cloneValue(item)
		}
		return out
	}
	return v
}

// deeper reports whether a value has more than n levels of arrays and objects.
func deeper(v any, n int) bool {
	switch v := v.(type) {
	case []any:
		return n <= 0 || slices.ContainsFunc(v, func(item any) bool { return deeper(item, n-1) })
	case map[string]any:
		if n <= 0 {
			return true
		}
		for _, item := range v {
			if deeper(item, n-1) {
				return true
			}
		}
	}
	return false
}

// Get returns the value at a dotted path and whether there is one; null is one.
// A number as a part of the path is an index where it meets an array.
func Get(doc Document, path string) (any, bool) {
	var v any = doc
	for part := range strings.SplitSeq(path, ".") {
		switch t := v.(type) {
		case map[string]any:
			child, ok := t[part]
			if !ok {
				return nil, false
			}
			v = child
		case []any:
			i, ok := index(part)
			if !ok || i >= len(t) {
				return nil, false
			}
			v = t[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// index reads a part of a path as an array index.
func index(part string) (int, bool) {
	if part == "" || part[0] < '0' || part[0] > '9' || (len(part) > 1 && part[0] == '0') {
		return 0, false
	}
	i, err := strconv.Atoi(part)
	return i, err == nil
}
