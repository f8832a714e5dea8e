package document

import "strings"

// SortKey is one path of an order.
type SortKey struct {
	Path string
	Desc bool
}

// ParseSort reads "-age,username". Of a path given twice the later direction counts,
// in the place of the first.
func ParseSort(text string) []SortKey {
	var keys []SortKey
next:
	for word := range strings.SplitSeq(text, ",") {
		path, desc := strings.CutPrefix(word, "-")
		for i := range keys {
			if keys[i].Path == path {
				keys[i].Desc = desc
				continue next
			}
		}
		keys = append(keys, SortKey{path, desc})
	}
	return keys
}

// SortValues gives the value of the document for each key: for an array its smallest
// item, or its greatest for a descending key. What is missing is null; an empty
// array is below it.
func SortValues(keys []SortKey, doc Document) []any {
	values := make([]any, len(keys))
	for i, key := range keys {
		found := emptyArray
		gather(doc, strings.Split(key.Path, "."), func(v any) {
			if found == emptyArray || (compareKeys(v, found) < 0) != key.Desc {
				found = v
			}
		})
		values[i] = found
	}
	return values
}

// CompareSorted orders two results of [SortValues] of the same keys.
func CompareSorted(keys []SortKey, a, b []any) int {
	for i := range keys {
		if c := compareKeys(a[i], b[i]); c != 0 {
			if keys[i].Desc {
				return -c
			}
			return c
		}
	}
	return 0
}

// emptyArray stands for an array without items: it is below everything.
var emptyArray any = noItems{}

type noItems struct{}

func compareKeys(a, b any) int {
	switch {
	case a == emptyArray && b == emptyArray:
		return 0
	case a == emptyArray:
		return -1
	case b == emptyArray:
		return 1
	}
	return Compare(a, b)
}

// gather calls yield with every value at the path, the items of arrays one by one.
func gather(v any, parts []string, yield func(any)) {
	switch parent := v.(type) {
	case []any:
		gatherItems(parent, parts, yield)
		return
	case map[string]any:
		if len(parts) == 0 {
			break
		}
		if child, ok := parent[parts[0]]; ok {
			gather(child, parts[1:], yield)
		} else {
			yield(nil)
		}
		return
	}
	if len(parts) > 0 {
		v = nil
	}
	yield(v)
}

func gatherItems(items []any, parts []string, yield func(any)) {
	if len(parts) == 0 {
		for _, item := range items {
			yield(item)
		}
		return
	}
	if i, ok := index(parts[0]); ok {
		if i < len(items) {
			gather(items[i], parts[1:], yield)
		}
		return
	}
	for _, item := range items {
		if object, ok := item.(map[string]any); ok {
			gather(object, parts, yield)
		}
	}
}
