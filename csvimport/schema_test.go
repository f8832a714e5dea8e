package csvimport_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/csvimport"
)

// Each cell of column "a" is read by the schema of property "a".
func TestCellByType(t *testing.T) {
	const notNumber, notInteger, notBoolean = "must be a number such as 12.5", "must be an integer", "must be true or false"
	const notDate, notTime = "must be a date such as 2006-01-31", "must be a date and time such as 2006-01-31T15:04:05Z"
	const notExact = "must be an integer of at most 9007199254740992, which can be kept exactly"
	const notArray, notMember = "must be an array such as [a, b]", "must be one of the values that the schema lists"
	const nested = "is an array or an object, which an array in a cell cannot hold"
	tests := []struct {
		schema, cell string
		want         any
		wrong        string
	}{
		{`{"type":"string"}`, ` 12 `, ` 12 `, ""},
		{`{"type":"string"}`, `null`, `null`, ""},
		{`{}`, ` x `, ` x `, ""},
		{`true`, `1`, `1`, ""},
		{`{"description":"no type"}`, `1`, `1`, ""},
		{`{"type":"string","format":"email"}`, `a@example.com`, `a@example.com`, ""},

		{`{"type":"number"}`, ` 12.50 `, 12.5, ""},
		{`{"type":"number"}`, `-1e3`, -1000.0, ""},
		{`{"type":"number"}`, `0`, 0.0, ""},
		{`{"type":"number"}`, `+1`, nil, notNumber},
		{`{"type":"number"}`, `007`, nil, notNumber},
		{`{"type":"number"}`, `.5`, nil, notNumber},
		{`{"type":"number"}`, `5.`, nil, notNumber},
		{`{"type":"number"}`, `1,5`, nil, notNumber},
		{`{"type":"number"}`, `NaN`, nil, notNumber},
		{`{"type":"number"}`, `-Inf`, nil, notNumber},
		{`{"type":"number"}`, `0x10`, nil, notNumber},
		{`{"type":"number"}`, `1_000`, nil, notNumber},
		{`{"type":"number"}`, `1e999`, nil, notNumber},
		{`{"type":"number"}`, `1 2`, nil, notNumber},
		{`{"type":"number"}`, `true`, nil, notNumber},
		{`{"type":"number"}`, `"1"`, nil, notNumber},

		{`{"type":"integer"}`, ` -12 `, -12.0, ""},
		{`{"type":"integer"}`, `12.0`, 12.0, ""},
		{`{"type":"integer"}`, `1e2`, 100.0, ""},
		{`{"type":"integer"}`, `12.5`, nil, notInteger},
		{`{"type":"integer"}`, `x`, nil, notInteger},
		{`{"type":"integer"}`, `9007199254740992`, 9007199254740992.0, ""},
		{`{"type":"integer"}`, `-9007199254740992`, -9007199254740992.0, ""},
		{`{"type":"integer"}`, `9007199254740993`, nil, notExact},
		{`{"type":"integer"}`, `-9007199254740993`, nil, notExact},
		{`{"type":"integer"}`, `99999999999999999999`, nil, notExact},
		{`{"type":"integer"}`, `1e300`, nil, notExact},

		{`{"type":"boolean"}`, ` True `, true, ""},
		{`{"type":"boolean"}`, `FALSE`, false, ""},
		{`{"type":"boolean"}`, `1`, nil, notBoolean},
		{`{"type":"boolean"}`, `yes`, nil, notBoolean},

		{`{"type":"string","format":"date"}`, ` 2024-02-29 `, `2024-02-29`, ""},
		{`{"type":"string","format":"date"}`, `2023-02-29`, nil, notDate},
		{`{"type":"string","format":"date"}`, `2024-2-9`, nil, notDate},
		{`{"type":"string","format":"date"}`, `31/01/2024`, nil, notDate},
		{`{"type":"string","format":"date"}`, `2024-01-31T00:00:00Z`, nil, notDate},
		{`{"type":"string","format":"date-time"}`, ` 2024-01-31T15:04:05.123+02:00 `, `2024-01-31T15:04:05.123+02:00`, ""},
		{`{"type":"string","format":"date-time"}`, `2024-01-31T15:04:05Z`, `2024-01-31T15:04:05Z`, ""},
		{`{"type":"string","format":"date-time"}`, `2024-01-31 15:04:05`, nil, notTime},
		{`{"type":"string","format":"date-time"}`, `2024-01-31T15:04:05`, nil, notTime},
		{`{"type":"string","format":"date-time"}`, `2024-01-31T5:04:05Z`, nil, notTime},
		{`{"type":"string","format":"date-time"}`, `2024-01-31T15:04:05,5Z`, nil, notTime},
		{`{"type":"string","format":"date-time"}`, `2024-01-31T15:04:05+24:00`, nil, notTime},
		{`{"type":"string","format":"date-time"}`, `2024-01-31T24:04:05Z`, nil, notTime},
		{`{"type":"string","format":"date-time"}`, `T`, nil, notTime},
		{`{"type":"string","format":"date-time"}`, `2024-01-31T15:04:05.2456Z`, `2024-01-31T15:04:05.2456Z`, ""},
		{`{"type":"string","format":"date-time"}`, `2024-02-30T15:04:05Z`, nil, notTime},

		{`{"type":"null"}`, `null`, nil, "must be empty"},
		{`{"type":["string","null"]}`, `null`, `null`, ""},
		{`{"type":"integer","nullable":true}`, `1`, 1.0, ""},
		{`{"type":"integer","nullable":true}`, `null`, nil, notInteger},
		{`{"type":["string","integer"]}`, `12`, 12.0, ""},
		{`{"type":["string","integer"]}`, `12.5`, `12.5`, ""},
		{`{"type":["integer","number"]}`, `12.5`, 12.5, ""},
		{`{"type":["string","boolean","array"]}`, `true`, true, ""},
		{`{"type":["string","boolean","array"]}`, `[true]`, []any{"true"}, ""},
		{`{"type":["boolean","integer","null"]}`, `x`, nil, notInteger + ", or " + notBoolean},

		{`{"type":"array"}`, `[a, b c ,1]`, []any{"a", "b c", "1"}, ""},
		{`{"type":"array"}`, ` [ ] `, []any{}, ""},
		{`{"type":"array","items":{"type":"string"}}`, `[x]`, []any{"x"}, ""},
		{`{"type":"array","items":{"type":"integer"}}`, `[1,2.0]`, []any{1.0, 2.0}, ""},
		{`{"type":"array","items":{"type":"boolean"}}`, `[true,False]`, []any{true, false}, ""},
		{`{"type":"array","items":{"type":"integer"}}`, `[1,x]`, nil, "item 2 of the array " + notInteger},
		{`{"type":"array","items":{"type":"string","format":"date"}}`, `[2024-01-31]`, []any{"2024-01-31"}, ""},
		{`{"type":"array","items":false}`, `[]`, []any{}, ""},
		{`{"type":"array","items":false}`, `[1]`, nil, "must be [], the empty array"},
		{`{"type":"array"}`, `a, b`, nil, notArray},
		{`{"type":"array"}`, `[`, nil, notArray},
		{`{"type":"array"}`, `[a`, nil, notArray},
		{`{"type":"array"}`, `[a,,b]`, nil, "item 2 of the array is empty"},
		{`{"type":"array"}`, `[a,]`, nil, "item 2 of the array is empty"},
		{`{"type":"array"}`, `["a", "b"]`, nil, "item 1 of the array has quotes; items are written without"},
		{`{"type":"array"}`, `[[a],[b]]`, nil, "item 1 of the array " + nested},
		{`{"type":"array"}`, `[{a}]`, nil, "item 1 of the array " + nested},
		{`{"type":"array","items":{"type":"array"}}`, `[a]`, nil, "item 1 of the array " + nested},
		{`{"type":"array","items":{"type":"object"}}`, `[a]`, nil, "item 1 of the array " + nested},
		{`{"$ref":"#/$defs/tree"}`, `[a]`, nil, "item 1 of the array " + nested},
		{`{"type":"object"}`, `x`, nil, `is an object: use columns such as "a.<field>"`},
		{`{"type":"object"}`, `{}`, nil, `is an object: use columns such as "a.<field>"`},

		{`{"enum":["1",1,2,true,null,"x"]}`, `1`, "1", ""},
		{`{"enum":["1",1,2,true,null,"x"]}`, `2`, 2.0, ""},
		{`{"enum":["1",1,2,true,null,"x"]}`, ` true `, true, ""},
		{`{"enum":["1",1,2,true,null,"x"]}`, `"x"`, "x", ""},
		{`{"enum":["1",1,2,true,null,"x"]}`, `null`, nil, notMember},
		{`{"enum":["1",1,2,true,null,"x"]}`, `y`, nil, notMember},
		{`{"enum":[[1],{}]}`, `[1]`, nil, notMember},
		{`{"const":2.5}`, `2.5`, 2.5, ""},
		{`{"const":"a b"}`, `a b`, "a b", ""},
		{`{"const":"a b"}`, `a`, nil, notMember},
		{`{"type":["integer","string"],"enum":["1",2]}`, `1`, "1", ""},
		{`{"type":["integer","string"],"enum":["1",2]}`, `2`, 2.0, ""},
		{`{"type":"integer","enum":[1,2]}`, `2.0`, 2.0, ""},
		{`{"type":"integer","enum":[1,2]}`, `x`, nil, notMember + ", or " + notInteger},

		{`{"allOf":[{"type":"integer"},{"minimum":1}]}`, `12`, 12.0, ""},
		{`{"allOf":[{"type":["integer","string"]},{"type":["number","null"]}]}`, `x`, nil, notInteger},
		{`{"allOf":[{"type":"string"},{"format":"date"}]}`, `x`, nil, notDate},
		{`{"allOf":[{"type":"string"},{"type":"integer"}]}`, `x`, nil, "must be empty"},
		{`{"allOf":[{"type":"string"},false]}`, `x`, nil, "must be empty"},
		{`{"anyOf":[{"type":"integer"},{"type":"boolean"}]}`, `true`, true, ""},
		{`{"anyOf":[{"type":"null"},{"type":"integer"}]}`, `x`, nil, notInteger},
		{`{"anyOf":[{"type":"string"},{"type":"integer"}]}`, `12`, "12", ""},
		{`{"oneOf":[{"type":"integer"},{"type":"string","format":"date"}]}`, `2024-01-31`, "2024-01-31", ""},
		{`{"oneOf":[{"type":"integer"},{"type":"string","format":"date"}]}`, `x`, nil, notInteger + ", or " + notDate},
		{`{"oneOf":[false,{"type":"integer"}]}`, `1`, 1.0, ""},
		{`{"type":"integer","anyOf":[{"minimum":1},{"maximum":-1}]}`, `1`, 1.0, ""},
		{`{"anyOf":[{"type":"integer"},{"type":"string"}],"oneOf":[{"type":"string"},{"type":"boolean"}]}`, `x`, "x", ""},
		{`{"$ref":"#/$defs/age"}`, `x`, nil, notInteger},
		{`{"$ref":"#/$defs/age","description":"beside"}`, `x`, nil, notInteger},
		{`{"$ref":"#/definitions/a~1b%25"}`, `true`, true, ""},
		{`{"$ref":"#/allOf/0"}`, `true`, true, ""},
		{`{"$ref":"#/$defs/missing"}`, `x`, "x", ""},
		{`{"$ref":"https://example.com/schema"}`, `x`, "x", ""},
		{`{"$ref":"#/$defs/loop"}`, `x`, "x", ""},
		{`{"$ref":"#/$defs/circle"}`, `x`, nil, notInteger},
		{`{"$ref":"#/$defs/choice"}`, `x`, nil, notInteger},
		{`{"$ref":"#/$defs/widening"}`, `x`, "x", ""},
	}
	for _, test := range tests {
		t.Run(test.schema+" "+test.cell, func(t *testing.T) {
			schema := parse(t, `{"properties":{"a":`+test.schema+`},"allOf":[{"type":"boolean"}],
				"definitions":{"a/b%":{"type":"boolean"}},
				"$defs":{"age":{"type":"integer"},
					"tree":{"type":"array","items":{"$ref":"#/$defs/tree"}},
					"loop":{"$ref":"#/$defs/loop"},
					"circle":{"type":"integer","allOf":[{"$ref":"#/$defs/circle2"}]},
					"circle2":{"$ref":"#/$defs/circle"},
					"choice":{"anyOf":[{"$ref":"#/$defs/choice"},{"type":"integer"}]},
					"widening":{"anyOf":[{"allOf":[{"$ref":"#/$defs/widening"},{"$ref":"#/$defs/widening"}]},{"type":"string"}]}}}`)
			doc, err := document(t, schema, "a", quoted(test.cell))
			if got := message(err); got != wrap(`column "a": `, test.wrong) {
				t.Fatalf("error %q, want %q", got, test.wrong)
			}
			if diff := cmp.Diff(test.want, doc["a"]); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
		})
	}
}

