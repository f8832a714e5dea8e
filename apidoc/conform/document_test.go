package conform

import (
	"fmt"
	"strings"
	"testing"
)

// describe returns a description whose only operation answers 200 with schema.
func describe(schema string) string {
	return fmt.Sprintf(`
paths:
  /a:
    get:
      responses:
        '200': {content: {application/json: {schema: %s}}}
components:
  responses:
    NotFound: {}
    MethodNotAllowed: {}
  schemas:
    Text: {type: string}
`, schema)
}

// circle goes at the end of a description.
const circle = "    Circle: {items: {$ref: '#/components/schemas/Circle'}}"

func TestBrokenDescription(t *testing.T) {
	tests := map[string]struct{ source, want string }{
		"not YAML":                       {"a: [", "sequence end token ']' not found"},
		"no shared responses":            {"paths: {}", "must have NotFound and MethodNotAllowed"},
		"a reference that leads nowhere": {describe(`{$ref: '#/components/schemas/Nobody'}`), "#/components/schemas/Nobody leads nowhere"},
		"a reference that leads out":     {describe(`{$ref: 'other.yaml'}`), "other.yaml leads out"},
		"a reference to itself":          {describe("{$ref: '#/components/schemas/Circle'}") + circle, "leads back to itself"},
		"a reference with company":       {describe(`{$ref: '#/components/schemas/Text', minLength: 1}`), "has keys beside it"},
		"a schema with a broken pattern": {describe(`{pattern: '('}`), "GET /a, 200: application/json: "},
		"a schema that is no mapping":    {describe(`[1]`), "GET /a, 200: application/json: "},
		"content without a schema":       {strings.Replace(describe("x"), "{schema: x}", "{}", 1), "the content has no schema"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(tt.source))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s\ngot %v, want %q in it", tt.source, err, tt.want)
			}
		})
	}
}

func TestReferenceIsFollowed(t *testing.T) {
	c, err := parse([]byte(describe(`{type: array, items: {$ref: '#/components/schemas/Text'}}`)))
	if err != nil {
		t.Fatal(err)
	}
	if err := (answer{"GET", "/a", 200, jsonType, "", `["text"]`}).check(c); err != nil {
		t.Error(err)
	}
	if err := (answer{"GET", "/a", 200, jsonType, "", `[1]`}).check(c); err == nil {
		t.Error("a number passed for a text")
	}
}
