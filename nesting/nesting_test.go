package nesting_test

import (
	"encoding/json"
	"strings"
	"testing"

	"user-manager/nesting"
)

func TestExceeds(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		text string
		most int
		want bool
	}{
		"nothing":                             {``, 1, false},
		"a number":                            {`1`, 1, false},
		"one level of one":                    {`[]`, 1, false},
		"two levels of one":                   {`[{}]`, 1, true},
		"side by side":                        {`[[],{},[[]],[]]`, 3, false},
		"brackets in a string":                {`["[[[{{{"]`, 1, false},
		"a string that ends with a backslash": {`["\\",[]]`, 1, true},
		"a quote in a string":                 {`["\"",["]"]]`, 2, false},
		"a key with brackets":                 {`{"[":{"]":[]}}`, 2, true},
		"a string without an end":             {`["[[[[`, 1, false},
		"a backslash at the end":              {`["\`, 1, false},
		"64 levels of 64":                     {strings.Repeat("[", 64) + strings.Repeat("]", 64), 64, false},
		"65 levels of 64":                     {strings.Repeat("[", 65) + strings.Repeat("]", 65), 64, true},
		"levels that never end":               {strings.Repeat(`{"a":`, 100_000), 64, true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if got := nesting.Exceeds(test.text, test.most); got != test.want {
				t.Errorf("%s deeper than %d: %v", test.text[:min(len(test.text), 80)], test.most, got)
			}
		})
	}
}

// levels is how deep a decoded value is.
func levels(v any) int {
	most := 0
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			most = max(most, levels(item))
		}
		return most + 1
	case map[string]any:
		for _, item := range v {
			most = max(most, levels(item))
		}
		return most + 1
	}
	return 0
}

// FuzzExceeds: what is valid is exactly as deep as encoding/json finds it. A key that is
// there twice hides a value from it, so a text may be deeper than what is decoded of it.
func FuzzExceeds(f *testing.F) {
	for _, text := range []string{`{"a":[1,{"b":"]\"["}],"c\\":[[]]}`, `["\\\"[",[[[]]]]`, `"{"`, ` [ ] `, `{"a":[[]],"a":1}`, `[`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var scanner nesting.Scanner
		cut, inPieces := len(text)/2, false
		for _, piece := range []string{text[:cut], text[cut:min(cut+1, len(text))], text[min(cut+1, len(text)):]} {
			inPieces = inPieces || scanner.Exceeds([]byte(piece), 3)
		}
		if whole := nesting.Exceeds(text, 3); whole != inPieces {
			t.Errorf("%q is deeper than 3: %v, in pieces: %v", text, whole, inPieces)
		}
		var v any
		if json.Unmarshal([]byte(text), &v) != nil {
			return
		}
		n := levels(v)
		if n > 0 && !nesting.Exceeds(text, n-1) {
			t.Errorf("%q has %d levels, and is not deeper than %d", text, n, n-1)
		}
		once, err := json.Marshal(v) // every key once
		if err != nil {
			t.Fatal(err)
		}
		if nesting.Exceeds(once, n) {
			t.Errorf("%q has %d levels, and is deeper than %d", once, n, n)
		}
	})
}

func BenchmarkExceeds(b *testing.B) {
	user := `{"email":"ann@example.com","name":"Ann","surname":"Lee","newsletter":true,"tags":["a","b"],"address":{"city":"Rome"}}`
	for what, text := range map[string]string{
		"a user":       user,
		"1 MiB of it":  "[" + strings.Repeat(user+",", 1<<20/len(user)) + user + "]",
		"1 MiB deep":   strings.Repeat("[", 1<<20),
		"1 MiB string": `"` + strings.Repeat("x", 1<<20) + `"`,
	} {
		b.Run(what, func(b *testing.B) {
			body := []byte(text)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				nesting.Exceeds(body, 64)
			}
		})
	}
}
