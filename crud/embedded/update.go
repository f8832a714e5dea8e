package embedded

import (
	"slices"
	"strings"
)

// updateOperators in the order in which they are checked.
var updateOperators = []string{"$set", "$unset", "$inc", "$mul", "$currentDate", "$push", "$pull", "$addToSet"}

// checkUpdate checks the operators of a body and coerces their operands. onInsert
// lets $setOnInsert through.
func (c *collection) checkUpdate(body map[string]any, path string, onInsert bool) (map[string]any, *fault) {
	operators := updateOperators
	if onInsert {
		operators = append(slices.Clone(operators), "$setOnInsert")
	}
	for _, name := range sortedKeys(body) {
		if !slices.Contains(operators, name) {
			return nil, undefined(path, name)
		}
	}
	out := make(map[string]any, len(body))
	for _, op := range operators {
		operand, given := body[op]
		if !given {
			continue
		}
		paths, ok := operand.(map[string]any)
		if !ok {
			return nil, invalid(path+"/"+op, "must be object")
		}
		checked, wrong := c.checkOperator(op, paths, path+"/"+op)
		if wrong != nil {
			return nil, wrong
		}
		out[op] = checked
	}
	return out, nil
}

// checkOperator checks the paths of one operator: unknown ones first, then the values
// of declared fields in their order, then those of other paths.
func (c *collection) checkOperator(op string, paths map[string]any, at string) (map[string]any, *fault) {
	names := sortedKeys(paths)
	for _, path := range names {
		if c.changesItem(op, path) {
			return nil, leftOut(omitItem, path)
		}
		if !c.changeable(op, path) {
			return nil, undefined(at, path)
		}
	}
	place := func(path string) int {
		i := slices.IndexFunc(c.fields, func(f *field) bool { return f.name == path })
		if i < 0 {
			return len(c.fields)
		}
		return i
	}
	slices.SortStableFunc(names, func(a, b string) int { return place(a) - place(b) })
	out := make(map[string]any, len(paths))
	for _, path := range names {
		var wrong *fault
		if out[path], wrong = c.checkOperand(op, path, paths[path], at+"/"+path); wrong != nil {
			return nil, wrong
		}
	}
	return out, nil
}

// changesItem reports whether the CRUD Service would change an item of an array: any
// is replaced, only objects are merged.
func (c *collection) changesItem(op, path string) bool {
	array, replaced := strings.CutSuffix(path, ".$.replace")
	merged := false
	if !replaced {
		array, merged = strings.CutSuffix(path, ".$.merge")
	}
	if op != "$set" || !replaced && !merged {
		return false
	}
	f := c.fieldAt(array)
	if f == nil {
		return c.isFree(array)
	}
	return f.kind == kindArray && (replaced || f.items.kind == kindObject || f.items.kind == kindAny)
}

// changeable reports whether an operator may change what is at a path.
func (c *collection) changeable(op, path string) bool {
	top, _, below := strings.Cut(path, ".")
	if f := c.byName[top]; f != nil && f.standard || slices.Contains(strings.Split(path, "."), "") {
		return false
	}
	f := c.fieldAt(path)
	if f == nil || f.kind == kindAny {
		switch {
		case !c.isFree(path) || strings.Contains(path, "$["):
			return false
		case op == "$push" || op == "$pull" || op == "$addToSet" || op == "$currentDate":
			return c.byName[top] == nil // below an object these are not for
		}
		return true
	}
	switch op {
	case "$unset":
		return !f.required || below
	case "$inc", "$mul":
		return f.kind == kindNumber
	case "$currentDate":
		return f.kind == kindDate
	case "$push", "$pull", "$addToSet":
		return f.kind == kindArray && !below
	}
	return true
}

// checkOperand coerces what an operator does to a path.
func (c *collection) checkOperand(op, path string, v any, at string) (any, *fault) {
	f := c.fieldAt(path)
	switch op {
	case "$unset", "$currentDate":
		yes, ok := toBool(v)
		switch {
		case !ok:
			return nil, invalid(at, "must be boolean")
		case !yes:
			return nil, invalid(at, mustBeAllowed)
		}
		return true, nil
	case "$inc", "$mul":
		n, ok := toNumber(v)
		if !ok {
			return nil, invalid(at, "must be number")
		}
		return n, nil
	case "$push", "$pull", "$addToSet":
		return checkItem(f, op, v, at)
	}
	if f == nil {
		return v, nil
	}
	return f.coerce(v, at)
}

