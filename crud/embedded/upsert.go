package embedded

import (
	"maps"
	"net/http"

	"user-manager/crud/document"
)

// upsert answers POST /upsert-one: it changes the first document that matches, or
// inserts one.
func (c *call) upsert() error {
	b, err := c.readBody(-1)
	if err != nil {
		return err
	}
	body, err := b.object()
	if err != nil {
		return err
	}
	checked, wrong := c.checkUpdate(body, "body", true)
	if wrong != nil {
		return wrong
	}
	v, err := c.view(accepts{states: true})
	if err != nil {
		return err
	}
	v.limit = 1
	update, insert, err := c.upsertUpdates(checked)
	if err != nil {
		return err
	}
	text, err := c.upsertOne(v, update, insert)
	if err != nil {
		return err
	}
	return c.answerChanged(text)
}

// upsertUpdates gives the update of a document that is there, and that which makes a
// new one.
func (c *call) upsertUpdates(checked map[string]any) (update, insert document.Update, err error) {
	onInsert, _ := checked["$setOnInsert"].(map[string]any)
	plain := maps.Clone(checked)
	delete(plain, "$setOnInsert")
	set, _ := plain["$set"].(map[string]any)
	joined := map[string]any{}
	maps.Copy(joined, set)
	for path, v := range onInsert {
		if _, twice := set[path]; twice {
			return update, insert, refuse("Updating the path '" + path + "' would create a conflict at '" + path + "'")
		}
		joined[path] = v
	}
	whole := maps.Clone(plain)
	whole["$set"] = joined
	if insert, err = c.parseUpdate(whole); err != nil {
		return update, insert, err
	}
	update, err = c.parseUpdate(plain)
	return update, insert, err
}

func (c *call) upsertOne(v view, update, insert document.Update) (text string, err error) {
	err = c.store.db.writes.do(c.r.Context(), false, func(t *tx) error {
		found, err := c.collect(t.query, v)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			text, err = c.apply(t, found[0], c.newChange(update))
			return err
		}
		now := c.store.cfg.Now()
		doc, err := insert.Apply(document.Document{}, now)
		if err != nil {
			return refuse(err.Error())
		}
		c.stamp(doc, c.user(), now)
		if err := c.insertOne(t, newDocument{doc: doc}, http.StatusBadRequest); err != nil {
			return err
		}
		text = string(c.newRow(doc, nil).text)
		return nil
	})
	return text, err
}
