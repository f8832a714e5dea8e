package document

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Op is what a [Filter] does.
type Op string

// The operators of a filter.
const (
	And       Op = "$and" // all terms; of none: true
	Or        Op = "$or"  // one term at least; of none: false
	Eq        Op = "$eq"
	Ne        Op = "$ne"
	Gt        Op = "$gt"
	Gte       Op = "$gte"
	Lt        Op = "$lt"
	Lte       Op = "$lte"
	In        Op = "$in"
	Nin       Op = "$nin"
	All       Op = "$all"
	Exists    Op = "$exists"
	Regex     Op = "$regex"
	Size      Op = "$size"
	ElemMatch Op = "$elemMatch"
)

// maxAll is how many values $all may have: each is looked for in the whole array.
const maxAll = 1000

// Filter is a parsed query: a tree that [Filter.Match] asks, and that a store may
// look through to narrow its candidates. It must not be changed. The zero value
// matches every document.
type Filter struct {
	Op    Op       // "" is [And]
	Terms []Filter // of And and Or; of ElemMatch: the one query or condition
	Path  string   // of all others
	Value any      // the operand; of In, Nin and All an array

	parts  []string
	regex  *regexp.Regexp
	set    map[any]bool // of In and Nin: the values, arrays and objects by their texts
	nested bool         // there are arrays or objects among them
	fields bool         // of ElemMatch: the term is a query on the fields of items
}

// ParseFilter reads a query such as {"age": {"$gt": 3}, "$or": [...]}. Plain values
// mean equality. It knows the operators above and $options beside $regex; an error
// names the one that is wrong. A regular expression is RE2's: what it cannot
// express, such as a look-ahead, is an error, and so are expressions that are too large,
// each or together.
func ParseFilter(query map[string]any) (Filter, error) {
	if err := checkProgram(patternsOf(query)); err != nil {
		return Filter{}, fmt.Errorf("$regex: what the query asks for %w", err)
	}
	return parseFilter(query)
}

func parseFilter(query map[string]any) (Filter, error) {
	terms := make([]Filter, 0, len(query))
	for _, key := range slices.Sorted(maps.Keys(query)) {
		var term Filter
		var err error
		switch {
		case key == string(And) || key == string(Or):
			term, err = parseList(Op(key), query[key])
		case strings.HasPrefix(key, "$"):
			err = fmt.Errorf("unknown operator: %s", key)
		default:
			term, err = parseField(key, query[key])
		}
		if err != nil {
			return Filter{}, err
		}
		terms = append(terms, term)
	}
	return Join(terms...), nil
}

// Join makes one filter of several that must all match.
func Join(filters ...Filter) Filter {
	var terms []Filter
	for _, f := range filters {
		if f.Op == "" || f.Op == And {
			terms = append(terms, f.Terms...)
		} else {
			terms = append(terms, f)
		}
	}
	if len(terms) == 1 {
		return terms[0]
	}
	return Filter{Op: And, Terms: terms}
}

// Equals is the filter that asks for one value at a path, or for an array with it.
func Equals(path string, value any) Filter {
	return leaf(path, Eq, value)
}

// OneOf is the filter that asks for one of several values at a path.
func OneOf(path string, values ...any) Filter {
	f := leaf(path, In, values)
	f.index(values)
	return f
}

func leaf(path string, op Op, value any) Filter {
	f := Filter{Op: op, Path: path, Value: value}
	if path != "" {
		f.parts = strings.Split(path, ".")
	}
	return f
}

func parseList(op Op, operand any) (Filter, error) {
	items, ok := operand.([]any)
	if !ok || len(items) == 0 {
		return Filter{}, fmt.Errorf("%s must be a nonempty array", op)
	}
	f := Filter{Op: op, Terms: make([]Filter, len(items))}
	for i, item := range items {
		query, ok := item.(map[string]any)
		if !ok {
			return Filter{}, fmt.Errorf("%s must hold objects", op)
		}
		var err error
		if f.Terms[i], err = parseFilter(query); err != nil {
			return Filter{}, err
		}
	}
	return f, nil
}

func parseField(path string, value any) (Filter, error) {
	if conditions, ok := value.(map[string]any); ok && hasOperator(conditions) {
		return parseConditions(path, conditions)
	}
	return leaf(path, Eq, value), nil
}

// parseConditions reads the operators on one path; a path of "" is an array's item.
func parseConditions(path string, conditions map[string]any) (Filter, error) {
	terms := make([]Filter, 0, len(conditions))
	for _, name := range slices.Sorted(maps.Keys(conditions)) {
		if name == "$options" {
			if _, ok := conditions["$regex"]; !ok {
				return Filter{}, errors.New("$options needs a $regex")
			}
			continue
		}
		f := leaf(path, Op(name), conditions[name])
		if err := f.check(conditions); err != nil {
			return Filter{}, err
		}
		terms = append(terms, f)
	}
	return Join(terms...), nil
}

// check reads the operand into the form that matching needs.
func (f *Filter) check(beside map[string]any) error {
	switch f.Op {
	case Eq, Ne, Gt, Gte, Lt, Lte:
		return nil
	case In, Nin, All:
		items, ok := f.Value.([]any)
		if !ok {
			return fmt.Errorf("%s needs an array", f.Op)
		}
		if f.Op == All && len(items) > maxAll {
			return fmt.Errorf("$all must not have more than %d values", maxAll)
		}
		f.index(items)
		return nil
	case Exists:
		f.Value = f.Value != false && f.Value != 0.0 && f.Value != nil
		return nil
	case Size:
		n, ok := f.Value.(float64)
		if !ok || n < 0 || n != float64(int(n)) {
			return fmt.Errorf("%s needs a whole number from 0", f.Op)
		}
		return nil
	case Regex:
		return f.compile(beside["$options"])
	case ElemMatch:
		return f.parseElemMatch()
	}
	return fmt.Errorf("unsupported operator: %s", f.Op)
}

// index puts the values of a list in a set, so that a long list costs no more than a short
// one.
func (f *Filter) index(items []any) {
	f.set = setOf(items)
	f.nested = slices.ContainsFunc(items, func(item any) bool { return setKey(item) != item })
}

func (f *Filter) compile(options any) error {
	pattern, ok := f.Value.(string)
	if !ok {
		return errors.New("$regex needs a text")
	}
	if len(pattern) > MaxPattern {
		return fmt.Errorf("$regex is longer than %d bytes", MaxPattern)
	}
	flags, ok := options.(string)
	if !ok && options != nil {
		return errors.New("$options needs a text")
	}
	for _, flag := range flags {
		if !strings.ContainsRune("ims", flag) {
			return fmt.Errorf("unsupported $options flag: %c", flag)
		}
	}
	if flags != "" {
		pattern = "(?" + flags + ")" + pattern
	}
	var err error
	if f.regex, err = regexp.Compile(pattern); err != nil {
		return patternError(err)
	}
	return nil
}

func (f *Filter) parseElemMatch() error {
	query, ok := f.Value.(map[string]any)
	if !ok {
		return errors.New("$elemMatch needs an object")
	}
	var term Filter
	var err error
	if hasOperator(query) && query["$and"] == nil && query["$or"] == nil {
		term, err = parseConditions("", query)
	} else {
		f.fields = true
		term, err = parseFilter(query)
	}
	f.Terms = []Filter{term}
	return err
}
