package embedded

import (
	"net/http"
	"slices"
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
	if err := r.check(); err != nil {
		return "", err
	}
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
