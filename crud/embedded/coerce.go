package embedded

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"user-manager/crud/document"
)

const (
	datePattern = `^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,3})?(Z|[+-]\d{2}:\d{2}))?$`
	idPattern   = `^[a-fA-F\d]{24}$`
)

var isDate = regexp.MustCompile(datePattern).MatchString

const (
	mustMatchDate = `must match pattern "` + datePattern + `"`
	mustMatchID   = `must match pattern "` + idPattern + `"`
	mustBeAllowed = "must be equal to one of the allowed values"
	mustMatchAny  = "must match a schema in anyOf"
)

// coerce makes a value of the field's type out of v, or says what is wrong with it
// at path. Dates and ids are checked here and cast later, by [field.cast].
func (f *field) coerce(v any, path string) (any, *fault) {
	if v == nil && f.nullable {
		return nil, nil
	}
	out, wrong := f.coerceKind(v, path)
	if wrong == nil && f.rules != nil {
		wrong = f.rules.check(out, path)
	}
	return out, wrong
}

func (f *field) coerceKind(v any, path string) (any, *fault) {
	switch f.kind {
	case kindString:
		if f.name == "__STATE__" && f.standard {
			return coerceState(v, path)
		}
		return coerceText(v, path)
	case kindNumber:
		if n, ok := toNumber(v); ok {
			return n, nil
		}
		return nil, invalid(path, "must be number")
	case kindInteger:
		if n, ok := toNumber(v); ok && n == math.Trunc(n) {
			return n, nil
		}
		return nil, invalid(path, "must be integer")
	case kindBool:
		if b, ok := toBool(v); ok {
			return b, nil
		}
		return nil, invalid(path, "must be boolean")
	case kindDate:
		return coercePattern(v, path, isDate, mustMatchDate)
	case kindID:
		return coercePattern(v, path, isID, mustMatchID)
	case kindArray:
		return f.coerceArray(v, path)
	case kindObject:
		return f.coerceObject(v, path)
	case kindGeo:
		return coercePoint(v, path)
	}
	return v, nil
}

func coerceState(v any, path string) (any, *fault) {
	if text, ok := v.(string); ok && slices.Contains(states, text) {
		return text, nil
	}
	return nil, invalid(path, mustBeAllowed)
}

func coerceText(v any, path string) (any, *fault) {
	switch v := v.(type) {
	case string:
		return v, nil
	case nil:
		return "", nil
	case float64, bool:
		return string(document.AppendJSON(nil, v)), nil
	}
	return nil, invalid(path, "must be string")
}

func coercePattern(v any, path string, fits func(string) bool, text string) (any, *fault) {
	s, wrong := coerceText(v, path)
	if wrong != nil {
		return nil, wrong
	}
	if !fits(s.(string)) {
		return nil, invalid(path, text)
	}
	return s, nil
}

func toNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case nil:
		return 0, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case string:
		text := strings.TrimSpace(v)
		if text == "" || strings.ContainsAny(text, "xXpP_iInN") {
			return 0, false
		}
		n, err := strconv.ParseFloat(text, 64)
		return n, err == nil && !math.IsInf(n, 0)
	}
	return 0, false
}

func toBool(v any) (value, ok bool) {
	switch v {
	case true, "true", 1.0:
		return true, true
	case false, "false", 0.0, nil:
		return false, true
	}
	return false, false
}

// coerceArray takes an array, or a single item, which only some writes keep.
func (f *field) coerceArray(v any, path string) (any, *fault) {
	items, ok := v.([]any)
	if !ok {
		item, wrong := f.items.coerce(v, path)
		if wrong != nil {
			return nil, invalid(path, "must be array,"+f.items.typeName())
		}
		return item, nil
	}
	out := make([]any, len(items))
	for i, item := range items {
		var wrong *fault
		at := path + "/" + strconv.Itoa(i)
		if out[i], wrong = f.items.coerce(item, at); wrong != nil {
			return nil, invalid(wrong.problem.path, wrong.problem.text,
				problem{path, "must be " + f.items.typeName()}, problem{path, mustMatchAny})
		}
	}
	return out, nil
}

// typeName is how validation calls the type of a value.
func (f *field) typeName() string {
	switch f.kind {
	case kindDate, kindID:
		return kindString
	case kindObject, kindAny:
		return "object"
	case kindArray, kindGeo:
		return "array"
	}
	return f.kind
}

func (f *field) coerceObject(v any, path string) (any, *fault) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, invalid(path, "must be object")
	}
	if f.schema == nil {
		return object, nil
	}
	return f.schema.coerce(object, path)
}

// coerce checks an object: required keys, then unknown ones, then the values in the
// order of the schema.
func (p *properties) coerce(in map[string]any, path string) (map[string]any, *fault) {
	for _, f := range p.fields {
		if _, given := in[f.name]; f.required && !given {
			return nil, invalid(path, "must have required property '"+f.name+"'")
		}
	}
	out := make(map[string]any, len(in))
	for _, name := range sortedKeys(in) {
		if p.byName[name] == nil && !p.additional {
			return nil, undefined(path, name)
		}
		out[name] = in[name]
	}
	return out, coerceInto(out, in, p.fields, path)
}

// coerceInto puts what in has of the fields into out, coerced, in the order of fields.
func coerceInto(out, in map[string]any, fields []*field, path string) *fault {
	for _, f := range fields {
		v, given := in[f.name]
		if !given {
			continue
		}
		var wrong *fault
		if out[f.name], wrong = f.coerce(v, path+"/"+f.name); wrong != nil {
			return wrong
		}
	}
	return nil
}

func coercePoint(v any, path string) (any, *fault) {
	items, ok := v.([]any)
	switch {
	case !ok:
		return nil, invalid(path, "must be array")
	case len(items) < 2:
		return nil, invalid(path, "must NOT have fewer than 2 items")
	case len(items) > 3:
		return nil, invalid(path, "must NOT have more than 3 items")
	}
	out := make([]any, len(items))
	for i, item := range items {
		n, ok := toNumber(item)
		if !ok {
			return nil, invalid(path+"/"+strconv.Itoa(i), "must be number")
		}
		out[i] = n
	}
	return out, nil
}

// cast makes the stored value of one that was coerced: dates in their one text, ids
// in lower case. In an insert an Array field needs an array.
func (f *field) cast(v any) (any, *fault) {
	if v == nil {
		if f.kind == kindArray && !f.nullable {
			return nil, refuse("field " + f.name + " must be array")
		}
		return nil, nil
	}
	switch f.kind {
	case kindDate:
		t, ok := parseDate(v.(string))
		if !ok {
			return nil, refuse("Invalid Date")
		}
		return t, nil
	case kindID:
		return strings.ToLower(v.(string)), nil
	case kindArray:
		items, ok := v.([]any)
		if !ok {
			return nil, refuse("field " + f.name + " must be array")
		}
		return f.castItems(items)
	}
	return v, nil
}

func (f *field) castItems(items []any) (any, *fault) {
	switch f.items.kind {
	case kindDate, kindID, kindArray:
	default:
		return items, nil
	}
	out := make([]any, len(items))
	for i, item := range items {
		var wrong *fault
		if out[i], wrong = f.items.cast(item); wrong != nil {
			return nil, wrong
		}
	}
	return out, nil
}
