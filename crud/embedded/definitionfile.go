package embedded

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// LoadDefinitions reads the definitions of collections that a folder holds, sorted by
// file name: files of the CRUD Service's own, in its old format (fields) or its newer
// one (a JSON Schema; where both are given it counts). Files and folders with a
// leading dot are passed over.
//
// A file is held to what the CRUD Service itself demands, so that the same files can
// later be mounted there; keys that only describe (id, description, tags) are not
// looked at. What the store leaves out is an error that says so: views and look-ups,
// encryption, _ids that are no ObjectIds, documents that expire, unique indexes that
// are geographic, on arrays, or partial in another way than by {"$exists":true} for
// each of their fields (as unique indexes are here anyway), and the keywords of JSON
// Schema that it does not check. An index for geographic or text search that is not
// unique is kept and does nothing, for those searches answer 501 themselves; a hash
// index is a normal one. The formats time and duration, and definitions in
// JavaScript, are errors too.
//
// The error joins all that is wrong, each with its file, the place in it (a JSON
// pointer, or line:column where it is not even JSON) and the reason.
func LoadDefinitions(folder string) ([]Definition, error) {
	names, err := definitionFiles(folder)
	if err != nil {
		return nil, fmt.Errorf("read the definitions of collections: %w", err)
	}
	var defs []Definition
	var problems []error
	owners := map[string]string{} // file of each name and path
	for _, name := range names {
		def, wrong := loadDefinition(filepath.Join(folder, name))
		for _, key := range []string{fmt.Sprintf("name %q", def.Name), fmt.Sprintf("endpointBasePath %q", cleanPath(def.Path))} {
			if other := owners[key]; other != "" && def.Name != "" && def.Path != "" {
				wrong = append(wrong, fmt.Errorf(": the %s is taken by %s", key, other))
			}
			owners[key] = name
		}
		for _, err := range wrong {
			problems = append(problems, fmt.Errorf("%s%w", name, err))
		}
		defs = append(defs, def)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return defs, nil
}

// definitionFiles are the names of the files of a folder that define collections.
func definitionFiles(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		switch name := entry.Name(); {
		case strings.HasPrefix(name, "."):
		case strings.HasSuffix(name, ".json"):
			names = append(names, name)
		case strings.HasSuffix(name, ".js"):
			return nil, fmt.Errorf("%s: a definition in JavaScript is not supported by the embedded store: write it as JSON", filepath.Join(folder, name))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s holds no *.json file", folder)
	}
	return names, nil
}

// loadDefinition reads one file. Its problems lack the name of the file.
func loadDefinition(path string) (Definition, []error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Definition{}, []error{fmt.Errorf(": %w", err)}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var root json.RawMessage
	if err := json.Unmarshal(text, &root); err != nil {
		return Definition{}, []error{fmt.Errorf(" %s: %w", position(text, err), err)}
	}
	r := &definitionReader{}
	def := r.definition(node{raw: root})
	if len(r.problems) == 0 {
		if _, err := newCollection(def); err != nil {
			r.problems = append(r.problems, fmt.Errorf(": %w", err))
		}
	}
	return def, r.problems
}

// position is where a text stops being JSON, as line:column.
func position(text []byte, err error) string {
	before := text
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		before = text[:min(max(int(syntax.Offset)-1, 0), len(text))]
	}
	line := bytes.Count(before, []byte("\n")) + 1
	return fmt.Sprintf("%d:%d", line, len(before)-bytes.LastIndexByte(before, '\n'))
}

func cleanPath(path string) string { return "/" + strings.Trim(path, "/") }

// definitionReader reads a file's JSON and notes every problem.
type definitionReader struct{ problems []error }

// node is a value of a file and the JSON pointer to it.
type node struct {
	at  string
	raw json.RawMessage
}

func (r *definitionReader) wrong(n node, format string, args ...any) {
	at := n.at
	if at != "" {
		at = " " + at
	}
	r.problems = append(r.problems, fmt.Errorf("%s: "+format, append([]any{at}, args...)...))
}

func (r *definitionReader) leftOut(n node, what string) {
	r.wrong(n, "%s is not supported by the embedded store", what)
}

// members are the keys of an object in their order, and its values.
type members struct {
	keys   []string
	values map[string]node
}

// object gives the members of an object. It notes what is no object, and keys that
// occur twice.
func (r *definitionReader) object(n node) members {
	m := members{values: map[string]node{}}
	var values map[string]json.RawMessage
	if json.Unmarshal(n.raw, &values) != nil || values == nil {
		r.wrong(n, "must be an object")
		return m
	}
	for _, key := range orderedKeys(n.raw) {
		v := node{n.at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key), values[key]}
		if _, twice := m.values[key]; twice {
			r.wrong(v, "the key is given twice")
			continue
		}
		m.keys = append(m.keys, key)
		m.values[key] = v
	}
	return m
}

