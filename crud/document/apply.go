package document

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxPadding is how far beyond the end of an array an index may set an item.
const maxPadding = 1000

// apply changes doc in place.
func (s *step) apply(doc Document, now time.Time) error {
	switch s.Operator {
	case "$set":
		return setAt(doc, s.parts, func(any, bool) (any, error) { return cloneValue(s.value), nil })
	case "$unset":
		unsetAt(doc, s.parts)
		return nil
	case "$currentDate":
		return setAt(doc, s.parts, func(any, bool) (any, error) { return Date(now), nil })
	case "$inc", "$mul":
		return setAt(doc, s.parts, s.number)
	case "$push", "$addToSet":
		return setAt(doc, s.parts, s.extend)
	case "$pull":
		return s.pull(doc)
	}
	return fmt.Errorf("unknown operator")
}

// number is the new value under $inc and $mul; a missing one starts at 0.
func (s *step) number(old any, present bool) (any, error) {
	operand := s.value.(float64)
	value, ok := old.(float64)
	switch {
	case !present:
		value = 0
	case !ok:
		return nil, errors.New("the present value is not a number")
	}
	if s.Operator == "$mul" {
		value *= operand
	} else {
		value += operand
	}
	if value-value != 0 { // infinite: JSON has no such number
		return nil, errors.New("the result is out of range")
	}
	return value + 0, nil // never -0
}

// extend is the new array under $push and $addToSet; a missing one is made.
func (s *step) extend(old any, present bool) (any, error) {
	array, ok := old.([]any)
	if present && !ok {
		return nil, errors.New("the present value is not an array")
	}
	array = slices.Clone(array)
	if s.Operator == "$addToSet" {
		for _, item := range s.items {
			if !contains(array, item) {
				array = append(array, cloneValue(item))
			}
		}
		return nonNil(array), nil
	}
	items := cloneValue(s.items).([]any)
	if s.at < 0 || s.at > len(array) {
		return nonNil(append(array, items...)), nil
	}
	return nonNil(slices.Insert(array, s.at, items...)), nil
}

func (s *step) pull(doc Document) error {
	old, present := Get(doc, s.Path)
	if !present {
		return nil
	}
	array, ok := old.([]any)
	if !ok {
		return errors.New("the present value is not an array")
	}
	kept := slices.DeleteFunc(array, func(item any) bool { return contains(s.items, item) })
	return setAt(doc, s.parts, func(any, bool) (any, error) { return nonNil(kept), nil })
}

func contains(items []any, item any) bool {
	return slices.ContainsFunc(items, func(v any) bool { return Equal(v, item) })
}

func nonNil(items []any) []any {
	if items == nil {
		return []any{}
	}
	return items
}

// setAt replaces the value at the path by what change makes of the old one, and
// makes the objects on the way that are missing.
func setAt(doc Document, parts []string, change func(old any, present bool) (any, error)) error {
	old, present := doc[parts[0]]
	value, err := changed(old, present, parts[1:], change)
	if err != nil {
		return err
	}
	doc[parts[0]] = value
	return nil
}

func changed(old any, present bool, rest []string, change func(any, bool) (any, error)) (any, error) {
	if len(rest) == 0 {
		return change(old, present)
	}
	switch parent := old.(type) {
	case map[string]any:
		return parent, setAt(parent, rest, change)
	case []any:
		return changedItem(parent, rest, change)
	case nil:
		if !present {
			made := map[string]any{}
			return made, setAt(made, rest, change)
		}
	}
	return nil, fmt.Errorf("cannot create the field %q in a value that is not an object", rest[0])
}

func changedItem(array []any, rest []string, change func(any, bool) (any, error)) (any, error) {
	i, ok := index(rest[0])
	if !ok {
		return nil, fmt.Errorf("cannot create the field %q in an array", rest[0])
	}
	if i > len(array)+maxPadding {
		return nil, fmt.Errorf("the index %d is too far beyond the end of the array", i)
	}
	var old any
	present := i < len(array)
	if present {
		old = array[i]
	}
	value, err := changed(old, present, rest[1:], change)
	if err != nil {
		return nil, err
	}
	for len(array) <= i {
		array = append(array, nil)
	}
	array[i] = value
	return array, nil
}

// unsetAt removes the value at the path; an array item becomes null.
func unsetAt(doc Document, parts []string) {
	var parent any = doc
	for _, part := range parts[:len(parts)-1] {
		next, ok := child(parent, part)
		if !ok {
			return
		}
		parent = next
	}
	last := parts[len(parts)-1]
	switch parent := parent.(type) {
	case map[string]any:
		delete(parent, last)
	case []any:
		if i, ok := index(last); ok && i < len(parent) {
			parent[i] = nil
		}
	}
}

func child(parent any, part string) (any, bool) {
	switch parent := parent.(type) {
	case map[string]any:
		v, ok := parent[part]
		return v, ok
	case []any:
		if i, ok := index(part); ok && i < len(parent) {
			return parent[i], true
		}
	}
	return nil, false
}
