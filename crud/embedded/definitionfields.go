package embedded

import (
	"encoding/json"
	"maps"
	"slices"
)

// fields reads the fields of the old format.
func (r *definitionReader) fields(n node) []Field {
	var fields []Field
	seen := map[string]bool{}
	before := len(r.problems)
	for _, item := range r.list(n) {
		f, ok := r.field(item)
		if !ok {
			continue
		}
		if seen[f.Name] {
			r.wrong(item, "the field %q is declared twice", f.Name)
		}
		seen[f.Name] = true
		fields = append(fields, f)
	}
	if len(r.problems) == before {
		r.standards(n, fields)
	}
	return fields
}

// field reads one field; keys that it does not know are the CRUD Service's to ignore.
func (r *definitionReader) field(n node) (Field, bool) {
	before := len(r.problems)
	m := r.object(n)
	if len(r.problems) > before {
		return Field{}, false
	}
	r.need(n, m, "name", "type")
	f := Field{
		Name:     r.text(m.values["name"]),
		Type:     r.oneOf(m.values["type"], kindID, kindString, kindNumber, kindBool, kindDate, kindGeo, kindObject, kindArray),
		Required: r.flag(m.values["required"]),
		Nullable: r.flag(m.values["nullable"]),
	}
	r.fieldName(m.values["name"], f.Name)
	r.encrypted(m.values["encryption"])
	if isStandard(f.Name) && !f.Required {
		r.wrong(n, "the standard field %q must be required", f.Name)
	}
	switch schema, given := m.values["schema"]; {
	case f.Type == kindArray:
		r.need(n, m, "items")
		if items, given := m.values["items"]; given {
			f.Items = r.items(items)
		}
	case f.Type == kindObject && given:
		f.Schema = r.nested(schema)
		fallthrough
	default:
		r.need(n, m, "required")
	}
	return f, len(r.problems) == before
}

func (r *definitionReader) fieldName(n node, name string) {
	if n.raw != nil && !isFieldName(name) {
		r.wrong(n, "%q is no name of a field: it is empty, or holds a dot or a dollar", name)
	}
}

// items reads the type of the items of an Array.
func (r *definitionReader) items(n node) *Field {
	m := r.object(n)
	f := &Field{Type: kindAny}
	if kind, given := m.values["type"]; given {
		f.Type = r.oneOf(kind, kindString, kindNumber, kindObject, kindID)
	}
	if schema, given := m.values["schema"]; given && f.Type == kindObject {
		f.Schema = r.nested(schema)
	}
	return f
}

// indexes reads the indexes, which both formats have alike.
func (r *definitionReader) indexes(n node, fields []Field) []Index {
	var indexes []Index
	seen := map[string]bool{}
	for _, item := range r.list(n) {
		before := len(r.problems)
		m := r.object(item)
		if len(r.problems) > before {
			continue
		}
		ix := r.index(item, m)
		if seen[ix.Name] && ix.Name != "" {
			r.wrong(item, "the index %q is declared twice", ix.Name)
		}
		seen[ix.Name] = true
		if ix.Unique {
			r.uniqueIndex(item, m, ix, fields)
		}
		indexes = append(indexes, ix)
	}
	return indexes
}

func (r *definitionReader) index(n node, m members) Index {
	r.need(n, m, "name", "type", "unique")
	ix := Index{
		Name:   r.text(m.values["name"]),
		Type:   r.oneOf(m.values["type"], "normal", "hash", "geo", "text"),
		Unique: r.flag(m.values["unique"]),
	}
	if ix.Name == "" && m.values["name"].raw != nil {
		r.wrong(m.values["name"], "the index has no name")
	}
	known := []string{"name", "type", "unique", "usePartialFilter", "partialFilterExpression"}
	switch ix.Type {
	case "hash", "geo":
		r.only(m, append(known, "field")...)
		r.need(n, m, "field")
		ix.Fields = []IndexField{{Name: r.text(m.values["field"]), Order: 1}}
	case "text":
		r.only(m, append(known, "fields", "weights", "defaultLanguage", "languageOverride", "background")...)
		ix.Fields = r.indexFields(n, m, false)
	default:
		r.only(m, append(known, "fields", "expireAfterSeconds")...)
		ix.Fields = r.indexFields(n, m, true)
	}
	if expire, given := m.values["expireAfterSeconds"]; given {
		r.leftOut(expire, "an index after which documents expire")
	}
	return ix
}

func (r *definitionReader) indexFields(n node, m members, ordered bool) []IndexField {
	r.need(n, m, "fields")
	list, given := m.values["fields"]
	if !given {
		return nil
	}
	var fields []IndexField
	for _, item := range r.list(list) {
		f := r.object(item)
		r.need(item, f, "name")
		out := IndexField{Name: r.text(f.values["name"]), Order: 1}
		if ordered {
			r.only(f, "name", "order")
			r.need(item, f, "order")
			out.Order = r.order(f.values["order"])
		}
		fields = append(fields, out)
	}
	if len(fields) == 0 {
		r.wrong(list, "the index has no fields")
	}
	return fields
}

func (r *definitionReader) order(n node) int {
	switch string(n.raw) {
	case "", "1":
		return 1
	case "-1":
		return -1
	}
	r.wrong(n, "must be 1 or -1")
	return 1
}

// uniqueIndex notes unique indexes that the store cannot hold documents to as the CRUD
// Service does.
func (r *definitionReader) uniqueIndex(n node, m members, ix Index, fields []Field) {
	switch {
	case ix.Type == "geo" || ix.Type == "text":
		r.leftOut(n, "a unique index of type "+ix.Type)
	case ix.Type == "hash":
		r.wrong(n, "an index of type hash cannot be unique")
	case r.flag(m.values["usePartialFilter"]) && !wherePresent(r.text(m.values["partialFilterExpression"]), ix):
		r.leftOut(m.values["usePartialFilter"], `a unique index with a partial filter other than {"$exists":true} for each of its fields`)
	}
	for _, f := range ix.Fields {
		if slices.ContainsFunc(fields, func(d Field) bool { return d.Name == f.Name && d.Type == kindArray }) {
			r.leftOut(n, "a unique index on the array "+f.Name)
		}
	}
}

// wherePresent reports whether a partial filter says that the index holds where all of
// its fields are present, as unique ones do here anyway.
func wherePresent(filter string, ix Index) bool {
	var present map[string]map[string]bool
	if json.Unmarshal([]byte(filter), &present) != nil || len(present) != len(ix.Fields) {
		return false
	}
	return !slices.ContainsFunc(ix.Fields, func(f IndexField) bool {
		return !maps.Equal(present[f.Name], map[string]bool{"$exists": true})
	})
}
