package csvimport_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/csvimport"
)

func TestHeader(t *testing.T) {
	tests := []struct {
		name  string
		input string
		want  []string
	}{
		{"white space around names", " a ,\tb\u00a0,\" c \"\n", []string{"a", "b", "c"}},
		{"names in quotes", "\"a,b\",\"c\"\"\nd\"\n", []string{"a,b", "c\"\nd"}},
		{"names that differ in case", "a,A\n", []string{"a", "A"}},
		{"byte order mark", "\ufeff\"a\",b\n", []string{"a", "b"}},
		{"another delimiter", "a;b\n", []string{"a;b"}},
		{"as many columns as there may be", numbered(1000), strings.Split(numbered(1000), ",")},
		{"as long a name as there may be", strings.Repeat("x", 256), []string{strings.Repeat("x", 256)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := csvimport.NewReader(strings.NewReader(test.input), csvimport.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, r.Columns()); diff != "" {
				t.Errorf("columns of %.100q (-want +got):\n%s", test.input, diff)
			}
		})
	}
}

func TestHeaderRefused(t *testing.T) {
	tests := []struct{ name, input, want string }{
		{"empty file", "", "is empty"},
		{"nothing but line breaks and white space", "\n\r\n  \n\t", "is empty"},
		{"nothing but a byte order mark", "\ufeff", "is empty"},
		{"names doubled", "a,b,a,b,a\n", `column 3 (C) has the same name as column 1 (A), "a"; ` +
			`column 4 (D) has the same name as column 2 (B), "b"; column 5 (E) has the same name as column 1 (A), "a"`},
		{"names doubled but for white space", "a, a\n", `column 2 (B) has the same name as column 1 (A), "a"`},
		{"names empty", "a,,\" \"\n", "column 2 (B) has no name; column 3 (C) has no name"},
		{"names empty past Z", numbered(26) + ",,x", "column 27 (AA) has no name"},
		{"long name doubled", strings.Repeat("é", 70) + "," + strings.Repeat("é", 70),
			`column 2 (B) has the same name as column 1 (A), "` + strings.Repeat("é", 32) + `…"`},
		{"name too long", "a," + strings.Repeat("x", 257), "the name of column 2 (B) is longer than 256 bytes"},
		{"too many columns", numbered(1001), "the header has 1001 columns, more than 1000"},
		{"too many names doubled to list", strings.Repeat("a,", 12) + "a", ""},
		{"header too long", strings.Repeat("x", 1<<20+1), "the header is longer than 1048576 bytes; is a quote not closed?"},
		{"quote that is not closed", "a,\"b\n1,2", "the header is not readable: column 2 (B) has a quote that is not closed; nothing after it could be read"},
		{"quote in a name", "a,b\"\n1,2", "the header is not readable: column 2 (B) has a quote in a cell that does not begin with one"},
		{"not valid", "a,\xe9\n1,2", "the header is not readable: column 2 (B) has bytes that are not valid in utf8"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := csvimport.NewReader(strings.NewReader(test.input), csvimport.Options{})
			unusable, ok := errors.AsType[*csvimport.Error](err)
			if !ok || unusable.Part != "file" {
				t.Fatalf("got %v, want an error about the file", err)
			}
			if test.want == "" {
				if !strings.HasSuffix(unusable.Message, "; and 9 more") {
					t.Errorf("got %q, want three columns and 9 more", unusable.Message)
				}
			} else if unusable.Message != test.want {
				t.Errorf("got %q, want %q", unusable.Message, test.want)
			}
		})
	}
}

// numbered returns a header of n columns.
func numbered(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("c", i))
	}
	return strings.Join(names, ",")
}
