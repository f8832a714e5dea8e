package embedded

import (
	"slices"
	"strings"
)

// castFor casts the operand of an operator.
func (f *field) castFor(op string, v any) (any, error) {
	switch op {
	case "$exists", "$size", "$regex", "$options":
		return v, nil
	case "$in", "$nin", "$all":
		items, ok := v.([]any)
		if !ok {
			return nil, refuse(op + " needs an array")
		}
		return f.castAll(items)
	case "$elemMatch":
		return f.castElemMatch(v)
	}
	return f.castOperand(v)
}

func (f *field) castAll(items []any) (any, error) {
	out := make([]any, len(items))
	for i, item := range items {
		var err error
		if out[i], err = f.castOperand(item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// castElemMatch casts the operands of the operators on an item.
func (f *field) castElemMatch(v any) (any, error) {
	conditions, ok := v.(map[string]any)
	if !ok {
		return nil, refuse("$elemMatch needs an object")
	}
	out := make(map[string]any, len(conditions))
	for op, operand := range conditions {
		var err error
		if slices.Contains(fieldOperators, op) {
			operand, err = f.castFor(op, operand)
		}
		if err != nil {
			return nil, err
		}
		out[op] = operand
	}
	return out, nil
}

// neverStored stands for a value that no document has at a date or an id: a number.
const neverStored = 0.0

// castOperand casts a value of a date or an id; that of an array casts its items.
func (f *field) castOperand(v any) (any, error) {
	kind := f.kind
	if kind == kindArray {
		if items, ok := v.([]any); ok {
			return f.castAll(items)
		}
		kind = f.items.kind
	}
	if kind != kindDate && kind != kindID || v == nil {
		return v, nil
	}
	if v == "" || v == false || v == 0.0 {
		return neverStored, nil
	}
	if kind == kindDate {
		text, ok := looseDate(v)
		if !ok {
			return nil, refuse("Invalid Date")
		}
		return text, nil
	}
	text, ok := v.(string)
	if !ok || !isID(text) {
		return nil, refuse("Invalid objectId")
	}
	return strings.ToLower(text), nil
}

// withoutText makes a pattern on a date or an id match nothing: they are no texts.
func (f *field) withoutText(conditions map[string]any) map[string]any {
	if _, ok := conditions["$regex"]; !ok || f.kind != kindDate && f.kind != kindID {
		return conditions
	}
	return map[string]any{"$in": []any{}}
}
