package embedded

import (
	"net/http"
	"slices"
	"strconv"

	"user-manager/crud/document"
)

// transitions says where a document may go from a state; to stay is always allowed.
var transitions = map[string][]string{
	"PUBLIC":  {"DRAFT", "TRASH"},
	"DRAFT":   {"PUBLIC", "TRASH"},
	"TRASH":   {"DRAFT", "DELETED"},
	"DELETED": {"TRASH"},
}

func checkStateTo(v any, path string) (string, *fault) {
	state, ok := v.(string)
	if !ok || !slices.Contains(states, state) {
		return "", invalid(path+"/stateTo", mustBeAllowed)
	}
	return state, nil
}

// move answers POST /:id/state.
func (c *call) move() error {
	b, err := c.readBody(-1)
	if err != nil {
		return err
	}
	in, wrong := withKeys(b.value, "body", "stateTo")
	if wrong != nil {
		return wrong
	}
	to, wrong := checkStateTo(in["stateTo"], "body")
	if wrong != nil {
		return wrong
	}
	v, err := c.view(accepts{})
	if err != nil {
		return err
	}
	v.filter, v.limit = c.byIDFilter(v.filter), 1
	if err := c.moveOne(v, to); err != nil {
		return err
	}
	return c.noContent()
}

func (c *call) moveOne(v view, to string) error {
	return c.store.db.writes.do(c.r.Context(), false, func(t *tx) error {
		found, err := c.collect(t.query, v)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return errNotFound
		}
		doc, err := readDocument(found[0].text)
		if err != nil {
			return err
		}
		from, _ := doc["__STATE__"].(string)
		if from != to && !slices.Contains(transitions[from], to) {
			return &fault{status: http.StatusBadRequest, message: "transition from " + from + " to " + to + " not allowed."}
		}
		_, err = c.apply(t, found[0], c.newMove(to))
		return err
	})
}

func (c *call) newMove(to string) change {
	ch := c.newChange(document.Update{})
	ch.state = to
	return ch
}

// moveItem is an item of POST /state, checked.
type moveItem struct {
	filter document.Filter
	to     string
}

// moveMany answers POST /state: each item moves every document that it matches and
// that may go there; others are passed over.
func (c *call) moveMany() error {
	items, err := c.readItems()
	if err != nil {
		return err
	}
	moves, err := c.checkMoves(items)
	if err != nil {
		return err
	}
	var n int64
	err = c.store.db.writes.do(c.r.Context(), false, func(t *tx) error {
		n = 0
		for _, m := range moves {
			moved, err := c.applyAll(t, view{filter: m.filter}, c.newMove(m.to))
			if err != nil {
				return err
			}
			n += moved
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.answerNumber(n)
}

func (c *call) checkMoves(items []any) ([]moveItem, error) {
	moves := make([]moveItem, len(items))
	filters := make([]map[string]any, len(items))
	for i, v := range items {
		path := "body/" + strconv.Itoa(i)
		item, wrong := withKeys(v, path, "filter", "stateTo")
		if wrong != nil {
			return nil, wrong
		}
		for _, name := range sortedKeys(item) {
			if name != "filter" && name != "stateTo" {
				return nil, undefined(path, name)
			}
		}
		if filters[i], wrong = c.checkMoveFilter(item["filter"], path+"/filter"); wrong != nil {
			return nil, wrong
		}
		if moves[i].to, wrong = checkStateTo(item["stateTo"], path); wrong != nil {
			return nil, wrong
		}
	}
	acl, err := c.aclFilter()
	if err != nil {
		return nil, err
	}
	for i := range moves {
		f, err := c.moveFilter(filters[i])
		if err != nil {
			return nil, err
		}
		moves[i].filter = document.Join(f, mayGoTo(moves[i].to), acl)
	}
	return moves, nil
}

// mayGoTo matches the documents that may go to a state and are not there.
func mayGoTo(to string) document.Filter {
	var from []any
	for _, state := range states {
		if slices.Contains(transitions[state], to) {
			from = append(from, state)
		}
	}
	return document.OneOf("__STATE__", from...)
}

// checkMoveFilter coerces the values of declared fields.
func (c *collection) checkMoveFilter(v any, path string) (map[string]any, *fault) {
	filter, ok := v.(map[string]any)
	if !ok {
		return nil, invalid(path, "must be object")
	}
	for _, f := range c.fields {
		value, given := filter[f.name]
		if !given {
			continue
		}
		if f.kind == kindID {
			if _, isObject := value.(map[string]any); isObject {
				return nil, invalid(path+"/"+f.name, "must be string")
			}
		}
		if _, wrong := f.coerce(value, path+"/"+f.name); wrong != nil {
			return nil, wrong
		}
	}
	return filter, nil
}

// moveFilter is equality on fields, with $and and $or as in _q.
func (c *collection) moveFilter(filter map[string]any) (document.Filter, error) {
	var filters []document.Filter
	rest := map[string]any{}
	for _, name := range sortedKeys(filter) {
		_, isObject := filter[name].(map[string]any)
		if f := c.byName[name]; f == nil || isObject {
			if name == "_q" || name == "_st" {
				return document.Filter{}, refuse("Unknown field: " + name)
			}
			rest[name] = filter[name]
			continue
		}
		f, wrong := c.fieldFilter(name, filter[name])
		if wrong != nil {
			return document.Filter{}, wrong
		}
		filters = append(filters, f)
	}
	f, err := c.checkedFilter(rest)
	return document.Join(append(filters, f)...), err
}
