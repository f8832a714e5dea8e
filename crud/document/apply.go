package document

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxPadding is how many items an update may put between the ends of arrays and the indexes
// that it sets beyond them.
const maxPadding = 1000

// errPadding says that an update goes beyond it.
var errPadding = errors.New("too far beyond the end of the array")

// A place sets what is at a path; padding is how many items it may still make up on the way.
type place struct {
	padding *int
	change  func(old any, present bool) (any, error) // gives the new value
}

// apply changes doc in place, and takes what it makes up from padding.
func (s *step) apply(doc Document, now time.Time, padding *int) error {
	setAt := func(doc Document, parts []string, change func(any, bool) (any, error)) error {
		return place{padding, change}.set(doc, parts)
	}
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
		return s.pull(doc, setAt)
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
		return nonNil(union(array, s.items)), nil
	}
	items := cloneValue(s.items).([]any)
	if s.at < 0 || s.at > len(array) {
		return nonNil(append(array, items...)), nil
	}
	return nonNil(slices.Insert(array, s.at, items...)), nil
}

// fewItems are looked for one by one; of more a set is made first.
const fewItems = 8

// union appends the items that array does not have, each once.
func union(array, items []any) []any {
	if len(items) <= fewItems {
		for _, item := range items {
			if !slices.ContainsFunc(array, func(v any) bool { return Equal(v, item) }) {
				array = append(array, cloneValue(item))
			}
		}
		return array
	}
	there := setOf(array)
	for _, item := range items {
		if key := setKey(item); !there[key] {
			there[key] = true
			array = append(array, cloneValue(item))
		}
	}
	return array
}

func (s *step) pull(doc Document, setAt func(Document, []string, func(any, bool) (any, error)) error) error {
	old, present := Get(doc, s.Path)
	if !present {
		return nil
	}
	array, ok := old.([]any)
	if !ok {
		return errors.New("the present value is not an array")
	}
	unwanted := setOf(s.items)
	kept := slices.DeleteFunc(array, func(item any) bool { return unwanted[setKey(item)] })
	return setAt(doc, s.parts, func(any, bool) (any, error) { return nonNil(kept), nil })
}

func nonNil(items []any) []any {
	if items == nil {
		return []any{}
	}
	return items
}

// set replaces the value at the path by what change makes of the old one, and makes the
// objects on the way that are missing.
func (p place) set(doc Document, parts []string) error {
	old, present := doc[parts[0]]
	value, err := p.changed(old, present, parts[1:])
	if err != nil {
		return err
	}
	doc[parts[0]] = value
	return nil
}

func (p place) changed(old any, present bool, rest []string) (any, error) {
	if len(rest) == 0 {
		return p.change(old, present)
	}
	switch parent := old.(type) {
	case map[string]any:
		return parent, p.set(parent, rest)
	case []any:
		return p.changedItem(parent, rest)
	case nil:
		if !present {
			made := map[string]any{}
			return made, p.set(made, rest)
		}
	}
	return nil, fmt.Errorf("cannot create the field %q in a value that is not an object", rest[0])
}

func (p place) changedItem(array []any, rest []string) (any, error) {
	i, ok := index(rest[0])
	if !ok {
		return nil, fmt.Errorf("cannot create the field %q in an array", rest[0])
	}
	if missing := i - len(array); missing > 0 {
		if *p.padding -= missing; *p.padding < 0 {
			return nil, fmt.Errorf("the index %d is %w", i, errPadding)
		}
	}
	var old any
	present := i < len(array)
	if present {
		old = array[i]
	}
	value, err := p.changed(old, present, rest[1:])
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
