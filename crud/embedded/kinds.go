package embedded

import (
	"database/sql"
	"log/slog"
	"strings"
)

// kindMixed stands for the kind of a column in which documents from before a change of
// the definition have arrays or objects.
const kindMixed = "mixed"

// checkKinds looks at the columns whose fields have changed their type since the last
// start. A column holds a document's value whatever its type, so none is written
// anew. But SQL may only decide on scalars: where documents from before the change
// have an array or an object, the index is left aside and the matcher decides alone,
// until a later start finds them gone.
func (c *collection) checkKinds(t *tx, log *slog.Logger) error {
	known, err := c.knownKinds(t)
	if err != nil {
		return err
	}
	changed := len(known) != len(c.columns)
	for i, col := range c.columns {
		if kind, ok := known[col.name]; ok && kind == col.kind {
			continue
		}
		changed = true
		if col.kind == "" {
			continue
		}
		id, err := c.notScalar(t, col)
		if err != nil {
			return err
		}
		if id != "" {
			log.Warn("index is not used: documents have an array or an object where the field is declared otherwise", "collection", c.name, "field", col.path, "firstId", id)
			col.kind = kindMixed
			c.columns[i], c.byPath[col.path] = col, col
		}
	}
	if !changed {
		return nil
	}
	return c.noteKinds(t)
}

// knownKinds are the kinds of the columns at the last start.
func (c *collection) knownKinds(t *tx) (map[string]string, error) {
	known := map[string]string{}
	err := t.query(`SELECT col, kind FROM user_manager_kinds WHERE tbl = ?`, []any{strings.Trim(c.table, `"`)}, func(rows *sql.Rows) (bool, error) {
		var name, kind string
		err := rows.Scan(&name, &kind)
		known[name] = kind
		return true, err
	})
	return known, err
}

// notScalar gives the id of the first document that has an array or an object in the
// column, or "".
func (c *collection) notScalar(t *tx, col column) (id string, err error) {
	text := `SELECT id FROM ` + c.table + ` WHERE ` + col.name + ` >= x'01' AND ` + col.name + ` < x'03' ORDER BY seq LIMIT 1`
	err = t.query(text, nil, func(rows *sql.Rows) (bool, error) { return false, rows.Scan(&id) })
	return id, err
}

// noteKinds keeps the kinds of the columns for the next start.
func (c *collection) noteKinds(t *tx) error {
	table := strings.Trim(c.table, `"`)
	if _, err := t.exec(`DELETE FROM user_manager_kinds WHERE tbl = ?`, table); err != nil {
		return err
	}
	for _, col := range c.columns {
		if _, err := t.exec(`INSERT INTO user_manager_kinds (tbl, col, kind) VALUES (?, ?, ?)`, table, col.name, col.kind); err != nil {
			return err
		}
	}
	return nil
}
