package embedded

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"user-manager/crud/document"
)

// change is what a write does to a document: an update, a state, or both.
type change struct {
	update  document.Update
	touched []string // fields of the top that the update changes
	state   string   // "": stays
	user    string
	now     time.Time
}

func (c *call) newChange(update document.Update) change {
	ch := change{update: update, user: c.user(), now: c.store.cfg.Now()}
	for _, t := range update.Touches() {
		top, _, _ := strings.Cut(t.Path, ".")
		ch.touched = append(ch.touched, top)
	}
	return ch
}

// apply changes one stored document and gives its new text.
func (c *call) apply(t *tx, s stored, ch change) (string, error) {
	v, raws, err := document.ParseRaw(s.text, 0)
	if err != nil {
		return "", err
	}
	doc, err := ch.update.Apply(v.(map[string]any), ch.now)
	if err != nil {
		return "", refuse(err.Error())
	}
	raw := raws[0]
	for _, name := range ch.touched {
		delete(raw, name)
	}
	doc["updaterId"], doc["updatedAt"] = ch.user, document.Date(ch.now)
	delete(raw, "updaterId")
	delete(raw, "updatedAt")
	if ch.state != "" {
		doc["__STATE__"] = ch.state
		delete(raw, "__STATE__")
	}
	r := c.newRow(doc, raw)
	args := append([]any{r.state, string(r.text)}, r.columns...)
	_, err = t.exec(c.updateSQL, append(args, s.seq)...)
	return string(r.text), c.duplicate(err, http.StatusBadRequest, doc)
}

// applyAll changes every document of a view and gives how many there were.
func (c *call) applyAll(t *tx, v view, ch change) (n int64, err error) {
	seqs, err := c.numbers(t.query, v)
	if err != nil {
		return 0, err
	}
	err = c.fetch(t.query, seqs, func(s stored) (bool, error) {
		n++
		_, err := c.apply(t, s, ch)
		return true, err
	})
	return n, err
}

// parseUpdate makes an update of a checked body, and looks at the columns that may
// be written.
func (c *call) parseUpdate(checked map[string]any) (document.Update, error) {
	cast, wrong := c.castUpdate(checked)
	if wrong != nil {
		return document.Update{}, wrong
	}
	if wrong := c.writable(cast); wrong != nil {
		return document.Update{}, wrong
	}
	update, err := document.ParseUpdate(cast)
	if err != nil {
		return document.Update{}, refuse(err.Error())
	}
	return update, nil
}

// writable refuses a field that is not in acl_write_columns. Paths below an object,
// arrays, $unset and $currentDate are not looked at.
func (c *call) writable(update map[string]any) *fault {
	columns := splitColumns(c.r.Header, "acl_write_columns", false)
	if columns == nil {
		return nil
	}
	for _, op := range []string{"$set", "$inc", "$mul", "$setOnInsert"} {
		paths, _ := update[op].(map[string]any)
		for _, path := range sortedKeys(paths) {
			f := c.byName[path]
			if f == nil && strings.Contains(path, ".") || f != nil && f.kind == kindArray || slices.Contains(columns, path) {
				continue
			}
			return refuse(`You cannot edit "` + path + `" field`)
		}
	}
	return nil
}

// patch answers PATCH /:id.
func (c *call) patch() error {
	update, v, err := c.patchCall(accepts{states: true})
	if err != nil {
		return err
	}
	v.filter, v.limit = c.byIDFilter(v.filter), 1
	text, err := c.patchFirst(v, update)
	if err != nil {
		return err
	}
	return c.answerChanged(text)
}

// answerChanged answers the document after a change, narrowed by the columns that may
// be read.
func (c *call) answerChanged(text string) error {
	p, err := c.projection(&params{})
	if err != nil {
		return err
	}
	return c.answerDocument(text, p)
}

// patchCall reads the body and then the query string. A fault of the body's schema is
// reported first, that of its values last.
func (c *call) patchCall(a accepts) (document.Update, view, error) {
	b, err := c.readBody(-1)
	if err != nil {
		return document.Update{}, view{}, err
	}
	body, err := b.object()
	if err != nil {
		return document.Update{}, view{}, err
	}
	checked, wrong := c.checkUpdate(body, "body", false)
	if wrong != nil {
		return document.Update{}, view{}, wrong
	}
	v, err := c.view(a)
	if err != nil {
		return document.Update{}, view{}, err
	}
	update, err := c.parseUpdate(checked)
	return update, v, err
}

// patchFirst changes the first document of a view and gives its new text.
func (c *call) patchFirst(v view, update document.Update) (text string, err error) {
	err = c.store.db.writes.do(c.r.Context(), false, func(t *tx) error {
		found, err := c.collect(t.query, v)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return errNotFound
		}
		text, err = c.apply(t, found[0], c.newChange(update))
		return err
	})
	return text, err
}

// patchMany answers PATCH /.
func (c *call) patchMany() error {
	update, v, err := c.patchCall(accepts{id: true, states: true})
	if err != nil {
		return err
	}
	var n int64
	err = c.store.db.writes.do(c.r.Context(), false, func(t *tx) error {
		n, err = c.applyAll(t, v, c.newChange(update))
		return err
	})
	if err != nil {
		return err
	}
	return c.answerNumber(n)
}

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
