package users

import (
	"encoding/json"
	"strings"
	"testing"

	"user-manager/crud"
)

// TestSchemaBombs: a group's schema, which whoever may write groups chooses, does not end
// the process: neither by what it stands for nor by referring to itself.
func TestSchemaBombs(t *testing.T) {
	bomb := strings.Repeat("(.?){1000}", 800)
	encoded, err := json.Marshal(bomb)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ schema, want string }{
		"a pattern":                         {`{"properties":{"a":{"pattern":` + string(encoded) + `}}}`, "pattern: a regular expression comes to"},
		"a pattern in a part":               {`{"allOf":[{"$ref":"#/$defs/x"}],"$defs":{"x":{"items":{"pattern":` + string(encoded) + `}}}}`, "pattern: a regular expression comes to"},
		"a pattern of names":                {`{"patternProperties":{` + string(encoded) + `:{}}}`, "patternProperties: a regular expression comes to"},
		"a property called pattern":         {`{"properties":{"pattern":{"type":"string"}}}`, ""},
		"a reference to itself":             {`{"$ref":"#"}`, ""},
		"all of itself":                     {`{"allOf":[{"$ref":"#"}]}`, ""},
		"not itself":                        {`{"not":{"$ref":"#"}}`, ""},
		"a dynamic reference to itself":     {`{"$dynamicAnchor":"n","allOf":[{"$dynamicRef":"#n"}]}`, ""},
		"two references to each other":      {`{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"properties":{"a":{"$ref":"#/$defs/a"}}}`, ""},
		"divided by nothing":                {`{"properties":{"n":{"multipleOf":0}}}`, ""},
		"divided by next to nothing":        {`{"properties":{"n":{"multipleOf":1e-300}}}`, ""},
		"a schema of another address":       {`{"$ref":"http://169.254.169.254/latest/meta-data"}`, "schemas of other addresses are not fetched"},
		"a schema of a file":                {`{"$ref":"file:///etc/passwd"}`, "schemas of other addresses are not fetched"},
		"20,000 items that must be unlike":  {`{"properties":{"list":{"uniqueItems":true}}}`, ""},
		"a text that is held to be a regex": {`{"properties":{"a":{"format":"regex"}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var schema map[string]any
			if err := json.Unmarshal([]byte(test.schema), &schema); err != nil {
				t.Fatal(err)
			}
			g, err := compileGroup("g", crud.Document{"crudSchema": schema})
			if err != nil {
				if test.want == "" || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want %q", err, test.want)
				}
				return
			}
			if test.want != "" {
				t.Errorf("it compiles, want %q", test.want)
			}
			list := make([]any, 20_000)
			for i := range list {
				list[i] = float64(i)
			}
			g.problems(crud.Document{"a": bomb, "n": 1e308, "list": list})
		})
	}
}
