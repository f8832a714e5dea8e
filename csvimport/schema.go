package csvimport

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A Schema says how cells are read. It is safe for several goroutines.
type Schema struct {
	root map[string]any
}

// NewSchema reads a JSON Schema, decoded, which must not be changed afterwards. What it
// asks of a document as a whole is not looked at: a document may still be wrong by it.
func NewSchema(schema map[string]any) *Schema {
	return &Schema{root: schema}
}

// fields returns where cells under a header go, a field for each name.
func (s *Schema) fields(header []string) []field {
	fields := make([]field, len(header))
	for i, name := range header {
		path, schema, ok := newView(s.root, s.root).find(name, true)
		if !ok {
			continue
		}
		read := newView(s.root, schema).converter(name)
		switch {
		case slices.ContainsFunc(path, func(name string) bool { return strings.Contains(name, ".") }):
			read = unchangeable
		case read == nil:
			read = unfillable
		}
		fields[i] = field{path, read}
	}
	return fields
}

// unfillable is the converter of a column in which no text could ever be right.
func unfillable(string) (any, string) { return nil, "must be empty" }

// unchangeable is the converter of a column whose place has a dot in a name. To the store
// that is a path: it could be inserted, but nobody could change it afterwards.
func unchangeable(string) (any, string) {
	return nil, "has a dot in the name of its property, which cannot be imported"
}

// maxSteps bounds how many schemas are looked at for one column: references can make a
// small schema stand for a huge one.
const maxSteps = 10_000

// A view is a schema with its $refs and allOfs looked through.
type view struct {
	root    map[string]any   // what $refs are in
	parts   []map[string]any // all of them hold
	choices [][]any          // and one schema of each of these
	never   bool             // nothing is valid
	refs    []string         // that were looked through, so that none is twice
	steps   *int             // left
	inArray bool             // items cannot be everything
}

func newView(root map[string]any, schema any) view {
	steps := maxSteps
	v := view{root: root, steps: &steps}
	v.add(schema)
	return v
}

// add makes schema hold as well. It reports false when that has no effect because it is
// a reference which the view has come by already.
func (v *view) add(schema any) bool {
	if *v.steps--; *v.steps < 0 {
		return false
	}
	part, ok := schema.(map[string]any)
	if !ok {
		v.never = v.never || schema == false
		return true
	}
	fresh := v.addRef(part["$ref"])
	if len(part) > 1 || part["$ref"] == nil {
		v.parts = append(v.parts, part)
		fresh = true
	}
	for _, each := range list(part["allOf"]) {
		v.add(each)
	}
	for _, name := range []string{"anyOf", "oneOf"} {
		if choice := list(part[name]); len(choice) > 0 {
			v.choices = append(v.choices, choice)
		}
	}
	return fresh
}

// addRef makes what a reference refers to hold. One that leads out of the schema says
// nothing.
func (v *view) addRef(ref any) bool {
	name, ok := ref.(string)
	if !ok || slices.Contains(v.refs, name) {
		return false
	}
	v.refs = append(v.refs, name)
	if target, ok := resolve(v.root, name); ok {
		v.add(target)
	}
	return true
}

// resolve returns what a reference such as "#/$defs/name" refers to.
func resolve(root map[string]any, ref string) (any, bool) {
	pointer, ok := strings.CutPrefix(ref, "#")
	if unescaped, err := url.PathUnescape(pointer); err == nil {
		pointer = unescaped
	}
	if !ok || pointer != "" && pointer[0] != '/' {
		return nil, false
	}
	var at any = root
	for _, token := range strings.Split(pointer, "/")[1:] {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		switch within := at.(type) {
		case map[string]any:
			if at, ok = within[token]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(within) {
				return nil, false
			}
			at = within[i]
		default:
			return nil, false
		}
	}
	return at, true
}

// alternatives yields v's parts together with each schema of its first choice, the other
// choices being still open.
func (v view) alternatives() []view {
	var all []view
	for _, schema := range v.choices[0] {
		alternative := v
		alternative.parts = slices.Clip(v.parts)
		alternative.refs = slices.Clip(v.refs)
		alternative.choices = slices.Clone(v.choices[1:])
		if alternative.add(schema) {
			all = append(all, alternative)
		}
	}
	return all
}

// alone yields each schema of each choice, without v's parts.
func (v view) alone() []view {
	var all []view
	for _, choice := range v.choices {
		for _, schema := range choice {
			alternative := view{root: v.root, refs: slices.Clip(v.refs), steps: v.steps}
			if alternative.add(schema) {
				all = append(all, alternative)
			}
		}
	}
	return all
}

// types returns the types that v allows besides null, and whether it says any.
func (v view) types() (allowed []string, said bool) {
	for _, part := range v.parts {
		names := typeNames(part["type"])
		if names == nil {
			continue
		}
		if !said {
			allowed, said = names, true
			continue
		}
		allowed = inBoth(allowed, names)
	}
	return slices.DeleteFunc(slices.Clone(allowed), func(t string) bool { return t == "null" }), said
}

func typeNames(t any) []string {
	if name, ok := t.(string); ok {
		return []string{name}
	}
	var names []string
	for _, each := range list(t) {
		if name, ok := each.(string); ok {
			names = append(names, name)
		}
	}
	return names
}

// inBoth returns the types of a that are in b. An integer is a number.
func inBoth(a, b []string) []string {
	var both []string
	for _, name := range a {
		switch {
		case slices.Contains(b, name), name == "integer" && slices.Contains(b, "number"):
			both = append(both, name)
		case name == "number" && slices.Contains(b, "integer"):
			both = append(both, "integer")
		}
	}
	return both
}

// list returns v if it is a list, otherwise nil.
func list(v any) []any {
	l, _ := v.([]any)
	return l
}
