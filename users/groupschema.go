package users

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kaptinlin/jsonschema"

	"user-manager/crud/document"
)

// compileSchema compiles a group's schema as this service reads it: formats are
// asserted, "nullable" is honoured, the standard fields need not be declared, and
// other fields must be unless the schema speaks of further ones itself.
func compileSchema(definition map[string]any) (*jsonschema.Schema, error) {
	if err := errors.Join(checkTypes(definition), checkPatterns(definition)); err != nil {
		return nil, err
	}
	prepared, _ := withNulls(definition).(map[string]any)
	prepared = withStandardFields(prepared)
	encoded, err := json.Marshal(prepared)
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler().SetAssertFormat(true).RegisterFormat("regex", isRegex, "string")
	clear(compiler.Loaders) // a schema must not make this service call anybody
	schema, err := compiler.Compile(encoded)
	if err != nil {
		return nil, err
	}
	if missing := schema.UnresolvedReferenceURIs(); len(missing) > 0 {
		return nil, fmt.Errorf("%s: %w", missing[0], errRemoteSchema)
	}
	return schema, nil
}

// withStandardFields returns the schema with the standard fields among its
// properties, and closed to any it does not know.
func withStandardFields(schema map[string]any) map[string]any {
	schema = maps.Clone(schema)
	properties, _ := schema["properties"].(map[string]any)
	properties = maps.Clone(properties)
	if properties == nil {
		properties = map[string]any{}
	}
	for _, name := range standardNames {
		if _, declared := properties[name]; !declared {
			properties[name] = true
		}
	}
	schema["properties"] = properties
	_, additional := schema["additionalProperties"]
	_, patterns := schema["patternProperties"]
	if !additional && !patterns {
		// "unevaluated" sees also what allOf, $ref and the like declare
		if _, set := schema["unevaluatedProperties"]; !set {
			schema["unevaluatedProperties"] = false
		}
	}
	return schema
}

// standardTypes are what the standard fields are where a schema does not declare them.
var standardTypes = map[string]any{
	"username":       map[string]any{"type": "string"},
	"email":          map[string]any{"type": "string"},
	"blocked":        map[string]any{"type": "boolean"},
	"userGroup":      map[string]any{"type": "string"},
	"roles":          map[string]any{"type": "array", "items": map[string]any{"type": "string"}},
	"expirationDate": map[string]any{"type": "string"}, // checked as every user's
}

// withStandardTypes returns the schema with the standard fields among its properties.
func withStandardTypes(schema map[string]any) map[string]any {
	schema = maps.Clone(schema)
	declared, _ := schema["properties"].(map[string]any)
	properties := maps.Clone(standardTypes)
	maps.Copy(properties, declared)
	schema["properties"] = properties
	return schema
}

// Where schemas stand within a schema.
var (
	schemaMaps  = []string{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
	schemaLists = []string{"allOf", "anyOf", "oneOf", "prefixItems"}
	subschemas  = []string{"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedProperties", "unevaluatedItems"}
)

// mapSchemas returns a copy of schema in which f replaced each schema directly below.
func mapSchemas(schema map[string]any, f func(any) any) map[string]any {
	out := maps.Clone(schema)
	for _, key := range schemaMaps {
		if below, ok := out[key].(map[string]any); ok {
			mapped := make(map[string]any, len(below))
			for name, sub := range below {
				mapped[name] = f(sub)
			}
			out[key] = mapped
		}
	}
	for _, key := range schemaLists {
		if below, ok := out[key].([]any); ok {
			mapped := make([]any, len(below))
			for i, sub := range below {
				mapped[i] = f(sub)
			}
			out[key] = mapped
		}
	}
	for _, key := range subschemas {
		if sub, ok := out[key]; ok {
			out[key] = f(sub)
		}
	}
	return out
}

// withNulls rewrites "nullable": true, which JSON Schema does not know, to what means
// the same there.
func withNulls(schema any) any {
	s, ok := schema.(map[string]any)
	if !ok {
		return schema // true or false
	}
	s = mapSchemas(s, withNulls)
	nullable, _ := s["nullable"].(bool)
	delete(s, "nullable")
	if !nullable {
		return s
	}
	_, limited := s["enum"]
	if kind, ok := s["type"].(string); ok && !limited && s["const"] == nil {
		s["type"] = []any{kind, "null"} // what else it asks for does not concern null
		return s
	}
	return map[string]any{"anyOf": []any{map[string]any{"type": "null"}, s}}
}

// checkPatterns refuses regular expressions that cost too much, wherever they stand: whoever
// may write groups must not be able to end the process.
func checkPatterns(value any) error {
	switch value := value.(type) {
	case map[string]any:
		if err := checkPattern("pattern", value["pattern"]); err != nil {
			return err
		}
		named, _ := value["patternProperties"].(map[string]any)
		for pattern := range named {
			if err := checkPattern("patternProperties", pattern); err != nil {
				return err
			}
		}
		for _, below := range value {
			if err := checkPatterns(below); err != nil {
				return err
			}
		}
	case []any:
		for _, below := range value {
			if err := checkPatterns(below); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPattern(keyword string, pattern any) error {
	text, ok := pattern.(string)
	if !ok {
		return nil // a property with that name, or the compiler refuses it
	}
	if err := document.CheckPattern(text); err != nil {
		return fmt.Errorf("%s: a regular expression %w", keyword, err)
	}
	return nil
}

// isRegex is the format "regex". It compiles only what it may cost.
func isRegex(value any) bool {
	text, ok := value.(string)
	if !ok {
		return true
	}
	if document.CheckPattern(text) != nil {
		return false
	}
	_, err := regexp.Compile(text)
	return err == nil
}

var schemaTypes = []string{"string", "number", "integer", "boolean", "array", "object", "null"}

// checkTypes refuses types that JSON Schema does not know, which the compiler passes.
func checkTypes(schema any) error {
	s, ok := schema.(map[string]any)
	if !ok {
		return nil
	}
	types, isList := s["type"].([]any)
	if one, ok := s["type"]; ok && !isList {
		types = []any{one}
	}
	for _, t := range types {
		if name, _ := t.(string); !slices.Contains(schemaTypes, name) {
			return fmt.Errorf("type %v is not one of %s", t, strings.Join(schemaTypes, ", "))
		}
	}
	var first error
	mapSchemas(s, func(sub any) any {
		first = errors.Join(first, checkTypes(sub))
		return sub
	})
	return first
}
