package csvimport_test

import (
	"errors"
	"testing"

	"user-manager/csvimport"
)

func TestCheck(t *testing.T) {
	tests := []struct {
		name    string
		options csvimport.Options
		part    string // of the error; "" when there must be none
	}{
		{"defaults", csvimport.Options{}, ""},
		{"semicolon", csvimport.Options{Delimiter: ";"}, ""},
		{"semicolon in quotes, as documented", csvimport.Options{Delimiter: `";"`}, ""},
		{"semicolon in single quotes", csvimport.Options{Delimiter: `';'`}, ""},
		{"tab", csvimport.Options{Delimiter: "\t"}, ""},
		{"tab written as two characters", csvimport.Options{Delimiter: `\t`}, ""},
		{"tab written as two characters in quotes", csvimport.Options{Delimiter: `"\t"`}, ""},
		{"space", csvimport.Options{Delimiter: " "}, ""},
		{"a character of several bytes", csvimport.Options{Delimiter: "→"}, ""},
		{"backslash as delimiter", csvimport.Options{Delimiter: `\`}, ""},
		{"two characters", csvimport.Options{Delimiter: ";;"}, "delimiter"},
		{"nothing in quotes", csvimport.Options{Delimiter: `""`}, "delimiter"},
		{"quotes that do not match", csvimport.Options{Delimiter: `";'`}, "delimiter"},
		{"the quote", csvimport.Options{Delimiter: `"`}, "delimiter"},
		{"the quote in quotes", csvimport.Options{Delimiter: `'"'`}, "delimiter"},
		{"line feed", csvimport.Options{Delimiter: "\n"}, "delimiter"},
		{"carriage return", csvimport.Options{Delimiter: "\r"}, "delimiter"},
		{"bytes that are no text", csvimport.Options{Delimiter: "\xff"}, "delimiter"},
		{"replacement character", csvimport.Options{Delimiter: "\uFFFD"}, "delimiter"},
		{"delimiter and escape the same", csvimport.Options{Delimiter: `\`, Escape: `\`}, "delimiter"},

		{"escape by backslash", csvimport.Options{Escape: `\`}, ""},
		{"escape by backslash in quotes", csvimport.Options{Escape: `"\"`}, ""},
		{"escape by the quote", csvimport.Options{Escape: `"`}, ""},
		{"escape by the quote in quotes", csvimport.Options{Escape: `"""`}, ""},
		{"no quoting", csvimport.Options{Escape: "null"}, ""},
		{"no quoting, in quotes", csvimport.Options{Escape: `"null"`}, ""},
		{"escape of two characters", csvimport.Options{Escape: `\\`}, "escape"},
		{"escape by a line break", csvimport.Options{Escape: "\n"}, "escape"},

		{"utf8", csvimport.Options{Encoding: "utf8"}, ""},
		{"UTF-8", csvimport.Options{Encoding: "UTF-8"}, ""},
		{"utf-16le", csvimport.Options{Encoding: "utf-16le"}, ""},
		{"ucs2", csvimport.Options{Encoding: "ucs2"}, ""},
		{"binary", csvimport.Options{Encoding: "binary"}, ""},
		{"base64url", csvimport.Options{Encoding: "base64url"}, ""},
		{"hex", csvimport.Options{Encoding: "HEX"}, ""},
		{"a label of the WHATWG", csvimport.Options{Encoding: "Windows-1252"}, ""},
		{"another label of the WHATWG", csvimport.Options{Encoding: "x-sjis"}, ""},
		{"encoding in quotes", csvimport.Options{Encoding: `"latin1"`}, ""},
		{"unknown encoding", csvimport.Options{Encoding: "utf9"}, "encoding"},
		{"label that decodes nothing", csvimport.Options{Encoding: "replacement"}, "encoding"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.options.Check()
			part := ""
			if unusable, ok := errors.AsType[*csvimport.Error](err); ok {
				part = unusable.Part
			}
			if part != test.part || (err != nil) != (test.part != "") {
				t.Errorf("Check(%+v) = %v, want an error about %q", test.options, err, test.part)
			}
		})
	}
}
