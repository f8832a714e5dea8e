package embedded

import (
	"strings"

	"user-manager/crud/document"
)

// duplicate makes the refusal of a write that broke a unique index, in MongoDB's words,
// or gives err back.
func (c *collection) duplicate(err error, status int, doc document.Document) error {
	columns := brokenColumns(err)
	if columns == "" {
		return err
	}
	ix := c.indexOf(columns)
	key := make([]string, len(ix.fields))
	for i, path := range ix.fields {
		v, _ := document.Get(doc, path)
		key[i] = path + ": " + string(document.AppendJSON(nil, v))
	}
	message := "E11000 duplicate key error collection: ums." + c.name + " index: " + ix.name + " dup key: { " + strings.Join(key, ", ") + " }"
	return &fault{status: status, message: message}
}

// indexOf finds the index by the columns that SQLite names.
func (c *collection) indexOf(columns string) tableIndex {
	for _, ix := range c.indexes {
		var names []string
		for _, path := range ix.fields {
			names = append(names, strings.Trim(c.table, `"`)+"."+strings.Trim(c.byPath[path].name, `"`))
		}
		if strings.Join(names, ", ") == columns {
			return ix
		}
	}
	return tableIndex{name: "_id", fields: []string{"_id"}}
}
