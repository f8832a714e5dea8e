package management

import "testing"

func TestMask(t *testing.T) {
	for name, test := range map[string]struct {
		words  string
		values []string
		want   string
	}{
		"a password like a word of a sentence": {"Wrong email or password.", []string{"ada", "wrong"}, "Wrong email or password."},
		"a name like one":                      {"user is blocked", []string{"user"}, "user is blocked"},
		"any other sentence":                   {"No mail for ADA@example.com (wrong)", []string{"ada@example.com", "wrong"}, "No mail for *** (***)"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Mask(test.words, test.values...); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
