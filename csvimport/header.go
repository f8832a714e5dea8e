package csvimport

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

const (
	maxColumns    = 1000
	maxColumnName = 256 // bytes
)

// columns are the names in a header. They are safe for several goroutines.
type columns struct {
	names  []string
	index  map[string]int
	fields sync.Map // *Schema to []field, a field for each column
}

// label names a column for messages, by its number when it has no name, yet or at all.
func (c *columns) label(i int) string {
	if c == nil || i >= len(c.names) {
		return "column " + place(i)
	}
	return "column " + quoteName(c.names[i])
}

// place is a column's number and letters, as spreadsheets show them: "28 (AB)".
func place(i int) string {
	letters := ""
	for n := i + 1; n > 0; n = (n - 1) / 26 {
		letters = string(rune('A'+(n-1)%26)) + letters
	}
	return fmt.Sprintf("%d (%s)", i+1, letters)
}

// quoteName returns a column's name in quotes, cut when it is long.
func quoteName(name string) string { return `"` + escaped(name) + `"` }

// escaped returns a column's name as it stands between quotes, cut to about 64 bytes: few
// characters can be many when they are escaped.
func escaped(name string) string {
	const most = 64
	var text strings.Builder
	for _, r := range name {
		quoted := strconv.Quote(string(r))
		char := quoted[1 : len(quoted)-1]
		if text.Len()+len(char) > most {
			return text.String() + "…"
		}
		text.WriteString(char)
	}
	return text.String()
}

// readHeader reads the columns' names.
func (r *Reader) readHeader() error {
	err := r.next(maxColumns)
	if err == io.EOF {
		return &Error{partFile, "is empty"}
	}
	if err != nil {
		return err
	}
	if wrong := r.wrongHeader(); wrong != "" {
		return &Error{partFile, "the header " + wrong}
	}
	r.columns = newColumns(&r.scanner.record)
	if wrong := r.columns.wrong(); wrong != "" {
		return &Error{partFile, wrong}
	}
	return nil
}

// wrongHeader says why the record cannot be read as a header, or "".
func (r *Reader) wrongHeader() string {
	record := &r.scanner.record
	switch {
	case record.size > maxRow:
		return fmt.Sprintf("is longer than %d bytes; is a quote not closed?", maxRow)
	case record.fault != "":
		return "is not readable: " + r.columns.label(record.faultCell) + " " + record.fault
	case record.cells > maxColumns:
		return fmt.Sprintf("has %d columns, more than %d", record.cells, maxColumns)
	}
	var wrong problems
	for i := range record.invalidCells(r.encoding) {
		wrong.add(r.columns.label(i) + " " + notIn(r.encoding))
	}
	if len(wrong.found) == 0 {
		return ""
	}
	return "is not readable: " + wrong.String()
}

func newColumns(header *record) *columns {
	c := &columns{index: make(map[string]int, len(header.ends))}
	start := int32(0)
	for i, end := range header.ends {
		name := strings.TrimSpace(string(header.text[start:end]))
		c.names = append(c.names, name)
		if _, doubled := c.index[name]; !doubled {
			c.index[name] = i
		}
		start = end
	}
	return c
}

// wrong names the columns that cannot be told apart, or "".
func (c *columns) wrong() string {
	var wrong problems
	for i, name := range c.names {
		first := c.index[name]
		switch {
		case name == "":
			wrong.add("column " + place(i) + " has no name")
		case len(name) > maxColumnName:
			wrong.add(fmt.Sprintf("the name of column %s is longer than %d bytes", place(i), maxColumnName))
		case first != i:
			wrong.add(fmt.Sprintf("column %s has the same name as column %s, %s", place(i), place(first), quoteName(name)))
		}
	}
	return wrong.String()
}
