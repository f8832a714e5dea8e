package embedded

import (
	"encoding/json"
	"fmt"
	"slices"
)

// The kinds of fields, by the names the CRUD Service gives them. kindAny is what
// stands below a RawObject without a schema, and a further field of an open
// collection.
const (
	kindString  = "string"
	kindNumber  = "number"
	kindInteger = "integer"
	kindBool    = "boolean"
	kindDate    = "Date"
	kindID      = "ObjectId"
	kindArray   = "Array"
	kindObject  = "RawObject"
	kindGeo     = "GeoPoint"
	kindAny     = "any"
)

// field is a declared field, or a part of a schema, ready to check values.
type field struct {
	name     string
	kind     string
	required bool
	nullable bool
	standard bool
	items    *field      // of an Array
	schema   *properties // of a RawObject; nil: any object
	rules    *rules      // of a value in a schema; nil: none
}

// properties is the schema of an object.
type properties struct {
	fields     []*field
	byName     map[string]*field
	additional bool // further keys are kept as they are
}

func newField(f Field) (*field, error) {
	out := &field{name: f.Name, kind: f.Type, required: f.Required, nullable: f.Nullable, standard: isStandard(f.Name)}
	switch f.Type {
	case kindString, kindNumber, kindInteger, kindBool, kindDate, kindID, kindGeo:
		return out, nil
	case kindArray:
		item := Field{Type: kindAny}
		if f.Items != nil {
			item = *f.Items
		}
		if item.Type == kindAny {
			out.items = &field{kind: kindAny}
			return out, nil
		}
		var err error
		out.items, err = newField(item)
		return out, err
	case kindObject:
		if len(f.Schema) == 0 {
			return out, nil
		}
		var err error
		out.schema, err = newProperties(f.Schema)
		return out, err
	}
	return nil, fmt.Errorf("field %q: unknown type %q", f.Name, f.Type)
}

// newProperties reads the part of JSON Schema that the CRUD Service looks at.
func newProperties(text json.RawMessage) (*properties, error) {
	var in struct {
		Properties           json.RawMessage `json:"properties"`
		Required             []string        `json:"required"`
		AdditionalProperties any             `json:"additionalProperties"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	p := &properties{byName: map[string]*field{}, additional: in.AdditionalProperties != false}
	var schemas map[string]json.RawMessage
	if len(in.Properties) > 0 {
		if err := json.Unmarshal(in.Properties, &schemas); err != nil {
			return nil, fmt.Errorf("read properties of schema: %w", err)
		}
	}
	for _, name := range orderedKeys(in.Properties) {
		f, err := schemaField(name, schemas[name])
		if err != nil {
			return nil, fmt.Errorf("property %q: %w", name, err)
		}
		f.required = slices.Contains(in.Required, name)
		p.fields = append(p.fields, f)
		p.byName[name] = f
	}
	return p, nil
}

func schemaField(name string, text json.RawMessage) (*field, error) {
	var in struct {
		Type       any             `json:"type"`
		Nullable   bool            `json:"nullable"`
		Items      json.RawMessage `json:"items"`
		Properties json.RawMessage `json:"properties"`
		Enum       []any           `json:"enum"`
		Pattern    string          `json:"pattern"`
		Format     string          `json:"format"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	made, err := newRules(in.Enum, in.Pattern, in.Format)
	if err != nil {
		return nil, err
	}
	f := &field{name: name, kind: kindAny, nullable: in.Nullable, rules: made}
	switch in.Type {
	case "string":
		f.kind = kindString
	case "number":
		f.kind = kindNumber
	case "integer":
		f.kind = kindInteger
	case "boolean":
		f.kind = kindBool
	case "array":
		f.kind, f.items = kindArray, &field{kind: kindAny}
		if len(in.Items) > 0 {
			f.items, err = schemaField("", in.Items)
		}
	case "object":
		f.kind = kindObject
		if len(in.Properties) > 0 {
			f.schema, err = newProperties(text)
		}
	}
	return f, err
}

// free reports whether values below the field are kept as they are.
func (f *field) free() bool {
	return f.kind == kindAny || f.kind == kindObject && f.schema == nil
}

// asIs reports whether a value of the field is stored with the text it came with.
func (f *field) asIs() bool {
	return f.free() || f.kind == kindArray && f.items.free()
}
