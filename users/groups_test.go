package users

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
)

func TestGroupSchema(t *testing.T) {
	const name = `"properties": {"name": {"type": "string", "minLength": 2}}`
	for what, test := range map[string]struct {
		schema, user, want string
	}{
		"declared field":                       {`{` + name + `}`, `{"userGroup":"g","name":"Ann"}`, ""},
		"too short":                            {`{` + name + `}`, `{"userGroup":"g","name":"A"}`, `name: Value should be at least 2 characters`},
		"missing":                              {`{` + name + `, "required": ["name", "username"]}`, `{"userGroup":"g"}`, `Required properties 'name', 'username' are missing`},
		"undeclared field":                     {`{` + name + `}`, `{"userGroup":"g","nope":1}`, `nope: is not declared by the schema`},
		"undeclared field, closed schema":      {`{` + name + `, "additionalProperties": false}`, `{"userGroup":"g","nope":1}`, `nope: is not declared by the schema`},
		"standard fields, closed schema":       {`{` + name + `, "additionalProperties": false}`, `{"userGroup":"g","username":"a","email":"a@b.example","blocked":false,"roles":[],"expirationDate":"2030-01-01T00:00:00.000Z"}`, ""},
		"undeclared field, open schema":        {`{` + name + `, "additionalProperties": true}`, `{"userGroup":"g","nope":1}`, ""},
		"undeclared field, additional typed":   {`{"additionalProperties": {"type": "string"}}`, `{"userGroup":"g","nope":1}`, `nope: Value is integer but should be string`},
		"undeclared field, pattern properties": {`{"patternProperties": {"^x-": {"type": "string"}}}`, `{"userGroup":"g","nope":1}`, ""},
		"declared within allOf":                {`{"allOf": [{"properties": {"age": {"type": "integer"}}}]}`, `{"userGroup":"g","age":3}`, ""},
		"undeclared beside allOf":              {`{"allOf": [{"properties": {"age": {"type": "integer"}}}]}`, `{"userGroup":"g","agee":3}`, `agee: is not declared by the schema`},
		"format":                               {`{"properties": {"born": {"type": "string", "format": "date"}}}`, `{"userGroup":"g","born":"yesterday"}`, `born: Value does not match format 'date'`},
		"nullable and null":                    {`{"properties": {"name": {"type": "string", "nullable": true, "minLength": 2}}}`, `{"userGroup":"g","name":null}`, ""},
		"nullable enum and null":               {`{"properties": {"kind": {"enum": ["a"], "nullable": true}}}`, `{"userGroup":"g","kind":null}`, ""},
		"nullable but wrong":                   {`{"properties": {"name": {"type": "string", "nullable": true, "minLength": 2}}}`, `{"userGroup":"g","name":"A"}`, `name: Value should be at least 2 characters`},
		"not nullable and null":                {`{` + name + `}`, `{"userGroup":"g","name":null}`, `name: Value is null but should be string`},
		"nested field":                         {`{"properties": {"address": {"type": "object", "required": ["city"], "properties": {"zip": {"type": "string"}}}}}`, `{"userGroup":"g","address":{"zip":5}}`, `address.zip: Value is integer but should be string; address: Required property 'city' is missing`},
		"item of an array":                     {`{"properties": {"tags": {"type": "array", "items": {"type": "string"}}}}`, `{"userGroup":"g","tags":["a",2]}`, `tags.1: Value is integer but should be string`},
		"several fields":                       {`{"properties": {"a": {"type": "string"}, "b": {"type": "string"}}}`, `{"userGroup":"g","a":1,"b":2}`, `a: Value is integer but should be string; b: Value is integer but should be string`},
	} {
		t.Run(what, func(t *testing.T) {
			g, err := compileGroup("g", crud.Document{"crudSchema": object(t, test.schema)})
			if err != nil {
				t.Fatal(err)
			}
			want := test.want
			if want != "" {
				want = `the user does not match the schema of group "g": ` + want
			}
			got := ""
			if err := g.check(object(t, test.user)); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("check(%s) by %s (-want +got):\n%s", test.user, test.schema, diff)
			}
		})
	}
}

// TestDatesOfTheStore: a date that the store gives back as an instant is still the date
// that was written, unless it is being changed.
func TestDatesOfTheStore(t *testing.T) {
	g, err := compileGroup("g", crud.Document{"crudSchema": object(t, `{"properties": {"born": {"type": "string", "format": "date"}, "seen": {"type": "string", "format": "date-time"}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	const midnight = "1990-05-01T00:00:00.000Z"
	for what, test := range map[string]struct {
		born    string
		changed []string
		valid   bool
	}{
		"as the store has it":   {midnight, nil, true},
		"as it was written":     {"1990-05-01", nil, true},
		"an instant of the day": {"1990-05-01T10:00:00.000Z", nil, false},
		"changed to an instant": {midnight, []string{"born"}, false},
		"another is changed":    {midnight, []string{"seen"}, true},
	} {
		t.Run(what, func(t *testing.T) {
			user := crud.Document{"userGroup": "g", "born": test.born, "seen": midnight}
			if err := g.check(g.asWritten(user, test.changed)); (err == nil) != test.valid {
				t.Errorf("check = %v, want it valid: %v", err, test.valid)
			}
			if user["born"] != test.born || user["seen"] != midnight {
				t.Errorf("the user was changed: %v", user)
			}
		})
	}
}

func TestGroupSchemaThatDoesNotCompile(t *testing.T) {
	for what, schema := range map[string]string{
		"unknown type":                  `{"type": "strin"}`,
		"unknown type below":            `{"properties": {"a": {"items": {"type": "date"}}}}`,
		"type of another kind":          `{"properties": {"a": {"type": 5}}}`,
		"pattern that is no expression": `{"properties": {"a": {"type": "string", "pattern": "("}}}`,
		"reference to nothing":          `{"properties": {"a": {"$ref": "#/$defs/none"}}}`,
		"reference to another address":  `{"properties": {"a": {"$ref": "http://127.0.0.1:1/schema"}}}`,
	} {
		t.Run(what, func(t *testing.T) {
			_, err := compileGroup("staff", crud.Document{"crudSchema": object(t, schema)})
			if _, ok := err.(*SchemaError); !ok {
				t.Errorf("compileGroup(%s) = %v, want a SchemaError", schema, err)
			}
		})
	}
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}
