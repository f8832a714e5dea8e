package users

import (
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// TestProblemsAreKeptOnce: very many rows with one problem do not hold as many texts.
func TestProblemsAreKeptOnce(t *testing.T) {
	im := &importer{problems: map[string]string{}}
	for row := range 3 {
		batch := &importBatch{}
		batch.invalid(row, strings.Repeat("x", row/2+1)) // the last differs
		im.take(batch, true)
	}
	invalid := im.report.Invalid
	first, second := invalid[0].Error, invalid[1].Error
	if first != second || unsafe.StringData(first) != unsafe.StringData(second) {
		t.Errorf("%q and %q are kept apart", first, second)
	}
	if want := skipping + "xx"; invalid[2].Error != want {
		t.Errorf("problem = %q, want %q", invalid[2].Error, want)
	}
}

func TestReadTaken(t *testing.T) {
	for what, test := range map[string]struct {
		message string
		key     string
		values  string
	}{
		"a text":              {`E11000 … dup key: { email: "ann@example.com" }`, "email", "ann@example.com"},
		"a number":            {`dup key: { points: 5 }`, "points", "5"},
		"several fields":      {`dup key: { company: "Acme", address.zip: 12 }`, "company|address.zip", "Acme|12"},
		"words of the form":   {`dup key: { username: "a, b: { c }", email: "d" }`, "username|email", "a, b: { c }|d"},
		"quotes not escaped":  {`dup key: { username: "a "b" c", email: "d" }`, "username|email", `a "b" c|d`},
		"quotes escaped":      {`dup key: { username: "a \"b\" c" }`, "username", `a "b" c`},
		"nothing":             {`dup key: { email: null }`, "email", "null"},
		"an index and no key": {`E11000 duplicate key error`, "", ""},
		"cut short":           {`dup key: { email: "ann@exam`, "", ""},
		"no field":            {`dup key: { : "ann" }`, "", ""},
	} {
		t.Run(what, func(t *testing.T) {
			got := readTakenMessage(test.message)
			if key, values := strings.Join(got.key, "|"), strings.Join(got.values, "|"); key != test.key || values != test.values {
				t.Errorf("%s is read as %q %q, want %q %q", test.message, key, values, test.key, test.values)
			}
		})
	}
}

func TestHoldersOfATakenValue(t *testing.T) {
	rows := []insertion{{user: map[string]any{"code": "7"}}, {user: map[string]any{"code": "007"}}, {user: map[string]any{}}, {user: map[string]any{"code": 8.0}}}
	for value, want := range map[string][]int{"007": {1}, "07": {0, 1}, "8": {3}, "8.0": {3}, "null": {2}, "9": nil} {
		if got := (takenValue{uniqueKey{"code"}, []string{value}}).holders(rows); !slices.Equal(got, want) {
			t.Errorf("%s is held by rows %v, want %v", value, got, want)
		}
	}
}
