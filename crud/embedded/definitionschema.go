package embedded

import (
	"encoding/json"
	"regexp"
	"slices"
)

// schema reads the properties of the newer format. As in the CRUD Service the type of
// a property counts, and the shape of objects; pattern and enum of a property itself
// are not looked at.
func (r *definitionReader) schema(n node) []Field {
	m := r.object(n)
	r.need(n, m, "type", "properties", "required")
	r.oneOf(m.values["type"], "object")
	list, given := m.values["properties"]
	if !given {
		return nil
	}
	required := r.names(m.values["required"])
	properties := r.object(list)
	for _, name := range required {
		if _, declared := properties.values[name]; !declared {
			r.wrong(m.values["required"], "%q is required and not among the properties", name)
		}
	}
	var fields []Field
	before := len(r.problems)
	for _, name := range properties.keys {
		v := properties.values[name]
		r.fieldName(v, name)
		f := r.property(v)
		f.Name, f.Required = name, slices.Contains(required, name)
		fields = append(fields, f)
	}
	if len(r.problems) == before {
		r.standards(list, fields)
	}
	return fields
}

// names reads a list of texts.
func (r *definitionReader) names(n node) []string {
	if n.raw == nil {
		return nil
	}
	var names []string
	for _, item := range r.list(n) {
		names = append(names, r.text(item))
	}
	return names
}

var (
	schemaTypes = []string{"array", "boolean", "integer", "null", "number", "object", "string"}
	dateFormats = []string{"date-time", "date", "time", "duration"}
)

// property reads one property of a collection.
func (r *definitionReader) property(n node) Field {
	m := r.object(n)
	r.only(m, "type", "__mia_configuration", "nullable", "properties", "items", "required",
		"additionalProperties", "pattern", "description", "enum", "format")
	f := r.typed(n, m)
	f.Nullable = r.flag(m.values["nullable"])
	if f.Type == kindArray {
		r.need(n, m, "items")
		if items, given := m.values["items"]; given {
			item := r.typed(items, r.object(items))
			f.Items = &item
		}
	}
	return f
}

// typed reads the type of a property or of items.
func (r *definitionReader) typed(n node, m members) Field {
	r.need(n, m, "type")
	kind, format := r.oneOf(m.values["type"], schemaTypes...), r.oneOf(m.values["format"], dateFormats...)
	if special := r.special(m.values["__mia_configuration"]); special != "" {
		return Field{Type: special}
	}
	switch kind {
	case "string":
		if format == "time" || format == "duration" {
			r.leftOut(m.values["format"], "the format "+format)
		}
		if format != "" {
			return Field{Type: kindDate}
		}
	case "object":
		f := Field{Type: kindObject}
		if _, shaped := m.values["properties"]; shaped || m.values["required"].raw != nil || m.values["additionalProperties"].raw != nil {
			f.Schema = r.nested(n)
		}
		return f
	case "array":
		return Field{Type: kindArray}
	case "null":
		r.leftOut(m.values["type"], "the type null")
	}
	return Field{Type: kind}
}

// special reads the type that __mia_configuration gives.
func (r *definitionReader) special(n node) string {
	if n.raw == nil {
		return ""
	}
	m := r.object(n)
	r.encrypted(m.values["encryption"])
	return r.oneOf(m.values["type"], kindID, kindGeo)
}

// annotations are the keywords of a schema that check nothing.
var annotations = []string{"description", "title", "$comment", "example", "examples", "deprecated", "readOnly", "writeOnly"}

// nested notes what the store does not check of the schema of an object, and gives
// its text.
func (r *definitionReader) nested(n node) json.RawMessage {
	before := len(r.problems)
	r.keywords(n, true)
	if len(r.problems) > before {
		return nil
	}
	return n.raw
}

// keywords goes through a schema and all schemas in it.
func (r *definitionReader) keywords(n node, root bool) {
	m := r.object(n)
	kind := r.oneOf(m.values["type"], schemaTypes...)
	if kind == "null" {
		r.leftOut(m.values["type"], "the type null")
	}
	for _, key := range m.keys {
		v := m.values[key]
		switch key {
		case "type", "__mia_configuration":
		case "nullable":
			r.flag(v)
		case "properties":
			r.shape(v, root || kind == "object")
		case "required":
			r.names(v)
		case "additionalProperties":
			if string(v.raw) != "true" && string(v.raw) != "false" && string(v.raw) != "{}" {
				r.leftOut(v, "a schema for additional properties")
			}
		case "items":
			r.keywords(v, false)
		case "enum":
			r.list(v)
		case "pattern":
			r.pattern(v)
		case "format":
			if format := r.text(v); format != "date-time" && format != "date" {
				r.leftOut(v, "the format "+format)
			}
		default:
			if !slices.Contains(annotations, key) {
				r.leftOut(v, "the keyword "+key)
			}
		}
	}
}

// shape goes through the properties of an object.
func (r *definitionReader) shape(n node, ofObject bool) {
	if !ofObject {
		r.wrong(n, "properties need the type object beside them")
	}
	properties := r.object(n)
	for _, name := range properties.keys {
		r.keywords(properties.values[name], false)
	}
}

func (r *definitionReader) pattern(n node) {
	if _, err := regexp.Compile(r.text(n)); err != nil {
		r.wrong(n, "the pattern is invalid or not expressible in RE2: %w", err)
	}
}
