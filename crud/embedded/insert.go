package embedded

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"user-manager/crud/document"
)

// insertable are the standard fields that a body of an insert may have.
func insertable(name string) bool { return name == "__STATE__" }

// checkDocument checks and coerces a document that is to be stored: required fields,
// then unknown ones, then the values in the order of the definition.
func (c *collection) checkDocument(v any, path string) (document.Document, *fault) {
	in, ok := v.(map[string]any)
	if !ok {
		return nil, invalid(path, "must be object")
	}
	if wrong := c.required(in, path); wrong != nil {
		return nil, wrong
	}
	for _, name := range sortedKeys(in) {
		f := c.byName[name]
		if f == nil && !c.acceptsExtra(name) || f != nil && f.standard && !insertable(name) {
			return nil, undefined(path, name)
		}
	}
	return c.coerceFields(in, path)
}

// acceptsExtra reports whether a field that is not declared may be stored.
func (c *collection) acceptsExtra(name string) bool {
	return c.open && name != "" && !strings.HasPrefix(name, "$") && !strings.Contains(name, ".")
}

func (c *collection) required(in map[string]any, path string) *fault {
	for _, f := range c.fields {
		if _, given := in[f.name]; f.required && !f.standard && !given {
			return invalid(path, "must have required property '"+f.name+"'")
		}
	}
	return nil
}

func (c *collection) coerceFields(in map[string]any, path string) (document.Document, *fault) {
	out := make(document.Document, len(in)+6)
	for name, v := range in {
		if c.byName[name] == nil {
			out[name] = v
		}
	}
	return out, coerceInto(out, in, c.fields, path)
}

// castDocument casts the values of a checked document, in place.
func (c *collection) castDocument(doc document.Document) *fault {
	for _, f := range c.fields {
		v, given := doc[f.name]
		if !given {
			continue
		}
		var wrong *fault
		if doc[f.name], wrong = f.cast(v); wrong != nil {
			return wrong
		}
	}
	return nil
}

// stamp sets the standard fields of a new document but for its id.
func (c *collection) stamp(doc document.Document, user string, now time.Time) {
	at := document.Date(now)
	doc["creatorId"], doc["updaterId"] = user, user
	doc["createdAt"], doc["updatedAt"] = at, at
	if _, given := doc["__STATE__"]; !given {
		doc["__STATE__"] = c.defaultState
	}
}

// newDocument is a checked document to be inserted, and the texts that it keeps.
type newDocument struct {
	doc document.Document
	raw document.Raw
}

// prepare checks a document and makes it ready to be inserted.
func (c *call) prepare(v any, raw document.Raw, path string) (newDocument, *fault) {
	doc, wrong := c.checkDocument(v, path)
	return newDocument{doc, c.keepRaw(raw)}, wrong
}

// insert answers POST /.
func (c *call) insert() error {
	b, err := c.readBody(0)
	if err != nil {
		return err
	}
	n, wrong := c.prepare(b.value, b.raw(0), "body")
	if wrong == nil {
		wrong = c.castDocument(n.doc)
	}
	if wrong != nil {
		return wrong
	}
	c.stamp(n.doc, c.user(), c.store.cfg.Now())
	err = c.store.db.writes.do(c.r.Context(), true, func(t *tx) error {
		return c.insertOne(t, n, http.StatusConflict)
	})
	if err != nil {
		return err
	}
	return c.answerID(n.doc["_id"].(string))
}

// insertOne stores a document, and gives it an id if it has none. duplicate is the
// status where it breaks a unique index.
func (c *call) insertOne(t *tx, n newDocument, duplicate int) error {
	if _, given := n.doc["_id"]; !given {
		n.doc["_id"] = t.w.ids.next(c.store.cfg.Now())
	}
	r := c.newRow(n.doc, n.raw)
	if err := r.check(); err != nil {
		return err
	}
	_, err := t.exec(c.insertSQL, append([]any{r.id, r.state, string(r.text)}, r.columns...)...)
	return c.duplicate(err, duplicate, n.doc)
}

// validate answers POST /validate.
func (c *call) validate() error {
	b, err := c.readBody(-1)
	if err != nil {
		return err
	}
	if _, wrong := c.checkDocument(b.value, "body"); wrong != nil {
		return wrong
	}
	return c.answer(http.StatusOK, []byte(`{"result":"ok"}`))
}

// insertBulk answers POST /bulk: all documents are checked first, then they are
// inserted in order up to the first duplicate, and those before it stay.
func (c *call) insertBulk() error {
	b, err := c.readBody(1)
	if err != nil {
		return err
	}
	items, err := b.array()
	if err != nil {
		return err
	}
	news, wrong := c.prepareAll(items, b)
	if wrong != nil {
		return wrong
	}
	now := c.store.cfg.Now()
	for _, n := range news {
		c.stamp(n.doc, c.user(), now)
	}
	if err := c.insertAll(news); err != nil {
		return err
	}
	answer := make([]any, len(news))
	for i, n := range news {
		answer[i] = map[string]any{"_id": n.doc["_id"]}
	}
	return c.answer(http.StatusOK, document.AppendJSON(nil, answer))
}

func (c *call) prepareAll(items []any, b body) ([]newDocument, *fault) {
	if len(items) == 0 {
		return nil, refuse("At least one element is required")
	}
	news := make([]newDocument, len(items))
	for i, item := range items {
		var wrong *fault
		if news[i], wrong = c.prepare(item, b.raw(i), "body/"+strconv.Itoa(i)); wrong != nil {
			return nil, wrong
		}
	}
	for _, n := range news {
		if wrong := c.castDocument(n.doc); wrong != nil {
			return nil, wrong
		}
	}
	return news, nil
}

// insertAll inserts in order up to the first duplicate.
func (c *call) insertAll(news []newDocument) error {
	return writeUntilRefused(c, news, func(t *tx, n newDocument) error { return c.insertOne(t, n, http.StatusConflict) })
}

// writeUntilRefused writes items in order, in one transaction, up to the first that is
// refused. A refusal is the result, not that of the transaction: what stands before it
// stays.
func writeUntilRefused[T any](c *call, items []T, write func(*tx, T) error) error {
	var refused error
	err := c.store.db.writes.do(c.r.Context(), false, func(t *tx) error {
		for _, item := range items {
			err := write(t, item)
			if _, refusal := err.(*fault); refusal {
				refused = err
				return nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return refused
}
