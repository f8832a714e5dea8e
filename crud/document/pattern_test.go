package document

import (
	"strings"
	"testing"
)

func TestPatternErrorsSayWhat(t *testing.T) {
	for name, c := range map[string]struct{ pattern, want string }{
		"look-ahead":            {`a(?=b)`, "a look-ahead ((?=), which RE2 cannot express"},
		"negative look-ahead":   {`a(?!b)`, "a look-ahead ((?!)"},
		"look-behind":           {`(?<=a)b`, "a look-behind ((?<=)"},
		"negative look-behind":  {`(?<!a)b`, "a look-behind ((?<!)"},
		"backreference":         {`(a)\1`, `a backreference (\1)`},
		"named backreference":   {`(?<x>a)\k<x>`, `a backreference (\k)`},
		"atomic group":          {`(?>a)`, "an atomic group ((?>)"},
		"possessive repetition": {`a++`, "possessive repetition"},
		"too many repetitions":  {`a{5000}`, "too large for RE2"},
		"nested repetitions":    {`((a{100}){100}){100}`, "too large for RE2"},
		"no expression":         {`a(`, "$regex is invalid"},
		"too long":              {strings.Repeat("a", MaxPattern+1), "longer than 8192 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseFilter(map[string]any{"x": map[string]any{"$regex": c.pattern}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %q in it", c.pattern, err, c.want)
			}
		})
	}
	t.Run("a named group is fine", func(t *testing.T) {
		if _, err := ParseFilter(map[string]any{"x": map[string]any{"$regex": `(?<x>a)`}}); err != nil {
			t.Error(err)
		}
	})
}