// need notes the keys that an object lacks.
func (r *definitionReader) need(n node, m members, keys ...string) {
	for _, key := range keys {
		if _, given := m.values[key]; !given {
			r.wrong(n, "%q is missing", key)
		}
	}
}

// only notes the keys that an object must not have.
func (r *definitionReader) only(m members, known ...string) {
	for _, key := range m.keys {
		if !slices.Contains(known, key) {
			r.wrong(m.values[key], "the CRUD Service knows no such key here")
		}
	}
}

// list gives the items of an array.
func (r *definitionReader) list(n node) []node {
	var items []json.RawMessage
	if json.Unmarshal(n.raw, &items) != nil || items == nil {
		r.wrong(n, "must be an array")
	}
	out := make([]node, len(items))
	for i, raw := range items {
		out[i] = node{fmt.Sprintf("%s/%d", n.at, i), raw}
	}
	return out
}

// text gives a text that is there; of none it is empty.
func (r *definitionReader) text(n node) string {
	var s *string
	if n.raw == nil {
		return ""
	}
	if json.Unmarshal(n.raw, &s) != nil || s == nil {
		r.wrong(n, "must be a text")
		return ""
	}
	return *s
}

// flag gives a boolean that is there; of none it is false.
func (r *definitionReader) flag(n node) bool {
	var b *bool
	if n.raw == nil {
		return false
	}
	if json.Unmarshal(n.raw, &b) != nil || b == nil {
		r.wrong(n, "must be true or false")
		return false
	}
	return *b
}

// oneOf gives a text that must be one of several.
func (r *definitionReader) oneOf(n node, known ...string) string {
	s := r.text(n)
	if s != "" && !slices.Contains(known, s) {
		r.wrong(n, "%q is not one of %s", s, strings.Join(known, ", "))
	}
	return s
}

// definition reads a whole file.
func (r *definitionReader) definition(n node) Definition {
	m := r.object(n)
	if len(r.problems) > 0 {
		return Definition{}
	}
	if r.isView(m) {
		return Definition{}
	}
	r.only(m, "id", "name", "endpointBasePath", "description", "defaultState", "fields", "schema", "indexes", "type", "tags")
	r.need(n, m, "name", "endpointBasePath")
	def := Definition{
		Name:         r.text(m.values["name"]),
		Path:         r.text(m.values["endpointBasePath"]),
		DefaultState: r.oneOf(m.values["defaultState"], states...),
	}
	if path := m.values["endpointBasePath"]; path.raw != nil && !isPath(def.Path) {
		r.wrong(path, "%q is not the path of a collection", def.Path)
	}
	if schema, given := m.values["schema"]; given {
		def.Fields = r.schema(schema)
	} else if fields, given := m.values["fields"]; given {
		def.Fields = r.fields(fields)
	} else {
		r.wrong(n, `"schema" or "fields" is missing`)
	}
	if indexes, given := m.values["indexes"]; given {
		def.Indexes = r.indexes(indexes, def.Fields)
	}
	return def
}

// isView notes that a file is no collection.
func (r *definitionReader) isView(m members) bool {
	if kind, given := m.values["type"]; given && r.text(kind) == "view" {
		r.leftOut(kind, "a view")
		return true
	}
	for _, key := range []string{"source", "pipeline", "enableLookup"} {
		if v, given := m.values[key]; given {
			r.leftOut(v, "a view or look-up")
			return true
		}
	}
	return false
}

// encrypted notes that a field is to be encrypted.
func (r *definitionReader) encrypted(n node) {
	if n.raw == nil {
		return
	}
	if enabled := r.object(n).values["enabled"]; r.flag(enabled) {
		r.leftOut(enabled, "encryption of a field")
	}
}

// standards notes standard fields that are not as the CRUD Service demands them.
func (r *definitionReader) standards(n node, fields []Field) {
	for _, want := range standardFields {
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == want.Name })
		switch {
		case i < 0:
			r.wrong(n, "the standard field %q is missing", want.Name)
		case want.Name == "_id" && fields[i].Type == kindString:
			r.leftOut(n, "an _id that is a text, not an ObjectId,")
		case fields[i].Type != want.Type:
			r.wrong(n, "the standard field %q must be of type %s, not %s", want.Name, want.Type, fields[i].Type)
		}
	}
}
