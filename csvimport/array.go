package csvimport

import (
	"fmt"
	"strings"
)

// array returns what reads arrays such as [a, b], the items as v's parts say.
func (v view) array() converter {
	if v.inArray {
		return nested
	}
	read := v.item() // nil when there can be no items
	return func(cell string) (any, string) {
		text, opened := strings.CutPrefix(strings.TrimSpace(cell), "[")
		text, closed := strings.CutSuffix(text, "]")
		if !opened || !closed {
			return nil, "must be an array such as [a, b]"
		}
		if strings.TrimSpace(text) == "" {
			return []any{}, ""
		}
		if read == nil {
			return nil, "must be [], the empty array"
		}
		return items(text, read)
	}
}

// items reads what is between the brackets.
func items(text string, read converter) (any, string) {
	all := make([]any, 0, strings.Count(text, ",")+1)
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		wrong := wrongItem(item)
		var value any
		if wrong == "" {
			value, wrong = read(item)
		}
		if wrong != "" {
			return nil, fmt.Sprintf("item %d of the array %s", len(all)+1, wrong)
		}
		all = append(all, value)
	}
	return all, ""
}

// wrongItem says why text cannot be an item of any type, or "".
func wrongItem(text string) string {
	switch {
	case text == "":
		return "is empty"
	case text[0] == '"' || text[len(text)-1] == '"':
		return "has quotes; items are written without"
	case text[0] == '[' || text[0] == '{':
		return notInArray
	}
	return ""
}

const notInArray = "is an array or an object, which an array in a cell cannot hold"

// nested is the converter of items that would have to be arrays or objects.
func nested(string) (any, string) { return nil, notInArray }

// item returns what reads the items of the arrays that v's parts say.
func (v view) item() converter {
	var schemas []any
	for _, part := range v.parts {
		if schema, ok := part["items"]; ok {
			schemas = append(schemas, schema)
		}
	}
	items := newView(v.root, join(schemas, nil))
	items.inArray = true
	return items.converter("")
}
