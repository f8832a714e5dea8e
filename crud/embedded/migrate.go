package embedded

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// schemaVersion is that of the layout of tables; a file with a later one is refused.
const schemaVersion = 1

// migrate brings the tables and indexes in line with the definitions, all or nothing.
func (s *Store) migrate(ctx context.Context) error {
	return s.db.writes.do(ctx, false, func(t *tx) error {
		if err := s.prepareMeta(t); err != nil {
			return fmt.Errorf("prepare the database: %w", explain(err, s.cfg.Path))
		}
		for _, c := range s.collections {
			if err := c.migrate(t, s.cfg.Log); err != nil {
				return fmt.Errorf("migrate collection %q: %w", c.name, explain(err, s.cfg.Path))
			}
		}
		return nil
	})
}

// prepareMeta reads what the file says of itself, or writes it into a new one.
func (s *Store) prepareMeta(t *tx) error {
	for _, text := range []string{
		`CREATE TABLE IF NOT EXISTS user_manager_meta (version INTEGER NOT NULL, machine TEXT NOT NULL)`,
		`CREATE TABLE IF NOT EXISTS user_manager_kinds (tbl TEXT NOT NULL, col TEXT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (tbl, col)) WITHOUT ROWID`,
	} {
		if err := t.once(text); err != nil {
			return err
		}
	}
	var version int
	var machine string
	found := false
	err := t.query(`SELECT version, machine FROM user_manager_meta`, nil, func(rows *sql.Rows) (bool, error) {
		found = true
		return false, rows.Scan(&version, &machine)
	})
	if err != nil {
		return err
	}
	if version > schemaVersion {
		return fmt.Errorf("the file was written by a later version of this program (layout %d, this one knows %d): use that one", version, schemaVersion)
	}
	fresh := newMachine()
	copy(s.db.writes.ids.machine[:], fresh[:])
	if found {
		bytes, err := hex.DecodeString(machine)
		copy(s.db.writes.ids.machine[:], bytes)
		return err
	}
	_, err = t.exec(`INSERT INTO user_manager_meta (version, machine) VALUES (?, ?)`, schemaVersion, hex.EncodeToString(fresh[:]))
	return err
}

// migrate makes the table, or brings the columns and indexes of the one that is there
// in line with the definition.
func (c *collection) migrate(t *tx, log *slog.Logger) error {
	exists, err := t.hasTable(c.table)
	if err != nil {
		return err
	}
	if !exists {
		return c.createTable(t)
	}
	present, err := c.presentIndexes(t)
	if err != nil {
		return err
	}
	if err := c.dropIndexes(t, present); err != nil {
		return err
	}
	if err := c.alterColumns(t); err != nil {
		return err
	}
	for _, ix := range c.indexes {
		if present[strings.Trim(ix.sqlName, `"`)] == c.createText(ix) {
			continue
		}
		if err := c.createIndex(t, ix); err != nil {
			return err
		}
	}
	return c.checkKinds(t, log)
}

// createTable makes the table with all its columns and indexes.
func (c *collection) createTable(t *tx) error {
	columns := []string{"seq INTEGER PRIMARY KEY AUTOINCREMENT", "id TEXT NOT NULL UNIQUE", "state TEXT NOT NULL", "doc TEXT NOT NULL"}
	for _, col := range c.columns {
		columns = append(columns, col.name)
	}
	texts := []string{
		`CREATE TABLE ` + c.table + ` (` + strings.Join(columns, ", ") + `)`,
		`CREATE INDEX ` + quoted("s_", c.name) + ` ON ` + c.table + ` (state)`,
	}
	for _, ix := range c.indexes {
		texts = append(texts, c.createText(ix))
	}
	for _, text := range texts {
		if err := t.once(text); err != nil {
			return err
		}
	}
	return c.noteKinds(t)
}

func (t *tx) hasTable(name string) (exists bool, err error) {
	err = t.query(`SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?`, []any{strings.Trim(name, `"`)}, func(*sql.Rows) (bool, error) {
		exists = true
		return false, nil
	})
	return exists, err
}

// createText is the statement that makes the index; SQLite keeps it as it is.
func (c *collection) createText(ix tableIndex) string {
	unique := ""
	if ix.unique {
		unique = "UNIQUE "
	}
	return `CREATE ` + unique + `INDEX ` + ix.sqlName + ` ON ` + c.table + ` (` + ix.columns + `)`
}

