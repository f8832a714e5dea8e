package csvimport_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"user-manager/csvimport"
)

// FuzzReader holds a Reader against encoding/csv where the dialects agree: up to the first
// row with broken quotes, after which encoding/csv goes on at the next line and a Reader
// behind the row.
func FuzzReader(f *testing.F) {
	for _, test := range readTests {
		if len(test.input) < 1000 {
			f.Add(test.input, 2)
		}
	}
	f.Add("a,\"b\n\"\"\",c\r\n\"\",\"\"\"\"\n,,", 3)
	f.Fuzz(func(t *testing.T, body string, columns int) {
		if columns < 1 || columns > 5 || !agreed(body) {
			t.Skip()
		}
		file := numbered(columns) + "\n" + body
		want, ok := standardRows(file)
		if !ok {
			t.Skip()
		}
		if diff := cmp.Diff(want, ourRows(t, file)); diff != "" {
			t.Errorf("rows of %q (encoding/csv: -, ours: +):\n%s", file, diff)
		}
	})
}

// agreed reports whether both readers mean the same by a file. They do not agree on
// text that is no UTF-8, which encoding/csv lets pass, on a return without a line feed,
// which may end a line here, and on rows over the limit.
func agreed(body string) bool {
	return utf8.ValidString(body) && len(body) < 1<<20 &&
		strings.Count(body, "\r") == strings.Count(body, "\r\n")
}

const (
	ragged = "ragged"
	broken = "broken"
)

// standardRows returns the rows that encoding/csv reads, up to the first broken one. It
// reports false when there is a row of a single blank cell: encoding/csv does not tell
// whether it was in quotes, and without them it is an empty line here.
func standardRows(file string) ([]string, bool) {
	r := csv.NewReader(strings.NewReader(file))
	if _, err := r.Read(); err != nil {
		return nil, false
	}
	var rows []string
	for {
		cells, err := r.Read()
		if len(cells) == 1 && cells[0] != "" && strings.TrimSpace(cells[0]) == "" {
			return nil, false
		}
		switch {
		case err == io.EOF:
			return rows, true
		case errors.Is(err, csv.ErrFieldCount):
			rows = append(rows, ragged)
		case err != nil:
			return append(rows, broken), true
		default:
			rows = append(rows, normal(cells))
		}
	}
}

// ourRows returns the rows that a Reader reads, up to the first broken one.
func ourRows(t *testing.T, file string) []string {
	r, err := csvimport.NewReader(strings.NewReader(file), csvimport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for {
		row, err := r.Read()
		wrong, isWrong := errors.AsType[*csvimport.RowError](err)
		switch {
		case err == io.EOF:
			return rows
		case isWrong && strings.HasPrefix(wrong.Message, "has "):
			rows = append(rows, ragged)
		case isWrong:
			return append(rows, broken)
		case err != nil:
			t.Fatal(err)
		default:
			rows = append(rows, normal(cells(r, row)))
		}
	}
}

// normal writes cells so that both readers agree: encoding/csv makes a line feed of a
// CRLF in quotes, and keeps white space that is an empty cell here.
func normal(cells []string) string {
	var all []string
	for _, cell := range cells {
		if strings.TrimSpace(cell) == "" {
			cell = ""
		}
		all = append(all, strings.ReplaceAll(cell, "\r\n", "\n"))
	}
	return fmt.Sprintf("%q", all)
}

// FuzzOptions reads anything in any dialect: nothing panics, every row has a number above
// the one before, the end comes, and all cells are text.
func FuzzOptions(f *testing.F) {
	for _, test := range readTests {
		if len(test.input) < 1000 {
			f.Add(test.input, test.options.Delimiter, test.options.Encoding, test.options.Escape)
		}
	}
	for _, encoding := range []string{"utf16le", "ucs2", "latin1", "ascii", "base64", "hex", "shift_jis", "iso-2022-jp", "gb18030", "euc-kr", "big5"} {
		f.Add("a,b\n1,\"2\xff\"\n", ";", encoding, "null")
	}
	schema := parse(f, `{"additionalProperties":{"type":["integer","array","boolean","string"]},"patternProperties":{"^[a-m]":{"enum":[1,"x"]}}}`)
	f.Fuzz(func(t *testing.T, file, delimiter, encoding, escape string) {
		o := csvimport.Options{Delimiter: delimiter, Encoding: encoding, Escape: escape}
		r, err := csvimport.NewReader(strings.NewReader(file), o)
		if o.Check() != nil && err == nil {
			t.Fatalf("options %+v are used though %v", o, o.Check())
		}
		if err != nil {
			return
		}
		readToEnd(t, r, schema, 1<<20)
	})
}

// readToEnd reads at most limit rows of r.
func readToEnd(t *testing.T, r *csvimport.Reader, schema *csvimport.Schema, limit int) {
	last := 1
	for range limit {
		row, err := r.Read()
		number := row.Number
		if wrong, ok := errors.AsType[*csvimport.RowError](err); ok {
			number = wrong.Row
		} else if err != nil {
			if _, again := r.Read(); again == nil {
				t.Errorf("a row after %v", err)
			}
			return
		}
		if number <= last {
			t.Fatalf("row %d after %d", number, last)
		}
		last = number
		for i, cell := range cells(r, row) {
			if err == nil && !utf8.ValidString(cell) {
				t.Errorf("row %d, column %d: %q is no text", number, i, cell)
			}
		}
		if _, err := row.Document(schema); err != nil && number != err.(*csvimport.RowError).Row {
			t.Errorf("%v in row %d", err, number)
		}
	}
	t.Errorf("no end after %d rows", limit)
}
