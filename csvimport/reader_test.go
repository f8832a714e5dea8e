package csvimport_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"user-manager/csvimport"
)

// A line of a test's want is a row and its cells, or after ! what is wrong with it.
var readTests = []struct {
	name    string
	options csvimport.Options
	input   string
	want    []string
}{
	{"simple", csvimport.Options{}, "a,b\n1,2\n3,4\n", []string{"2: 1|2", "3: 3|4"}},
	{"no line break at the end", csvimport.Options{}, "a,b\n1,2", []string{"2: 1|2"}},
	{"header only", csvimport.Options{}, "a,b\n", nil},
	{"header without line break", csvimport.Options{}, "a,b", nil},
	{"CRLF", csvimport.Options{}, "a,b\r\n1,2\r\n3,\r\n", []string{"2: 1|2", "3: 3|"}},
	{"line breaks mixed", csvimport.Options{}, "a,b\r\n1,2\n3,4\r\n", []string{"2: 1|2", "3: 3|4"}},
	{"return at the end of the file", csvimport.Options{}, "a,b\n1,2\r", []string{"2: 1|2"}},
	{"return in a line", csvimport.Options{}, "a,b\n1\r1,2\n", []string{"2: 1\r1|2"}},
	{"old Mac file", csvimport.Options{}, "a,b\r1,2\r\r3,\"4\r5\"\r", []string{"2: 1|2", "4: 3|4\r5"}},
	{"old Mac file that was added to", csvimport.Options{}, "a,b\r1,2\r\"3\",\"\n\"\r", []string{"2: 1|2", "3: 3|\n"}},

	{"empty lines are counted", csvimport.Options{}, "a,b\n\n1,2\n\r\n  \n3,4\n\n", []string{"3: 1|2", "6: 3|4"}},
	{"empty lines before the header", csvimport.Options{}, "\n\na,b\n1,2\n", []string{"4: 1|2"}},
	{"row of empty cells", csvimport.Options{}, "a,b\n,\n", []string{"2: |"}},
	{"one empty cell in quotes", csvimport.Options{}, "a\n\"\"\n\n1\n", []string{"2: ", "4: 1"}},

	{"quotes", csvimport.Options{}, "a,b\n\"1\",\"2,\"\"3\"\"\"\n", []string{`2: 1|2,"3"`}},
	{"line breaks in quotes are kept", csvimport.Options{}, "a,b\n\"1\n\r\n2\r\",3\n4,5\n", []string{"2: 1\n\r\n2\r|3", "3: 4|5"}},
	{"return before the closing quote", csvimport.Options{}, "a,b\n1,\"2\r\"\r\n", []string{"2: 1|2\r"}},
	{"white space is kept", csvimport.Options{}, "a,b\n 1 ,\" 2 \"\n", []string{"2:  1 | 2 "}},
	{"nothing but white space is empty, not in quotes", csvimport.Options{}, "a,b\n \t\u00a0,\"  \"\n", []string{"2: |  "}},
	{"white space in UTF-8 begins a cell", csvimport.Options{}, "a,b\n\u00a0x,é\n", []string{"2: \u00a0x|é"}},

	{"semicolon", csvimport.Options{Delimiter: `";"`}, "a;b\n1,5;2\n", []string{"2: 1,5|2"}},
	{"tab", csvimport.Options{Delimiter: `\t`}, "a\tb\n1\t2\n\t\n", []string{"2: 1|2", "3: |"}},
	{"delimiter of several bytes", csvimport.Options{Delimiter: "→"}, "a→b\n1↓→\"2→\"\n", []string{"2: 1↓|2→"}},
	{"delimiter of several bytes, cut off", csvimport.Options{Delimiter: "→"}, "a→b\n1→2\xe2\x86", []string{`! row 2: column "b" has bytes that are not valid in utf8`}},
	{"letter as delimiter", csvimport.Options{Delimiter: "x"}, "axb\n1x2\n", []string{"2: 1|2"}},

	{"escape by backslash", csvimport.Options{Escape: `\`}, `a,b` + "\n" + `"1\"\\\n","\"` + "\n\"\n", []string{`2: 1"\\n|"` + "\n"}},
	{"escape outside quotes is text", csvimport.Options{Escape: `\`}, "a,b\n" + `1\,2\\` + "\n", []string{`2: 1\|2\\`}},
	{"quotes are not doubled with another escape", csvimport.Options{Escape: `\`}, "a,b\n" + `"1""2",3` + "\n", []string{`! row 2: column "a" has text after the closing quote`}},
	{"escape of several bytes", csvimport.Options{Escape: "→"}, "a,b\n" + `"1→"→→",↓→` + "\n", []string{`2: 1"→|↓→`}},
	{"escape at the end of the file", csvimport.Options{Escape: `\`}, "a,b\n" + `1,"\`, []string{`! row 2: column "b" has a quote that is not closed; nothing after it could be read`}},
	{"no quoting", csvimport.Options{Escape: "null"}, "a,b\n\"1,2\"\n3\"\",\"\n", []string{`2: "1|2"`, `3: 3""|"`}},

	{"fewer cells", csvimport.Options{}, "a,b,c\n1,2\n3,4,5\n", []string{"! row 2: has 2 cells, the header has 3", "3: 3|4|5"}},
	{"one cell", csvimport.Options{}, "a,b,c\n1\n", []string{"! row 2: has 1 cell, the header has 3"}},
	{"more cells", csvimport.Options{}, "a,b\n1,2,3,4\n5,6\n", []string{"! row 2: has 4 cells, the header has 2", "3: 5|6"}},

	{"quote in a cell", csvimport.Options{}, "a,b\n1,2\"\n3,4\n", []string{`! row 2: column "b" has a quote in a cell that does not begin with one`, "3: 3|4"}},
	{"quote after a blank", csvimport.Options{}, "a,b\n1, \"2\"\n3,4\n", []string{`! row 2: column "b" has a quote in a cell that does not begin with one`, "3: 3|4"}},
	{"row goes on after a quote in a cell", csvimport.Options{}, "a,b\n1\",\"2\n3\"\n4,5\n", []string{`! row 2: column "a" has a quote in a cell that does not begin with one`, "3: 4|5"}},
	{"text after the closing quote", csvimport.Options{}, "a,b\n\"1\" ,2\n3,4\n", []string{`! row 2: column "a" has text after the closing quote`, "3: 3|4"}},
	{"text and quotes after the closing quote", csvimport.Options{}, "a,b\n\"1\"x\"y,2\n3,4\n", []string{`! row 2: column "a" has text after the closing quote`, "3: 3|4"}},
	{"return after the closing quote", csvimport.Options{}, "a,b\n1,\"2\"\r\r\n3,4\n", []string{`! row 2: column "b" has text after the closing quote`, "3: 3|4"}},
	{"quote that is not closed", csvimport.Options{}, "a,b\n1,\"2\n3,4\n", []string{`! row 2: column "b" has a quote that is not closed; nothing after it could be read`}},
	{"broken cell without column", csvimport.Options{}, "a,b\n1,2,3\"\n", []string{`! row 2: column 3 (C) has a quote in a cell that does not begin with one`}},

	{"row too long", csvimport.Options{}, "a,b\n" + strings.Repeat("x", 1<<20) + ",\"y\nz\"\n1,2\n", []string{"! row 2: is longer than 1048576 bytes; is a quote not closed?", "3: 1|2"}},
	{"row too long in quotes", csvimport.Options{}, "a,b\n\"" + strings.Repeat("x\n", 1<<19) + "\",\n1,2\n", []string{"! row 2: is longer than 1048576 bytes; is a quote not closed?", "3: 1|2"}},
	{"row of too many delimiters", csvimport.Options{}, "a,b\n" + strings.Repeat(",", 1<<20+1) + "\n1,2\n", []string{"! row 2: is longer than 1048576 bytes; is a quote not closed?", "3: 1|2"}},
	{"blank line too long", csvimport.Options{}, "a,b\n" + strings.Repeat(" ", 2<<20) + "\n1,2\n", []string{"! row 2: is longer than 1048576 bytes; is a quote not closed?", "3: 1|2"}},
	{"quote that is not closed before the end of a long file", csvimport.Options{}, "a,b\n1,\"" + strings.Repeat("x\n", 1<<20), []string{"! row 2: is longer than 1048576 bytes; is a quote not closed?"}},
}

func TestRead(t *testing.T) {
	for _, test := range readTests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readAll(strings.NewReader(test.input), test.options)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("rows of %.100q (-want +got):\n%s", test.input, diff)
			}
		})
	}
}