func TestZeroHasNoSign(t *testing.T) {
	doc, err := document(t, parse(t, `{"properties":{"a":{"type":"number"}}}`), "a", "-0")
	if n, ok := doc["a"].(float64); err != nil || !ok || math.Signbit(n) {
		t.Errorf("-0 is %v (%v), want 0", doc["a"], err)
	}
}

func TestDocument(t *testing.T) {
	const user = `{"properties":{
		"name":{"type":"string"},"age":{"type":"integer"},"a.b":{"type":"integer"},
		"address":{"type":"object","properties":{"city":{"type":"string"},"zip":{"type":"integer"},
			"geo":{"properties":{"lat":{"type":"number"}},"additionalProperties":false}}},
		"closed":{"type":"object","properties":{"x":{}},"additionalProperties":false},
		"x.y":{"type":"object","properties":{"z":{"type":"boolean"}}},
		"nothing":false,
		"maybe":{"anyOf":[{"type":"null"},{"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false}]},
		"either":{"anyOf":[{"type":"string"},{"type":"null"}]},
		"any":{},
		"parent":{"$ref":"#"}}}`
	tests := []struct {
		name, schema, header, row string
		want                      map[string]any
		wrong                     string
	}{
		{"empty cells are absent", user, "name,age,address.city", `,"",Rome`, map[string]any{"address": map[string]any{"city": "Rome"}}, ""},
		{"empty row", user, "name,age", ",", map[string]any{}, ""},
		{"empty cells of undeclared columns", user, "name,nick", "x,", map[string]any{"name": "x"}, ""},
		{"dotted columns make objects", user, "address.city,name,address.zip,address.geo.lat", "Rome,x,42,1.5",
			map[string]any{"name": "x", "address": map[string]any{"city": "Rome", "zip": 42.0, "geo": map[string]any{"lat": 1.5}}}, ""},
		{"object itself", user, "address", "Rome", nil, `column "address": is an object: use columns such as "address.<field>"`},
		{"property with a dot in its name", user, "a.b", "1", nil, `column "a.b": has a dot in the name of its property, which cannot be imported`},
		{"object with a dot in its name", user, "x.y.z", "true", nil, `column "x.y.z": has a dot in the name of its property, which cannot be imported`},
		{"recursive schema", user, "parent.parent.age", "1", map[string]any{"parent": map[string]any{"parent": map[string]any{"age": 1.0}}}, ""},
		{"object or null", user, "maybe.n", "1", map[string]any{"maybe": map[string]any{"n": 1.0}}, ""},
		{"object or null, itself", user, "maybe", "1", nil, `column "maybe": is an object: use columns such as "maybe.<field>"`},
		{"object or null, closed", user, "maybe.m", "1", nil, `column "maybe.m" is not declared by the schema`},
		{"anything can be an object", user, "any.x", "1", map[string]any{"any": map[string]any{"x": "1"}}, ""},

		{"undeclared", user, "name,nick", "x,y", nil, `column "nick" is not declared by the schema`},
		{"undeclared because false", user, "nothing", "x", nil, `column "nothing" is not declared by the schema`},
		{"undeclared below nothing", user, "nick.x", "x", nil, `column "nick.x" is not declared by the schema`},
		{"undeclared below a string", user, "name.x", "x", nil, `column "name.x" is not declared by the schema`},
		{"undeclared below a string or null", user, "either.x", "x", nil, `column "either.x" is not declared by the schema`},
		{"undeclared below an object is open", user, "address.street", "x", map[string]any{"address": map[string]any{"street": "x"}}, ""},
		{"undeclared two below an object is open", user, "address.a.b", "x", map[string]any{"address": map[string]any{"a": map[string]any{"b": "x"}}}, ""},
		{"undeclared below a closed object", user, "closed.y", "x", nil, `column "closed.y" is not declared by the schema`},
		{"dot at the end", user, "address.", "x", nil, `column "address." is not declared by the schema`},
		{"dot at the beginning", user, ".name", "x", nil, `column ".name" is not declared by the schema`},
		{"two dots", user, "address..x", "x", nil, `column "address..x" is not declared by the schema`},
		{"no properties", `{}`, "a", "x", nil, `column "a" is not declared by the schema`},

		{"additional properties", `{"additionalProperties":true}`, "a,b.c", "1,2", map[string]any{"a": "1", "b": map[string]any{"c": "2"}}, ""},
		{"additional properties by schema", `{"additionalProperties":{"type":"integer"}}`, "a", "1", map[string]any{"a": 1.0}, ""},
		{"additional properties by schema, dotted", `{"additionalProperties":{"type":"integer"}}`, "a.b", "1", nil, `column "a.b" is not declared by the schema`},
		{"no additional properties", `{"additionalProperties":false}`, "a", "1", nil, `column "a" is not declared by the schema`},
		{"no unevaluated properties", `{"unevaluatedProperties":false}`, "a", "1", nil, `column "a" is not declared by the schema`},
		{"unevaluated properties below", `{"properties":{"o":{"unevaluatedProperties":false}}}`, "o.a", "1", nil, `column "o.a" is not declared by the schema`},
		{"unevaluated properties by schema", `{"unevaluatedProperties":{"type":"boolean"}}`, "a", "true", map[string]any{"a": true}, ""},
		{"additional before unevaluated properties", `{"additionalProperties":true,"unevaluatedProperties":false}`, "a", "1", map[string]any{"a": "1"}, ""},
		{"pattern", `{"patternProperties":{"^x-":{"type":"integer"}}}`, "x-a", "1", map[string]any{"x-a": 1.0}, ""},
		{"pattern that does not match", `{"patternProperties":{"^x-":{"type":"integer"}}}`, "y-a", "1", nil, `column "y-a" is not declared by the schema`},
		{"pattern and property", `{"properties":{"xa":{}},"patternProperties":{"^x":{"type":"integer"},"a$":{}}}`, "xa", "1", map[string]any{"xa": 1.0}, ""},
		{"pattern before additional properties", `{"patternProperties":{"^x":{"type":"integer"}},"additionalProperties":true}`, "xa,y", "1,2", map[string]any{"xa": 1.0, "y": "2"}, ""},
		{"pattern of an object", `{"patternProperties":{"^x":{"type":"object","properties":{"n":{"type":"integer"}}}}}`, "xa.n", "1", map[string]any{"xa": map[string]any{"n": 1.0}}, ""},
		{"pattern that is false", `{"patternProperties":{"^x":false},"additionalProperties":true}`, "xa", "1", nil, `column "xa" is not declared by the schema`},
		{"pattern that RE2 cannot express", `{"patternProperties":{"^(?!x)":{}}}`, "a", "1", nil, `column "a" is not declared by the schema`},

		{"properties of allOf", `{"allOf":[{"properties":{"a":{"type":"integer"}}},{"properties":{"b":{"type":"boolean"}}}]}`, "a,b", "1,true", map[string]any{"a": 1.0, "b": true}, ""},
		{"property twice in allOf", `{"properties":{"a":{"minimum":1}},"allOf":[{"properties":{"a":{"type":"integer"}}}]}`, "a", "1", map[string]any{"a": 1.0}, ""},
		{"properties of oneOf", `{"oneOf":[{"properties":{"a":{"type":"integer"}}},{"properties":{"a":{"type":"boolean"},"b":{}}}]}`, "a,b", "true,x", map[string]any{"a": true, "b": "x"}, ""},
		{"property and oneOf", `{"properties":{"a":{"type":"string"}},"oneOf":[{"properties":{"a":{"const":"x"}}},{"required":["b"]}]}`, "a", "y", map[string]any{"a": "y"}, ""},
		{"properties by $ref", `{"$ref":"#/$defs/u","$defs":{"u":{"properties":{"a":{"type":"integer"}}}}}`, "a", "1", map[string]any{"a": 1.0}, ""},
		{"open alternative", `{"anyOf":[{"properties":{"a":{}}},{"additionalProperties":{"type":"integer"}}]}`, "b", "1", map[string]any{"b": 1.0}, ""},
		{"closed alternative", `{"properties":{"o":{"anyOf":[{"type":"null"},{"additionalProperties":false}]}}}`, "o.b", "1", nil, `column "o.b" is not declared by the schema`},

		{"text and object of one name", `{"properties":{"a":{}}}`, "a,a.b", "1,2", nil, `column "a.b": another column fills a part of its name`},
		{"object and text of one name", `{"properties":{"a":{}}}`, "a.b,a", "1,2", nil, `column "a": another column fills a field below it`},
		{"several wrong", user, "age,name,nick,address.zip", "x,y,z,1.5", nil,
			`column "age": must be an integer; column "nick" is not declared by the schema; column "address.zip": must be an integer`},
		{"many wrong", user, numbered(13), strings.Repeat("x,", 12) + "x", nil, ""},
		{"quotes and line breaks in a name", user, "\"a\"\"\nb\"", "x", nil, `column "a\"\nb" is not declared by the schema`},
		{"long name", user, strings.Repeat("é", 65), "x", nil, `column "` + strings.Repeat("é", 32) + `…" is not declared by the schema`},
		{"long name of characters that are escaped", user, strings.Repeat("\u200b", 85), "x", nil, `column "` + strings.Repeat(`\u200b`, 10) + `…" is not declared by the schema`},
		{"object with a long name", `{"properties":{"` + strings.Repeat("x", 65) + `":{"type":"object"}}}`, strings.Repeat("x", 65), "x", nil,
			`column "` + strings.Repeat("x", 64) + `…": is an object: use columns such as "` + strings.Repeat("x", 64) + `….<field>"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			doc, err := document(t, parse(t, test.schema), test.header, test.row)
			if test.name == "many wrong" {
				if got := message(err); strings.Count(got, ";") != 3 || !strings.HasSuffix(got, "; and 10 more") {
					t.Errorf("error %q, want three columns and 10 more", got)
				}
				return
			}
			if got := message(err); got != test.wrong {
				t.Fatalf("error %q, want %q", got, test.wrong)
			}
			if diff := cmp.Diff(test.want, doc); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
		})
	}
}

// TestProblemsAreShort: however many columns there are and whatever they are called, what
// is said of a row is short, since a file may have many such rows.
func TestProblemsAreShort(t *testing.T) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = strings.Repeat("\U000e0001", 60) + fmt.Sprint(i)
	}
	_, err := document(t, parse(t, `{}`), strings.Join(names, ","), strings.Repeat("x,", 999)+"x")
	if got := message(err); len(got) == 0 || len(got) > 400 {
		t.Errorf("%d bytes: %q, want at most 400", len(got), got)
	}
}

func TestDocumentExcept(t *testing.T) {
	schema := parse(t, `{"properties":{"a":{"type":"integer"}}}`)
	doc, err := document(t, schema, "_id,userGroup,a", "x,y,1", "_id", "userGroup", "missing")
	if diff := cmp.Diff(map[string]any{"a": 1.0}, doc); err != nil || diff != "" {
		t.Errorf("error %v; document (-want +got):\n%s", err, diff)
	}
}

func TestRowErrorOfDocumentHasRow(t *testing.T) {
	r, err := csvimport.NewReader(strings.NewReader("a\n\nx\n"), csvimport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	row, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	_, err = row.Document(csvimport.NewSchema(nil))
	if wrong, ok := errors.AsType[*csvimport.RowError](err); !ok || wrong.Row != 3 {
		t.Errorf("got %v, want an error of row 3", err)
	}
}

// A small schema that stands for a huge one is looked at only so far.
func TestSchemaThatExplodes(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"properties":{"a":{"$ref":"#/$defs/d0"},"o":{"$ref":"#/$defs/d0"}},"$defs":{`)
	for i := range 50 {
		fmt.Fprintf(&b, `"d%d":{"anyOf":[{"allOf":[{"$ref":"#/$defs/d%d"}],"minimum":1},{"allOf":[{"$ref":"#/$defs/d%d"}],"minimum":2}]},`, i, i+1, i+1)
	}
	b.WriteString(`"d50":{"type":["object","integer"]}}}`)
	if _, err := document(t, parse(t, b.String()), "a,o.p.q", "1,"); err != nil {
		t.Error(err)
	}
}

func TestDocumentsAtOnce(t *testing.T) {
	schemas := []*csvimport.Schema{
		parse(t, `{"properties":{"a":{"type":"integer"},"o":{"properties":{"b":{"type":"boolean"}}}}}`),
		parse(t, `{"properties":{"a":{"type":"string"},"o":{"properties":{"b":{"type":"string"}}}}}`),
	}
	wants := []map[string]any{
		{"a": 1.0, "o": map[string]any{"b": true}},
		{"a": "1", "o": map[string]any{"b": "true"}},
	}
	r, err := csvimport.NewReader(strings.NewReader("a,o.b\n"+strings.Repeat("1,true\n", 100)), csvimport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := 0; ; i++ {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		wg.Go(func() {
			doc, err := row.Document(schemas[i%2])
			if diff := cmp.Diff(wants[i%2], doc); err != nil || diff != "" {
				t.Errorf("row %d: error %v; document (-want +got):\n%s", row.Number, err, diff)
			}
		})
	}
	wg.Wait()
}

func parse(t testing.TB, schema string) *csvimport.Schema {
	t.Helper()
	var decoded map[string]any
	if err := json.Unmarshal([]byte(schema), &decoded); err != nil {
		t.Fatalf("schema %s: %v", schema, err)
	}
	return csvimport.NewSchema(decoded)
}

// document reads a file of one row.
func document(t *testing.T, s *csvimport.Schema, header, row string, except ...string) (map[string]any, error) {
	t.Helper()
	r, err := csvimport.NewReader(strings.NewReader(header+"\n"+row+"\n"), csvimport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	read, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	return read.Document(s, except...)
}

func quoted(cell string) string { return `"` + strings.ReplaceAll(cell, `"`, `""`) + `"` }

// message is what a RowError says, "" when there is none.
func message(err error) string {
	if wrong, ok := errors.AsType[*csvimport.RowError](err); ok {
		return wrong.Message
	}
	return ""
}

func wrap(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}
