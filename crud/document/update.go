package document

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Update is a parsed body of update operators. Its zero value changes nothing.
// It is not changed after it was parsed, so several goroutines may apply it.
type Update struct {
	steps []step
}

// Touch is one path that an update names, and the operator it is under.
type Touch struct {
	Operator string // "$set", ...
	Path     string // "address.city"
}

// step is one operator on one path, with its operand checked.
type step struct {
	Touch
	parts []string
	value any
	items []any // of $push and $addToSet
	at    int   // $position of $push; -1 for the end
}

// operators in the order in which they are read, checked and applied.
var operators = []string{"$set", "$unset", "$inc", "$mul", "$currentDate", "$push", "$pull", "$addToSet"}

// ParseUpdate reads a body of operators: $set, $unset, $inc, $mul, $currentDate,
// $push, $pull and $addToSet. An error names the operator and the path; two
// operators on one path, or on a path and a part of it, are an error, and so is one that
// would nest values deeper than [Parse] reads them.
func ParseUpdate(body map[string]any) (Update, error) {
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if !slices.Contains(operators, name) {
			return Update{}, fmt.Errorf("unknown update operator %s", name)
		}
	}
	var u Update
	for _, op := range operators {
		operand, given := body[op]
		if !given {
			continue
		}
		paths, ok := operand.(map[string]any)
		if !ok {
			return Update{}, fmt.Errorf("%s must be an object of paths", op)
		}
		for _, path := range slices.Sorted(maps.Keys(paths)) {
			s, err := parseStep(op, path, paths[path])
			if err != nil {
				return Update{}, err
			}
			u.steps = append(u.steps, s)
		}
	}
	return u, u.conflicts()
}

// Touches lists the paths the update names, operator by operator.
func (u Update) Touches() []Touch {
	out := make([]Touch, len(u.steps))
	for i, s := range u.steps {
		out[i] = s.Touch
	}
	return out
}

// Apply returns the document as it is after the update. The argument stays as it
// is, and the result shares nothing with it or with the update that can change.
// now is the time that $currentDate sets. An error names operator and path: a
// number operator on something else, an array operator on something that is no
// array, a path through a value that has no fields.
func (u Update) Apply(doc Document, now time.Time) (Document, error) {
	out := Clone(doc)
	if out == nil {
		out = Document{}
	}
	padding := maxPadding
	for _, s := range u.steps {
		if err := s.apply(out, now, &padding); err != nil {
			return nil, fmt.Errorf("%s of %s: %w", s.Operator, s.Path, err)
		}
	}
	return out, nil
}

// conflicts finds two steps of which one's path is the other's or below it.
func (u Update) conflicts() error {
	seen := make(map[string]bool, len(u.steps))
	for _, s := range u.steps {
		if seen[s.Path] {
			return fmt.Errorf("%s of %s: updating the path '%[2]s' would create a conflict at '%[2]s'", s.Operator, s.Path)
		}
		seen[s.Path] = true
	}
	for _, s := range u.steps {
		for i := range s.Path {
			if s.Path[i] == '.' && seen[s.Path[:i]] {
				return fmt.Errorf("%s of %s: updating the path '%[2]s' would create a conflict at '%s'", s.Operator, s.Path, s.Path[:i])
			}
		}
	}
	return nil
}

func parseStep(op, path string, value any) (step, error) {
	s := step{Touch: Touch{op, path}, at: -1, value: value}
	if n := strings.Count(path, "."); n > MaxDepth-2 || deeper(value, MaxDepth-2-n) {
		return s, fmt.Errorf("%s: too many levels of arrays and objects", op)
	}
	s.parts = strings.Split(path, ".")
	for _, part := range s.parts {
		if part == "" {
			return s, fmt.Errorf("%s of %q: a path has no empty parts", op, path)
		}
	}
	if err := s.checkOperand(); err != nil {
		return s, fmt.Errorf("%s of %s: %w", op, path, err)
	}
	return s, nil
}

func (s *step) checkOperand() error {
	switch s.Operator {
	case "$unset", "$currentDate":
		if s.value != true && s.value != 1.0 {
			return fmt.Errorf("the value must be true")
		}
	case "$inc", "$mul":
		if _, ok := s.value.(float64); !ok {
			return fmt.Errorf("the value must be a number")
		}
	case "$push", "$addToSet":
		return s.checkItems()
	case "$pull":
		return s.checkPull()
	}
	return nil
}

// checkItems reads the item, or the items of {"$each": [...]}.
func (s *step) checkItems() error {
	modifiers, ok := s.value.(map[string]any)
	if !ok || !hasOperator(modifiers) {
		s.items = []any{s.value}
		return nil
	}
	each, ok := modifiers["$each"].([]any)
	if !ok {
		return fmt.Errorf("$each must be an array")
	}
	s.items = each
	for _, name := range slices.Sorted(maps.Keys(modifiers)) {
		switch name {
		case "$each":
		case "$position":
			at, ok := modifiers[name].(float64)
			if !ok || s.Operator != "$push" || at != float64(int(at)) || at < 0 {
				return fmt.Errorf("$position must be a whole number from 0, under $push")
			}
			s.at = int(at)
		default:
			return fmt.Errorf("unknown modifier %s", name)
		}
	}
	return nil
}

// checkPull reads the item, or the items of {"$in": [...]}.
func (s *step) checkPull() error {
	s.items = []any{s.value}
	condition, ok := s.value.(map[string]any)
	if !ok || !hasOperator(condition) {
		return nil
	}
	in, ok := condition["$in"].([]any)
	if !ok || len(condition) != 1 {
		return fmt.Errorf("the value must be an item or {\"$in\": [...]}")
	}
	s.items = in
	return nil
}

// hasOperator reports whether a key starts with a dollar.
func hasOperator(m map[string]any) bool {
	for k := range m {
		if strings.HasPrefix(k, "$") {
			return true
		}
	}
	return false
}
