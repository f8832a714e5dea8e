package csvimport_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/csvimport"
)

func TestEncoding(t *testing.T) {
	tests := []struct {
		name     string
		encoding string
		input    string
		want     []string
	}{
		{"UTF-8", "", "a,b\né,€\n", []string{"2: é|€"}},
		{"UTF-8 with byte order mark", "", "\xef\xbb\xbfa,b\né,€\n", []string{"2: é|€"}},
		{"UTF-8 not valid", "utf-8", "a,b\n\xe9,1\n2,3\n\xff,\xc3\n", []string{
			`! row 2: column "a" has bytes that are not valid in utf8`, "3: 2|3",
			`! row 4: column "a" has bytes that are not valid in utf8; column "b" has bytes that are not valid in utf8`}},
		{"halves of a character in two cells", "", "a,b\n\xc3,\xa9\n", []string{
			`! row 2: column "a" has bytes that are not valid in utf8; column "b" has bytes that are not valid in utf8`}},
		{"surrogates in UTF-8", "", "a,b\n\xed\xa0\x80,1\n", []string{`! row 2: column "a" has bytes that are not valid in utf8`}},
		{"replacement character in UTF-8 is a character", "", "a,b\n\uFFFD,1\n", []string{"2: \uFFFD|1"}},
		{"ragged rows are told as such first", "", "a,b\n\xff\n", []string{"! row 2: has 1 cell, the header has 2"}},

		{"UTF-16LE", "utf16le", utf16("a,b\né,€\n", false), []string{"2: é|€"}},
		{"UTF-16LE beyond 16 bits", "ucs2", utf16("a,b\n😀,\"\n\"\n", false), []string{"2: 😀|\n"}},
		{"UTF-16BE", "utf-16be", utf16("a,b\né,€\n", true), []string{"2: é|€"}},
		{"mark of UTF-16LE decides", "utf8", "\xff\xfe" + utf16("a,b\né,€\n", false), []string{"2: é|€"}},
		{"mark of UTF-16BE decides", "latin1", "\xfe\xff" + utf16("a,b\né,€\n", true), []string{"2: é|€"}},
		{"mark of UTF-8 decides", "utf16le", "\xef\xbb\xbfa,b\né,€\n", []string{"2: é|€"}},
		{"half a character in UTF-16", "utf16le", utf16("a,b\n1,2\n3,4", false) + "\xd8", []string{
			"2: 1|2", `! row 3: column "b" has bytes that are not valid in utf16le`}},
		{"lone surrogate", "utf16le", utf16("a,b\n1,", false) + "\x00\xd8" + utf16("\n3,4", false), []string{
			`! row 2: column "b" has bytes that are not valid in utf16le`, "3: 3|4"}},

		{"latin1 is that of Node.js", "latin1", "a,b\n\xe9,\x80\n", []string{"2: é|\u0080"}},
		{"binary", "binary", "a,b\n\xe9,\xff\n", []string{"2: é|ÿ"}},
		{"windows-1252", "windows-1252", "a,b\n\xe9,\x80\n", []string{"2: é|€"}},
		{"bytes that windows-1252 has not", "cp1252", "a,b\n\x81,1\n2,3\n", []string{
			`! row 2: column "a" has bytes that are not valid in windows-1252`, "3: 2|3"}},
		{"ascii", "ascii", "a,b\nx,y\nx,\xe9\n", []string{"2: x|y", `! row 3: column "b" has bytes that are not valid in ascii`}},
		{"shift_jis", "shift_jis", "a,b\n\x83\x5c,\x82\xa0\n", []string{"2: ソ|あ"}},
		{"shift_jis not valid", "shift_jis", "a,b\n\x83,1\n2,3\n", []string{
			`! row 2: column "a" has bytes that are not valid in shift_jis`, "3: 2|3"}},

		{"base64", "base64", base64.StdEncoding.EncodeToString([]byte("a,b\né,??>\n")), []string{"2: é|??>"}},
		{"base64 in lines", "base64", lines(base64.StdEncoding.EncodeToString([]byte("a,b\né,??>\n"))), []string{"2: é|??>"}},
		{"base64url", "base64url", base64.RawURLEncoding.EncodeToString([]byte("a,b\né,??>\n")), []string{"2: é|??>"}},
		{"base64 with byte order mark", "base64", base64.StdEncoding.EncodeToString([]byte("\xef\xbb\xbfa,b\n1,2\n")), []string{"2: 1|2"}},
		{"hex", "hex", lines(hex.EncodeToString([]byte("a,b\né,€\n"))), []string{"2: é|€"}},
		{"hex after much white space", "hex", strings.Repeat(" ", 1<<20) + hex.EncodeToString([]byte("a,b\n1,2\n")), []string{"2: 1|2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readAll(strings.NewReader(test.input), csvimport.Options{Encoding: test.encoding})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("rows of %.100q (-want +got):\n%s", test.input, diff)
			}
		})
	}
}

func TestArmorThatIsNone(t *testing.T) {
	for _, test := range []struct{ name, encoding, input, want string }{
		{"text for base64", "base64", "a,b\n1,2\n", "encoding: the file is not written in base64"},
		{"letters after the padding", "base64", "YQ==YQ==", "encoding: the file is not written in base64"},
		{"text for hex", "hex", "a,b\n1,2\n", "encoding: the file is not written in hex"},
		{"half a byte", "hex", "613", "encoding: the file is not written in hex"},
	} {
		_, err := readAll(strings.NewReader(test.input), csvimport.Options{Encoding: test.encoding})
		unusable, ok := errors.AsType[*csvimport.Error](err)
		if !ok || unusable.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
}

// utf16 encodes s.
func utf16(s string, bigEndian bool) string {
	var b strings.Builder
	put := func(unit rune) {
		low, high := byte(unit), byte(unit>>8)
		if bigEndian {
			low, high = high, low
		}
		b.WriteByte(low)
		b.WriteByte(high)
	}
	for _, c := range s {
		if c > 0xffff {
			put(0xd800 + (c-0x10000)>>10)
			c = 0xdc00 + (c-0x10000)&0x3ff
		}
		put(c)
	}
	return b.String()
}

// lines breaks s into lines.
func lines(s string) string {
	var b strings.Builder
	for i, c := range s {
		if i > 0 && i%5 == 0 {
			b.WriteString("\r\n")
		}
		b.WriteRune(c)
	}
	return b.String()
}