// dropIndexes drops those that are not wanted any more, or not as they are.
func (c *collection) dropIndexes(t *tx, present map[string]string) error {
	wanted := map[string]bool{}
	for _, ix := range c.indexes {
		wanted[c.createText(ix)] = true
	}
	for name, text := range present {
		if wanted[text] {
			continue
		}
		if err := t.once(`DROP INDEX "` + name + `"`); err != nil {
			return err
		}
	}
	return nil
}

// presentIndexes gives the statements of the declared indexes in the file, by name.
func (c *collection) presentIndexes(t *tx) (map[string]string, error) {
	present := map[string]string{}
	args := []any{strings.Trim(c.table, `"`)}
	err := t.query(`SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND name GLOB 'i_*'`, args, func(rows *sql.Rows) (bool, error) {
		var name, text string
		err := rows.Scan(&name, &text)
		present[name] = text
		return true, err
	})
	return present, err
}

func (c *collection) presentColumns(t *tx) ([]string, error) {
	var present []string
	args := []any{strings.Trim(c.table, `"`)}
	err := t.query(`SELECT name FROM pragma_table_info(?) WHERE name GLOB 'x_*'`, args, func(rows *sql.Rows) (bool, error) {
		var name string
		err := rows.Scan(&name)
		present = append(present, `"`+name+`"`)
		return true, err
	})
	return present, err
}

// alterColumns drops columns without an index, and adds and fills new ones.
func (c *collection) alterColumns(t *tx) error {
	present, err := c.presentColumns(t)
	if err != nil {
		return err
	}
	for _, name := range present {
		if slices.ContainsFunc(c.columns, func(col column) bool { return col.name == name }) {
			continue
		}
		if err := t.once(`ALTER TABLE ` + c.table + ` DROP COLUMN ` + name); err != nil {
			return err
		}
	}
	added := false
	for _, col := range c.columns {
		if slices.Contains(present, col.name) {
			continue
		}
		if err := t.once(`ALTER TABLE ` + c.table + ` ADD COLUMN ` + col.name); err != nil {
			return err
		}
		added = true
	}
	if !added {
		return nil
	}
	return c.fillColumns(t)
}

// fillColumns sets every column from the documents.
func (c *collection) fillColumns(t *tx) error {
	var sets []string
	for _, col := range c.columns {
		sets = append(sets, col.name+" = ?")
	}
	update := `UPDATE ` + c.table + ` SET ` + strings.Join(sets, ", ") + ` WHERE seq = ?`
	for last := int64(0); ; {
		piece, err := c.after(t, last)
		if err != nil || len(piece) == 0 {
			return err
		}
		for _, stored := range piece {
			doc, err := readDocument(stored.text)
			if err != nil {
				return err
			}
			args := append(c.newRow(doc, nil).columns, stored.seq)
			if _, err := t.exec(update, args...); err != nil {
				return err
			}
			last = stored.seq
		}
	}
}

// stored is a document as it comes from its table.
type stored struct {
	seq  int64
	text string
}

// after reads the next documents in insertion order.
func (c *collection) after(t *tx, seq int64) ([]stored, error) {
	var out []stored
	err := t.query(`SELECT seq, doc FROM `+c.table+` WHERE seq > ? ORDER BY seq LIMIT 500`, []any{seq}, func(rows *sql.Rows) (bool, error) {
		var s stored
		err := rows.Scan(&s.seq, &s.text)
		out = append(out, s)
		return true, err
	})
	return out, err
}

// createIndex makes an index. When the documents break a unique one, the error names
// the first that do.
func (c *collection) createIndex(t *tx, ix tableIndex) error {
	err := t.once(c.createText(ix))
	if resultCode(err) == codeConstraint {
		return c.duplicates(t, ix)
	}
	return err
}

// duplicates is the error that names documents with the same values.
func (c *collection) duplicates(t *tx, ix tableIndex) error {
	var names, present []string
	for _, path := range ix.fields {
		name := c.byPath[path].name
		names = append(names, name)
		present = append(present, name+" IS NOT NULL")
	}
	var ids string
	err := t.query(`SELECT group_concat(id, ', ') FROM `+c.table+` WHERE `+strings.Join(present, " AND ")+
		` GROUP BY `+strings.Join(names, ", ")+` HAVING count(*) > 1 ORDER BY min(seq) LIMIT 1`, nil, func(rows *sql.Rows) (bool, error) {
		return false, rows.Scan(&ids)
	})
	if err != nil {
		return err
	}
	if len(ids) > 400 {
		ids = ids[:strings.LastIndex(ids[:400], ",")] + ", ..."
	}
	return fmt.Errorf("the unique index %q on %s is broken by the documents %s, which have the same value: change or delete all but one of them, or drop the index from the definition",
		ix.name, strings.Join(ix.fields, ", "), ids)
}
