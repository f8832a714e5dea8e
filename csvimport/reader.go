package csvimport

import (
	"fmt"
	"io"
	"slices"
)

// A RowError is one row that cannot be used. Message is for the person whose file it is:
// it names the columns and what was expected, never a value.
type RowError struct {
	Row     int
	Message string
}

// Error implements error.
func (e *RowError) Error() string { return fmt.Sprintf("row %d: %s", e.Row, e.Message) }

// A Reader reads the rows of a CSV file. It is for one goroutine; the rows that it
// returns are for any.
type Reader struct {
	scanner  *scanner
	encoding textEncoding
	columns  *columns
	number   int     // of the last record
	free     []int32 // room for the ends of cells of further rows
}

// NewReader reads the header line of r, which is the first that is not blank. It returns
// an [*Error] for options that cannot be used, an empty file and header names that are
// empty, too long, doubled or too many; or r's own error, wrapped.
func NewReader(r io.Reader, o Options) (*Reader, error) {
	d, err := o.dialect()
	if err != nil {
		return nil, err
	}
	text, encoding := decode(r, d.encoding)
	reader := &Reader{scanner: newScanner(text, d), encoding: encoding}
	if err := reader.readHeader(); err != nil {
		return nil, err
	}
	return reader, nil
}

// Read returns the next row. At the end of the file the error is [io.EOF]. A [*RowError]
// is a row that cannot be read; reading can go on after it. Anything else is final: the
// source's error, or an [*Error] for a file that is not in base64 or hex as was said.
//
// Blank lines are left out, but counted.
func (r *Reader) Read() (Row, error) {
	if err := r.next(len(r.columns.names)); err != nil {
		return Row{}, err
	}
	if wrong := r.wrong(); wrong != "" {
		return Row{}, &RowError{r.number, wrong}
	}
	return Row{
		Number:  r.number,
		text:    string(r.scanner.text),
		ends:    r.keep(r.scanner.ends),
		columns: r.columns,
	}, nil
}

// Columns are the header names in order, without the white space around them.
func (r *Reader) Columns() []string { return slices.Clone(r.columns.names) }

// next reads the next record that is not blank, and keeps the ends of up to limit cells.
func (r *Reader) next(limit int) error {
	for {
		if err := r.scanner.next(limit); err != nil {
			return err
		}
		r.number++
		if !r.scanner.isBlank() {
			return nil
		}
	}
}

func (r *record) isBlank() bool {
	return r.cells == 1 && !r.quoted && len(r.text) == 0 && r.fault == "" && r.size <= maxRow
}

// wrong says why the record cannot be a row, or "".
func (r *Reader) wrong() string {
	record := &r.scanner.record
	columns := r.columns.names
	switch {
	case record.size > maxRow:
		return fmt.Sprintf("is longer than %d bytes; is a quote not closed?", maxRow)
	case record.fault != "":
		return r.columns.label(record.faultCell) + " " + record.fault
	case record.cells != len(columns):
		return fmt.Sprintf("has %s, the header has %d", count(record.cells, "cell"), len(columns))
	}
	var wrong problems
	for i := range record.invalidCells(r.encoding) {
		wrong.add(r.columns.label(i) + " " + notIn(r.encoding))
	}
	return wrong.String()
}

func notIn(e textEncoding) string { return "has bytes that are not valid in " + e.name }

// invalidCells yields the cells that were not valid in the encoding e. Each is looked at
// for itself: halves of a character do not make a whole one across two cells.
func (r *record) invalidCells(e textEncoding) func(func(int) bool) {
	return func(yield func(int) bool) {
		if isASCII(r.text) {
			return
		}
		start := int32(0)
		for i, end := range r.ends {
			if !e.valid(r.text[start:end]) && !yield(i) {
				return
			}
			start = end
		}
	}
}

// keep returns a copy of ends. Rows share what it is cut from.
func (r *Reader) keep(ends []int32) []int32 {
	if len(r.free) < len(ends) {
		r.free = make([]int32, max(1024, len(ends)))
	}
	kept := r.free[:len(ends):len(ends)]
	r.free = r.free[len(ends):]
	copy(kept, ends)
	return kept
}
