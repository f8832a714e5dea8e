package csvimport

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// find returns where in a document the column with the given name goes, and the schema
// of its cells. It reports false when v does not declare it. A property with a dot in its
// name comes before one in an object. What a schema says nothing about is not declared at
// the top; below, as in JSON Schema, it is anything.
func (v view) find(name string, top bool) (path []string, schema any, ok bool) {
	if !top && !v.allowsObject() {
		return nil, nil, false
	}
	if schema, ok := v.property(name, !strings.Contains(name, ".")); ok {
		return []string{name}, schema, schema != false
	}
	for i := strings.LastIndexByte(name, '.'); i >= 0; i = strings.LastIndexByte(name[:i], '.') {
		if schema, ok := v.property(name[:i], false); ok {
			return v.below(name[:i], schema, name[i+1:])
		}
	}
	head, rest, dotted := strings.Cut(name, ".")
	schema, ok = v.other(head, top)
	if !ok || head == "" {
		return nil, nil, false
	}
	if dotted {
		return v.below(head, schema, rest)
	}
	return []string{head}, schema, true
}

// below finds the column rest in the objects that schema says of the property head.
func (v view) below(head string, schema any, rest string) (path []string, _ any, ok bool) {
	path, schema, ok = newView(v.root, schema).find(rest, false)
	return append([]string{head}, path...), schema, ok
}

// allowsObject reports whether v can be an object.
func (v view) allowsObject() bool {
	if types, said := v.types(); v.never || said && !slices.Contains(types, "object") {
		return false
	}
	return len(v.choices) == 0 || slices.ContainsFunc(v.alternatives(), view.allowsObject)
}

// property returns the schema of a declared property, by its name or if patterns by a
// pattern, and whether there is one.
func (v view) property(name string, patterns bool) (any, bool) {
	var all, some []any
	for _, part := range v.parts {
		all = append(all, declared(part, name, patterns)...)
	}
	for _, alternative := range v.alone() {
		if schema, ok := alternative.property(name, patterns); ok {
			some = append(some, schema)
		}
	}
	if slices.Contains(all, any(false)) {
		return false, true
	}
	return join(all, some), len(all)+len(some) > 0
}

// join returns the schema that all of all and, if there are any, one of some hold.
func join(all, some []any) any {
	if len(all) == 1 && len(some) == 0 {
		return all[0]
	}
	joined := map[string]any{"allOf": all}
	if len(some) > 0 {
		if len(all) > 0 { // an alternative may say nothing of the property
			some = append(some, true)
		}
		joined["anyOf"] = some
	}
	return joined
}

// declared returns what the schema part says of a property, if it does.
func declared(part map[string]any, name string, patterns bool) []any {
	var found []any
	properties, _ := part["properties"].(map[string]any)
	if schema, ok := properties[name]; ok {
		found = append(found, schema)
	}
	if patterns {
		found = append(found, matching(part, name)...)
	}
	return found
}

// matching returns what patterns of the schema part say of a property. One that RE2
// cannot express matches nothing.
func matching(part map[string]any, name string) []any {
	patterns, _ := part["patternProperties"].(map[string]any)
	var found []any
	for _, pattern := range slices.Sorted(maps.Keys(patterns)) {
		if matched, err := regexp.MatchString(pattern, name); err == nil && matched {
			found = append(found, patterns[pattern])
		}
	}
	return found
}

// other returns the schema of a property by pattern, or else of those that are not
// declared, and reports whether there may be any.
func (v view) other(name string, top bool) (any, bool) {
	if schema, ok := v.property(name, true); ok {
		return schema, schema != false
	}
	schema, said := v.additional()
	if !said {
		return true, !top
	}
	return schema, schema != false
}

// additional returns what v says of properties that it does not declare, and whether it
// says anything.
func (v view) additional() (any, bool) {
	var all, some []any
	closed := false
	for _, part := range v.parts {
		if schema := cmp.Or(part["additionalProperties"], part["unevaluatedProperties"]); schema != nil {
			all = append(all, schema)
		}
	}
	for _, alternative := range v.alone() {
		schema, said := alternative.additional()
		switch {
		case !alternative.allowsObject() || !said:
		case schema == false:
			closed = true
		default:
			some = append(some, schema)
		}
	}
	if slices.Contains(all, any(false)) || closed && len(all)+len(some) == 0 {
		return false, true
	}
	return join(all, some), len(all)+len(some) > 0
}
