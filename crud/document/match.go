package document

import "slices"

// Match reports whether the document fits. It follows MongoDB: a path goes through
// every object of an array on its way, a condition on an array holds if one item or
// the array as a whole fits, $ne and $nin are the opposite of $eq and $in, null
// matches what is missing, and types do not mix: 5 is neither "5" nor above "4".
func (f Filter) Match(doc Document) bool {
	return f.match(doc)
}

func (f *Filter) match(v any) bool {
	switch f.Op {
	case "", And:
		for i := range f.Terms {
			if !f.Terms[i].match(v) {
				return false
			}
		}
		return true
	case Or:
		for i := range f.Terms {
			if f.Terms[i].match(v) {
				return true
			}
		}
		return false
	case Ne:
		return !f.holds(v, f.parts, Eq)
	case Nin:
		return !f.holds(v, f.parts, In)
	case All:
		return f.matchAll(v)
	case Exists:
		return f.holds(v, f.parts, Exists) == f.Value.(bool)
	}
	return f.holds(v, f.parts, f.Op)
}

// matchAll asks for every item of the list; an empty list matches nothing.
func (f *Filter) matchAll(v any) bool {
	items := f.Value.([]any)
	for _, item := range items {
		one := Filter{Op: Eq, Value: item}
		if !one.holds(v, f.parts, Eq) {
			return false
		}
	}
	return len(items) > 0
}

// holds goes down the path from v and reports whether op holds at one of its ends.
func (f *Filter) holds(v any, parts []string, op Op) bool {
	if len(parts) == 0 {
		return f.holdsAt(v, op)
	}
	switch parent := v.(type) {
	case map[string]any:
		child, ok := parent[parts[0]]
		if !ok {
			return f.holdsMissing(op)
		}
		return f.holds(child, parts[1:], op)
	case []any:
		if i, ok := index(parts[0]); ok && i < len(parent) && f.holds(parent[i], parts[1:], op) {
			return true
		}
		for _, item := range parent {
			if _, ok := item.(map[string]any); ok && f.holds(item, parts, op) {
				return true
			}
		}
		return false
	}
	return f.holdsMissing(op)
}

// holdsMissing is the answer where the path leads nowhere.
func (f *Filter) holdsMissing(op Op) bool {
	switch op {
	case Eq, Gte, Lte:
		return f.Value == nil
	case In:
		return f.set[nil]
	}
	return false
}

// holdsAt is the answer at the end of the path.
func (f *Filter) holdsAt(v any, op Op) bool {
	items, isArray := v.([]any)
	switch op {
	case Exists:
		return true
	case Size:
		return isArray && float64(len(items)) == f.Value
	case ElemMatch:
		return isArray && slices.ContainsFunc(items, f.matchItem)
	}
	return f.test(v, op) || isArray && slices.ContainsFunc(items, func(item any) bool { return f.test(item, op) })
}

func (f *Filter) matchItem(item any) bool {
	if _, isObject := item.(map[string]any); f.fields && !isObject {
		return false
	}
	return f.Terms[0].match(item)
}

// test compares one value with the operand.
func (f *Filter) test(v any, op Op) bool {
	switch op {
	case Eq:
		return Equal(v, f.Value)
	case In:
		return f.testIn(v)
	case Regex:
		text, ok := v.(string)
		return ok && f.regex.MatchString(text)
	}
	if rank(v) != rank(f.Value) {
		return false
	}
	c := Compare(v, f.Value)
	switch op {
	case Gt:
		return c > 0
	case Gte:
		return c >= 0
	case Lt:
		return c < 0
	case Lte:
		return c <= 0
	}
	return false
}

func (f *Filter) testIn(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return f.nested && f.set[setKey(v)]
	}
	return f.set[v]
}
