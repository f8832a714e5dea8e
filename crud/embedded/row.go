package embedded

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"user-manager/crud/document"
)

// row is a document as its table holds it.
type row struct {
	id, state string
	text      []byte
	columns   []any // of the collection's columns, in order
}

// newRow lays out a document: the standard fields, then those of the definition, then
// further ones by name. raw has the texts of fields that are to stay as they were
// written.
func (c *collection) newRow(doc document.Document, raw document.Raw) row {
	r := row{text: make([]byte, 0, 512), columns: make([]any, len(c.columns))}
	r.id, _ = doc["_id"].(string)
	r.state, _ = doc["__STATE__"].(string)
	r.text = append(r.text, '{')
	known := 0
	for _, f := range c.fields {
		if v, ok := doc[f.name]; ok {
			r.text = appendField(r.text, f.name, v, raw)
			known++
		}
	}
	if known < len(doc) {
		for _, name := range sortedKeys(doc) {
			if c.byName[name] == nil {
				r.text = appendField(r.text, name, doc[name], raw)
			}
		}
	}
	r.text = append(r.text, '}')
	for i, col := range c.columns {
		r.columns[i] = columnAt(doc, col.path)
	}
	return r
}

// check refuses a document that is too large, or that could not be read again: for its
// levels, or for keys that [document.Parse] refuses. An update can bring either about piece
// by piece.
func (r row) check() error {
	if len(r.text) > maxDocument {
		return refuse("the document is larger than " + strconv.Itoa(maxDocument) + " bytes")
	}
	brackets := bytes.Count(r.text, []byte("[")) + bytes.Count(r.text, []byte("{"))
	if brackets <= document.MaxDepth && !bytes.Contains(r.text, []byte(`proto`)) {
		return nil // most
	}
	if _, err := document.Parse(string(r.text)); err != nil {
		return refuse(err.Error())
	}
	return nil
}

// columnAt is what the column of a path holds: the value there, or an array's mark
// where one is on the way, for then the path leads to several values.
func columnAt(doc document.Document, path string) any {
	v, found := document.Get(doc, path)
	if found || !strings.Contains(path, ".") {
		return columnValue(v)
	}
	for i, c := range path {
		if c != '.' {
			continue
		}
		above, _ := document.Get(doc, path[:i])
		if _, isArray := above.([]any); isArray {
			return []byte{blobArray}
		}
	}
	return nil
}

func appendField(dst []byte, name string, v any, raw document.Raw) []byte {
	if len(dst) > 1 {
		dst = append(dst, ',')
	}
	dst = append(document.AppendJSON(dst, name), ':')
	text, ok := raw[name]
	if !ok {
		return document.AppendJSON(dst, v)
	}
	return append(dst, text...)
}

// keepRaw picks the texts that are stored as they were written: those of fields whose
// values are kept as they are. So keys inside them keep their order.
func (c *collection) keepRaw(raw document.Raw) document.Raw {
	var kept document.Raw
	for name, text := range raw {
		f := c.byName[name]
		if f != nil && !f.asIs() || text[0] != '{' && text[0] != '[' || !utf8.ValidString(text) {
			continue
		}
		compact := text
		if strings.ContainsAny(text, " \t\r\n") {
			var buf bytes.Buffer
			if json.Compact(&buf, []byte(text)) != nil {
				continue
			}
			compact = buf.String()
		}
		if kept == nil {
			kept = document.Raw{}
		}
		kept[name] = compact
	}
	return kept
}

func (c *collection) insertText() string {
	names := []string{"id", "state", "doc"}
	for _, col := range c.columns {
		names = append(names, col.name)
	}
	return "INSERT INTO " + c.table + " (" + strings.Join(names, ", ") + ") VALUES " + marks(len(names))
}

func (c *collection) updateText() string {
	sets := []string{"state = ?", "doc = ?"}
	for _, col := range c.columns {
		sets = append(sets, col.name+" = ?")
	}
	return "UPDATE " + c.table + " SET " + strings.Join(sets, ", ") + " WHERE seq = ?"
}

// Leading bytes of the values that SQLite has no type for, in MongoDB's order.
const (
	blobObject = 1
	blobArray  = 2
	blobBool   = 3
)

// columnValue is a value as a column holds it, so that SQLite orders and compares
// values as package document does: null, numbers, texts, all others as bytes.
func columnValue(v any) any {
	switch v := v.(type) {
	case nil, string, float64:
		return v
	case bool:
		if v {
			return []byte{blobBool, 1}
		}
		return []byte{blobBool, 0}
	case []any:
		return document.AppendJSON([]byte{blobArray}, v)
	}
	return document.AppendJSON([]byte{blobObject}, v)
}

// readDocument parses a stored text.
func readDocument(text string) (document.Document, error) {
	v, err := document.Parse(text)
	if err != nil {
		return nil, err
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("a stored document is no object: the database is damaged")
	}
	return doc, nil
}
