package embedded

import (
	"strconv"

	"user-manager/crud/document"
)

// bulkItem is an item of PATCH /bulk, checked.
type bulkItem struct {
	filter document.Filter
	update document.Update
}

// patchBulk answers PATCH /bulk: each item changes the first document it matches.
// All items are checked before any is applied, and either all are applied or none.
func (c *call) patchBulk() error {
	items, err := c.readItems()
	if err != nil {
		return err
	}
	bulk, err := c.checkBulk(items)
	if err != nil {
		return err
	}
	var n int64
	err = c.store.db.writes.do(c.r.Context(), false, func(t *tx) error {
		n = 0
		for _, item := range bulk {
			found, err := c.collect(t.query, view{filter: item.filter, limit: 1})
			if err != nil {
				return err
			}
			for _, s := range found {
				if _, err := c.apply(t, s, c.newChange(item.update)); err != nil {
					return err
				}
				n++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.answerNumber(n)
}

// readItems reads a body that is an array of at least one item.
func (c *call) readItems() ([]any, error) {
	b, err := c.readBody(-1)
	if err != nil {
		return nil, err
	}
	items, err := b.array()
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, invalid("body", "must NOT have fewer than 1 items")
	}
	return items, nil
}

// checkBulk checks the schema of all items first, then what is behind it.
func (c *call) checkBulk(items []any) ([]bulkItem, error) {
	type half struct{ filter, update map[string]any }
	halves := make([]half, len(items))
	for i, v := range items {
		path := "body/" + strconv.Itoa(i)
		item, wrong := withKeys(v, path, "filter", "update")
		if wrong != nil {
			return nil, wrong
		}
		filter, _ := item["filter"].(map[string]any)
		if wrong := c.checkBulkFilter(item["filter"], path+"/filter"); wrong != nil {
			return nil, wrong
		}
		update, ok := item["update"].(map[string]any)
		if !ok {
			return nil, invalid(path+"/update", "must be object")
		}
		checked, wrong := c.checkUpdate(update, path+"/update", false)
		if wrong != nil {
			return nil, wrong
		}
		halves[i] = half{filter, checked}
	}
	bulk := make([]bulkItem, len(items))
	for i, h := range halves {
		var err error
		if bulk[i].filter, err = c.bulkFilter(h.filter); err != nil {
			return nil, err
		}
		if bulk[i].update, err = c.parseUpdate(h.update); err != nil {
			return nil, err
		}
	}
	return bulk, nil
}

// withKeys is v as an object that has the keys.
func withKeys(v any, path string, keys ...string) (map[string]any, *fault) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, invalid(path, "must be object")
	}
	for _, key := range keys {
		if _, given := object[key]; !given {
			return nil, invalid(path, "must have required property '"+key+"'")
		}
	}
	return object, nil
}

// checkBulkFilter checks the filter of an item of PATCH /bulk against its schema.
func (c *collection) checkBulkFilter(v any, path string) *fault {
	filter, ok := v.(map[string]any)
	if !ok {
		return invalid(path, "must be object")
	}
	for _, name := range sortedKeys(filter) {
		known := name == "_id" || name == "_st" || name == "_q" || c.byName[name] != nil || c.acceptsExtra(name) && name[0] != '_'
		if !known || name == "__STATE__" {
			return undefined(path, name)
		}
	}
	for _, f := range c.fields {
		if v, given := filter[f.name]; given {
			if _, wrong := f.coerce(v, path+"/"+f.name); wrong != nil {
				return wrong
			}
		}
	}
	for _, name := range []string{"_q", "_st"} {
		v, given := filter[name]
		text, isText := v.(string)
		switch {
		case given && !isText:
			return invalid(path+"/"+name, "must be string")
		case given && name == "_st" && !isStatePattern(text):
			return invalid(path+"/_st", `must match pattern "`+statePattern+`"`)
		}
	}
	return nil
}

// bulkFilter is the filter of a checked item.
func (c *call) bulkFilter(filter map[string]any) (document.Filter, error) {
	var stateTexts []string
	if text, ok := filter["_st"].(string); ok {
		stateTexts = []string{text}
	}
	filters := []document.Filter{stateFilter(stateTexts)}
	for _, name := range sortedKeys(filter) {
		if name == "_q" || name == "_st" {
			continue
		}
		f, wrong := c.fieldFilter(name, filter[name])
		if wrong != nil {
			return document.Filter{}, wrong
		}
		filters = append(filters, f)
	}
	if text, _ := filter["_q"].(string); text != "" {
		f, err := c.queryFilter(text)
		if err != nil {
			return document.Filter{}, err
		}
		filters = append(filters, f)
	}
	acl, err := c.aclFilter()
	return document.Join(append(filters, acl)...), err
}

// fieldFilter is equality with a value of a body.
func (c *collection) fieldFilter(name string, v any) (document.Filter, *fault) {
	f := c.byName[name]
	switch {
	case f == nil:
		return document.Equals(name, v), nil
	case f.kind == kindArray:
		if _, isArray := v.([]any); !isArray {
			return equality(f.items, name, v, name)
		}
	}
	return equality(f, name, v, name)
}