// checkItem coerces an item of an array, or those of a modifier.
func checkItem(f *field, op string, v any, at string) (any, *fault) {
	items := &field{kind: kindAny}
	if f != nil && f.items != nil {
		items = f.items
	}
	object, isObject := v.(map[string]any)
	if isObject && (hasOperator(object) || items.kind != kindObject && items.kind != kindAny) {
		return checkModifiers(items, op, object, at)
	}
	item, wrong := items.coerce(v, at)
	if wrong == nil {
		return item, nil
	}
	return nil, invalid(at, wrong.problem.text, problem{at, "must be object"}, problem{at, mustMatchAny})
}

// modifiers are what an object in place of an item may hold.
var modifiers = map[string][]string{
	"$push":     {"$each", "$position"},
	"$addToSet": {"$each"},
	"$pull":     {"$in"},
}

func checkModifiers(items *field, op string, object map[string]any, at string) (any, *fault) {
	list := modifiers[op][0]
	mustBeItem := "must be " + items.typeName()
	if _, given := object[list]; !given {
		return nil, missingModifier(at, mustBeItem)
	}
	for _, name := range sortedKeys(object) {
		switch {
		case slices.Contains(modifiers[op], name):
		case op == "$push" && (name == "$slice" || name == "$sort"):
			return nil, leftOut(omitModifier, name)
		default:
			return nil, invalid(at, mustBeItem, problem{at, "must NOT have additional properties"}, problem{at, mustMatchAny})
		}
	}
	values, ok := object[list].([]any)
	if !ok {
		return nil, invalid(at+"/"+list, "must be array")
	}
	out := map[string]any{}
	for name, v := range object {
		out[name] = v
	}
	coerced := make([]any, len(values))
	for i, v := range values {
		var wrong *fault
		if coerced[i], wrong = items.coerce(v, at+"/"+list); wrong != nil {
			return nil, wrong
		}
	}
	out[list] = coerced
	return out, nil
}

// missingModifier is the refusal of an object that is neither an item nor a modifier.
func missingModifier(at, mustBeItem string) *fault {
	var more []problem
	for _, key := range []string{"$", "$each", "$sort", "$in", "$position", "$each"} {
		more = append(more, problem{at, "must have required property '" + key + "'"})
	}
	more = append(more, problem{at, mustMatchAny}, problem{at, mustMatchAny})
	return invalid(at, mustBeItem, more...)
}

// castUpdate casts the operands of a checked update.
func (c *collection) castUpdate(checked map[string]any) (map[string]any, *fault) {
	out := make(map[string]any, len(checked))
	for op, paths := range checked {
		cast := make(map[string]any, len(paths.(map[string]any)))
		for path, v := range paths.(map[string]any) {
			var wrong *fault
			if cast[path], wrong = c.castOperandOf(op, path, v); wrong != nil {
				return nil, wrong
			}
		}
		out[op] = cast
	}
	return out, nil
}

func (c *collection) castOperandOf(op, path string, v any) (any, *fault) {
	f := c.fieldAt(path)
	switch {
	case f == nil:
		return v, nil
	case op == "$push" || op == "$pull" || op == "$addToSet":
		return f.castItem(v)
	case op != "$set" && op != "$setOnInsert":
		return v, nil
	case f.kind != kindArray:
		return f.cast(v)
	}
	if items, ok := v.([]any); ok {
		return f.castItems(items)
	}
	if v == nil && f.nullable {
		return nil, nil
	}
	return f.castItem(v) // a single item is stored as it is
}

// castItem casts one item, or those of a modifier. Null and an empty text are refused
// as the CRUD Service does.
func (f *field) castItem(v any) (any, *fault) {
	if v == nil || v == "" {
		return nil, refuse("Invalid value for array operation")
	}
	object, ok := v.(map[string]any)
	if !ok {
		return f.items.cast(v)
	}
	out := make(map[string]any, len(object))
	for name, part := range object {
		out[name] = part
		if values, isList := part.([]any); isList && (name == "$each" || name == "$in") {
			cast, wrong := f.castItems(values)
			if wrong != nil {
				return nil, wrong
			}
			out[name] = cast
		}
	}
	return out, nil
}
