package embedded

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
)

// collection is a definition made ready: its fields, its table and its columns.
type collection struct {
	name         string
	path         string
	defaultState string
	open         bool
	internal     bool

	fields  []*field // the standard ones first, then those of the definition
	byName  map[string]*field
	table   string // quoted
	columns []column
	byPath  map[string]column // what SQL can decide on, by path
	indexes []tableIndex
	sortBy  string // the pattern of _s

	insertSQL, updateSQL string
}

// column is a column of the table that holds the value at a path.
type column struct {
	path string
	name string // quoted
	kind string // of the field; "" where nothing is known of the values, or kindMixed
}

// tableIndex is an index of the table.
type tableIndex struct {
	name    string // as declared
	sqlName string // quoted
	unique  bool
	fields  []string // paths
	columns string   // quoted names with their order
}

func newCollection(def Definition) (*collection, error) {
	if err := def.check(); err != nil {
		return nil, err
	}
	c := &collection{
		name: def.Name, path: "/" + strings.Trim(def.Path, "/"), open: def.Open, internal: def.Internal,
		defaultState: cmp.Or(def.DefaultState, "DRAFT"),
		byName:       map[string]*field{}, byPath: map[string]column{}, table: quoted("c_", def.Name),
	}
	var problems []error
	for _, f := range append(slices.Clone(standardFields), def.Fields...) {
		if c.byName[f.Name] != nil {
			continue // a standard one that the definition repeats
		}
		made, err := newField(f)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		c.fields = append(c.fields, made)
		c.byName[f.Name] = made
	}
	c.addColumns(def.Indexes)
	c.sortBy = c.sortPattern()
	c.insertSQL, c.updateSQL = c.insertText(), c.updateText()
	return c, errors.Join(problems...)
}

// addColumns lays out the table: the columns it has anyway, and those of indexes.
func (c *collection) addColumns(indexes []Index) {
	c.byPath["_id"] = column{"_id", "id", kindID}
	c.byPath["__STATE__"] = column{"__STATE__", "state", kindString}
	for _, ix := range indexes {
		if len(ix.Fields) == 1 && (ix.Fields[0].Name == "_id" || ix.Fields[0].Name == "__STATE__") {
			continue // the table has these anyway
		}
		if !ix.served() {
			continue
		}
		t := tableIndex{name: ix.Name, sqlName: quoted("i_", c.name+"."+ix.Name), unique: ix.Unique}
		var columns []string
		for _, f := range ix.Fields {
			col := c.column(f.Name)
			name := col.name
			if f.Order < 0 {
				name += " DESC"
			}
			t.fields = append(t.fields, f.Name)
			columns = append(columns, name)
		}
		t.columns = strings.Join(columns, ", ")
		c.indexes = append(c.indexes, t)
	}
}

// column is the column of a path, made if there is none.
func (c *collection) column(path string) column {
	if col, ok := c.byPath[path]; ok {
		return col
	}
	col := column{path: path, name: quoted("x_", path)}
	if f := c.fieldAt(path); f != nil && !f.asIs() && f.kind != kindArray && f.kind != kindGeo && f.kind != kindObject {
		col.kind = f.kind
	}
	c.columns = append(c.columns, col)
	c.byPath[path] = col
	return col
}

// sqlColumn is the column that SQL may narrow and sort by: its values are scalars.
func (c *collection) sqlColumn(path string) (column, bool) {
	col, ok := c.byPath[path]
	return col, ok && col.kind != "" && col.kind != kindMixed
}

// quoted makes an identifier of any name. SQLite takes letters of either case for the
// same, so capitals are written out.
func quoted(prefix, name string) string {
	out := []byte(`"` + prefix)
	for _, b := range []byte(name) {
		if b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '_' {
			out = append(out, b)
		} else {
			out = append(out, '$', hexDigits[b>>4], hexDigits[b&15])
		}
	}
	return string(append(out, '"'))
}

const hexDigits = "0123456789abcdef"

// sortPattern is the pattern that the texts of _s must match.
func (c *collection) sortPattern() string {
	names := []string{"_id", "updaterId", "updatedAt", "creatorId", "createdAt", "__STATE__"}
	for _, f := range c.fields {
		if !f.standard {
			names = append(names, f.name)
		}
	}
	one := `-?(` + strings.Join(names, "|") + `)(\.([^\.,])+)*`
	return "^" + one + "(," + one + ")*$"
}

// knows reports whether the first part of a path is a field.
func (c *collection) knows(path string) bool {
	top, _, _ := strings.Cut(path, ".")
	return c.byName[top] != nil || c.open && top != "" && !strings.HasPrefix(top, "$")
}

// fieldAt is the field at a path, also below an object with a schema; nil when
// nothing is known of the values there.
func (c *collection) fieldAt(path string) *field {
	top, rest, below := strings.Cut(path, ".")
	f := c.byName[top]
	for below && f != nil {
		if f.schema == nil {
			return nil
		}
		top, rest, below = strings.Cut(rest, ".")
		f = f.schema.byName[top]
	}
	return f
}

// isFree reports whether a path leads to where values are kept as they are: below an
// object without a schema, or to a further field of an open collection.
func (c *collection) isFree(path string) bool {
	top, rest, below := strings.Cut(path, ".")
	f := c.byName[top]
	if f == nil {
		return c.open && top != "" && top[0] != '$'
	}
	for below {
		if f.kind == kindObject && f.schema == nil || f.kind == kindAny {
			return true
		}
		if f.schema == nil {
			return false
		}
		next := f.schema.byName[nextPart(&rest, &below)]
		if next == nil {
			return f.schema.additional
		}
		f = next
	}
	return f.kind == kindAny
}

// nextPart cuts the first part off a path.
func nextPart(rest *string, below *bool) string {
	var part string
	part, *rest, *below = strings.Cut(*rest, ".")
	return part
}

func sortedKeys(m map[string]any) []string {
	return slices.Sorted(maps.Keys(m))
}