func TestReadByteByByte(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with the race detector, which sees one goroutine")
	}
	for _, test := range readTests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readAll(iotest.DataErrReader(iotest.OneByteReader(strings.NewReader(test.input))), test.options)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("rows of %.100q (-want +got):\n%s", test.input, diff)
			}
		})
	}
}

// What the end of the buffer cuts is read as anywhere else.
func TestReadAcrossTheBuffer(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with the race detector, which sees one goroutine")
	}
	const buffer = 64 << 10
	for _, test := range readTests {
		if len(test.input) > buffer || strings.Contains(test.name, "old Mac") {
			continue // which kind of line breaks there are, the beginning of the file decides
		}
		t.Run(test.name, func(t *testing.T) {
			want, err := readAll(strings.NewReader("\n"+test.input), test.options)
			if err != nil {
				t.Fatal(err)
			}
			for before := buffer - len(test.input); before <= buffer; before++ {
				blank := strings.Repeat(" ", before-1) + "\n"
				got, err := readAll(strings.NewReader(blank+test.input), test.options)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("rows after %d bytes (-want +got):\n%s", before, diff)
				}
			}
		})
	}
}

func TestLongestRow(t *testing.T) {
	row := strings.Repeat("x", 1<<20-len(`1,""`))
	got, err := readAll(strings.NewReader("a,b\r\n1,\""+row+"\"\r\n"), csvimport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != "2: 1|"+row {
		t.Errorf("got %.100q, want the row", got)
	}
}

func TestRowsStayValid(t *testing.T) {
	r, err := csvimport.NewReader(strings.NewReader("a,b\n1,2\n3,4\n"), csvimport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(); err != nil {
		t.Fatal(err)
	}
	if got := first.Cell("a") + first.Cell("b") + first.Cell("c"); got != "12" {
		t.Errorf("cells after the next Read: %q, want 12", got)
	}
}

func TestZeroRow(t *testing.T) {
	doc, err := csvimport.Row{}.Document(csvimport.NewSchema(nil))
	if cell := (csvimport.Row{}).Cell("a"); cell != "" || len(doc) != 0 || err != nil {
		t.Errorf("zero Row: cell %q, document %v, error %v", cell, doc, err)
	}
}

func TestSourceErrorIsFinal(t *testing.T) {
	broken := errors.New("connection reset")
	for _, input := range []string{"", "a,b", "a,b\n", "a,b\n1,", "a,b\n1,\"2", "a,b\n\"" + strings.Repeat("x", 2<<20)} {
		source := io.MultiReader(strings.NewReader(input), iotest.ErrReader(broken))
		r, err := csvimport.NewReader(source, csvimport.Options{})
		for range 2 {
			if r == nil {
				break
			}
			_, err = r.Read()
		}
		if !errors.Is(err, broken) {
			t.Errorf("after %.20q: %v, want %v", input, err, broken)
		}
	}
}

func TestEndIsFinal(t *testing.T) {
	r, err := csvimport.NewReader(strings.NewReader("a\n1"), csvimport.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := r.Read(); err != io.EOF {
			t.Errorf("after the last row: %v, want EOF", err)
		}
	}
}

// A source that never gives anything does not keep the reader.
func TestSourceWithoutProgress(t *testing.T) {
	_, err := csvimport.NewReader(silent{}, csvimport.Options{})
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v, want %v", err, io.ErrNoProgress)
	}
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

// readAll returns the rows as readTests write them.
func readAll(source io.Reader, o csvimport.Options) ([]string, error) {
	r, err := csvimport.NewReader(source, o)
	if err != nil {
		return nil, err
	}
	var all []string
	for {
		row, err := r.Read()
		if err == io.EOF {
			return all, nil
		}
		if wrong, ok := errors.AsType[*csvimport.RowError](err); ok {
			all = append(all, "! "+wrong.Error())
			continue
		}
		if err != nil {
			return all, err
		}
		all = append(all, fmt.Sprintf("%d: %s", row.Number, strings.Join(cells(r, row), "|")))
	}
}

func cells(r *csvimport.Reader, row csvimport.Row) []string {
	var all []string
	for _, name := range r.Columns() {
		all = append(all, row.Cell(name))
	}
	return all
}
