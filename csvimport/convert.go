package csvimport

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A converter reads a cell. wrong says what the cell must be instead, and is "" when it
// is that.
type converter func(cell string) (value any, wrong string)

// converter returns what reads cells of the column with the given name, or nil when no
// cell could ever be right.
func (v view) converter(name string) converter {
	if v.never {
		return nil
	}
	if len(v.choices) == 0 {
		return v.own(name)
	}
	alternatives := v.alternatives()
	if len(alternatives) == 0 { // nothing but loops
		v.choices = nil
		return v.own(name)
	}
	var readers []converter
	for _, alternative := range alternatives {
		readers = append(readers, alternative.converter(name))
	}
	return first(readers)
}

// own returns what reads cells as v's parts say.
func (v view) own(name string) converter {
	types, said := v.types()
	members, listed := v.members()
	var readers []converter
	if listed {
		readers = append(readers, member(members))
	}
	if said || !listed {
		readers = append(readers, v.byType(name, types, said))
	}
	return first(readers)
}

// byType returns what reads cells as values of the given types, strings when none is
// said. Text that can be several of them is a number, a boolean, an array or a string, in
// this order.
func (v view) byType(name string, types []string, said bool) converter {
	if !said {
		return v.text()
	}
	var readers []converter
	for _, t := range []string{"number", "integer", "boolean", "array", "object", "string"} {
		if !slices.Contains(types, t) || t == "integer" && slices.Contains(types, "number") {
			continue
		}
		switch t {
		case "number":
			readers = append(readers, number)
		case "integer":
			readers = append(readers, integer)
		case "boolean":
			readers = append(readers, boolean)
		case "array":
			readers = append(readers, v.array())
		case "object":
			readers = append(readers, v.object(name))
		case "string":
			readers = append(readers, v.text())
		}
	}
	return first(readers)
}

// first returns what reads cells as the first of readers that can; nil ones never can. It
// returns nil when there is none.
func first(readers []converter) converter {
	readers = slices.DeleteFunc(readers, func(read converter) bool { return read == nil })
	switch len(readers) {
	case 0:
		return nil
	case 1:
		return readers[0]
	}
	return func(cell string) (any, string) {
		var wrong []string
		for _, read := range readers {
			value, problem := read(cell)
			if problem == "" {
				return value, ""
			}
			if !slices.Contains(wrong, problem) {
				wrong = append(wrong, problem)
			}
		}
		return nil, strings.Join(wrong, ", or ")
	}
}

// text returns what reads strings: as they are, those with a format that is checked
// without the white space around.
func (v view) text() converter {
	for _, part := range v.parts {
		switch part["format"] {
		case "date":
			return date
		case "date-time":
			return dateTime
		}
	}
	return func(cell string) (any, string) { return cell, "" }
}

func date(cell string) (any, string) {
	cell = strings.TrimSpace(cell)
	if _, err := time.Parse(time.DateOnly, cell); err != nil {
		return nil, "must be a date such as 2006-01-31"
	}
	return cell, ""
}

func dateTime(cell string) (any, string) {
	cell = strings.TrimSpace(cell)
	if _, err := time.Parse(time.RFC3339, cell); err != nil || !isStrictRFC3339(cell) {
		return nil, "must be a date and time such as 2006-01-31T15:04:05Z"
	}
	return cell, ""
}

// isStrictRFC3339 reports whether s has nothing that time.Parse lets pass: an hour of one
// digit, a decimal comma, an offset of 24 hours.
func isStrictRFC3339(s string) bool {
	hourEnd, offset := len("2006-01-02T15"), len(s)-len("+00:00")
	if s[hourEnd] != ':' || strings.Contains(s, ",") {
		return false
	}
	return strings.HasSuffix(s, "Z") || s[offset+1:offset+3] != "24"
}

func boolean(cell string) (any, string) {
	cell = strings.TrimSpace(cell)
	switch {
	case strings.EqualFold(cell, "true"):
		return true, ""
	case strings.EqualFold(cell, "false"):
		return false, ""
	}
	return nil, "must be true or false"
}

func number(cell string) (any, string) {
	n, ok := parseNumber(strings.TrimSpace(cell))
	if !ok {
		return nil, "must be a number such as 12.5"
	}
	return n, ""
}

// maxExact is the largest integer up to which a float64 keeps every one.
const maxExact = 1 << 53

func integer(cell string) (any, string) {
	cell = strings.TrimSpace(cell)
	n, ok := parseNumber(cell)
	if !ok || n != math.Trunc(n) {
		return nil, "must be an integer"
	}
	// maxExact+1 is maxExact as a float64, too.
	exact, err := strconv.ParseInt(cell, 10, 64)
	if math.Abs(n) > maxExact || err == nil && (exact > maxExact || exact < -maxExact) {
		return nil, "must be an integer of at most 9007199254740992, which can be kept exactly"
	}
	return n, ""
}

// parseNumber returns the number that s is in JSON's syntax. A zero has no sign.
func parseNumber(s string) (float64, bool) {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') || !json.Valid([]byte(s)) {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n + 0, err == nil
}

// object returns what refuses cells that would have to be an object.
func (v view) object(name string) converter {
	if v.inArray {
		return nested
	}
	wrong := "is an object: use columns such as " + "\"" + escaped(name) + ".<field>\""
	return func(string) (any, string) { return nil, wrong }
}

// members returns the values that v's enum or const lists, and whether it has one.
func (v view) members() ([]any, bool) {
	for _, part := range v.parts {
		if value, ok := part["const"]; ok {
			return []any{value}, true
		}
		if values, ok := part["enum"].([]any); ok {
			return values, true
		}
	}
	return nil, false
}

// member returns what reads the members of an enum: strings as they are or in JSON, others
// in JSON. Lists and objects among them are left to the types; null is an empty cell.
func member(values []any) converter {
	known := make(map[string]any, len(values))
	for _, value := range values {
		encoded, err := json.Marshal(value)
		if err != nil {
			continue
		}
		var decoded any // with every number a float64
		if json.Unmarshal(encoded, &decoded) != nil {
			continue
		}
		texts := []string{string(encoded)}
		switch decoded := decoded.(type) {
		case nil, []any, map[string]any:
			continue
		case string:
			texts = append(texts, decoded)
		}
		for _, text := range texts {
			if _, doubled := known[text]; !doubled {
				known[text] = decoded
			}
		}
	}
	return func(cell string) (any, string) {
		value, ok := known[cell]
		if !ok {
			value, ok = known[strings.TrimSpace(cell)]
		}
		if !ok {
			return nil, "must be one of the values that the schema lists"
		}
		return value, ""
	}
}
