package csvimport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	maxRow        = 1 << 20 // bytes of a row as it is written
	bufferSize    = 64 << 10
	maxEmptyReads = 100
)

// What can be wrong with a cell.
const (
	bareQuote     = "has a quote in a cell that does not begin with one"
	textAfter     = "has text after the closing quote"
	quoteNotEnded = "has a quote that is not closed; nothing after it could be read"
)

// A scanner splits text into records, and their cells. It keeps one record at a time.
type scanner struct {
	source io.Reader
	err    error // what source ended with, io.EOF for its end
	buffer []byte
	pos    int // buffer[pos:end] is not looked at yet
	end    int

	delimiter     string
	quoting       bool
	escapedQuote  string
	escapedEscape string
	lineBreak     byte // '\n', also for CRLF; '\r' in old Mac files

	plainStops  [256]bool // bytes that can end a run of plain text
	quotedStops [256]bool // the same inside quotes

	record
}

// A record is what a scanner found last.
type record struct {
	text  []byte  // of all cells
	ends  []int32 // where in text each of the first cells ends
	limit int     // how many ends are kept
	cells int     // how many cells there are
	size  int     // bytes as written, without the line break

	cellStart int  // where in text the cell begins
	plainFrom int  // where in text the part of it begins that is not quoted
	quoted    bool // whether any cell was

	fault     string // what is wrong first
	faultCell int    // and with which cell
}

// newScanner returns a scanner of r, which holds UTF-8 in the given dialect.
func newScanner(r io.Reader, d dialect) *scanner {
	s := &scanner{
		source:        r,
		buffer:        make([]byte, bufferSize),
		delimiter:     d.delimiter,
		quoting:       d.escape != "",
		escapedQuote:  d.escape + `"`,
		escapedEscape: d.escape + d.escape,
	}
	more := true
	for more && s.end < len(s.buffer) {
		more = s.fill()
	}
	s.lineBreak = s.findLineBreak()
	s.plainStops[s.lineBreak] = true
	s.plainStops[s.delimiter[0]] = true
	if s.quoting {
		s.plainStops['"'] = true
		s.quotedStops['"'] = true
		s.quotedStops[d.escape[0]] = true
	}
	return s
}

// findLineBreak returns what ends the lines. A carriage return alone does when the
// beginning of the file has no other line break.
func (s *scanner) findLineBreak() byte {
	text := bytes.TrimRight(s.buffer[:s.end], "\r") // LF may follow
	inQuotes, hasReturn := false, false
	for _, b := range text {
		switch {
		case b == '"' && s.quoting:
			inQuotes = !inQuotes
		case inQuotes:
		case b == '\n':
			return '\n'
		case b == '\r':
			hasReturn = true
		}
	}
	if hasReturn {
		return '\r'
	}
	return '\n'
}

// next reads a record. It returns io.EOF after the last one, or what went wrong with the
// source, and goes on returning that.
func (s *scanner) next(limit int) error {
	s.record = record{text: s.text[:0], ends: s.ends[:0], limit: limit}
	if s.lineBreak == '\r' && s.at("\n") {
		s.pos++
	}
	if !s.need(1) {
		return s.sourceError()
	}
	for {
		last, err := s.cell()
		if last || err != nil {
			return err
		}
	}
}

// sourceError returns what the source ended with.
func (s *scanner) sourceError() error {
	if _, unusable := errors.AsType[*Error](s.err); unusable || s.err == io.EOF {
		return s.err
	}
	return fmt.Errorf("read the file: %w", s.err)
}

// cell reads a cell and what ends it, and reports whether it was the record's last.
func (s *scanner) cell() (last bool, err error) {
	s.cellStart, s.plainFrom = len(s.text), len(s.text)
	quoted := s.quoting && s.at(`"`)
	if quoted {
		s.quotedText()
	}
	for {
		s.run(&s.plainStops)
		switch {
		case !s.need(1):
			if s.err != io.EOF {
				return true, s.sourceError()
			}
			s.dropReturn()
			s.endCell(quoted)
			return true, nil
		case s.buffer[s.pos] == s.lineBreak:
			s.pos++
			if s.lineBreak == '\n' {
				s.dropReturn()
			}
			s.endCell(quoted)
			return true, nil
		case s.at(s.delimiter):
			s.skip(len(s.delimiter))
			s.endCell(quoted)
			return false, nil
		}
		if !quoted && s.quoting && s.buffer[s.pos] == '"' {
			s.fail(bareQuote)
		}
		s.takeByte() // or the first byte of another character than the delimiter
	}
}

// quotedText reads the part of a cell that is in quotes.
func (s *scanner) quotedText() {
	s.quoted = true
	s.skip(1)
	for {
		s.run(&s.quotedStops)
		switch {
		case !s.need(1):
			s.fail(quoteNotEnded)
			s.plainFrom = len(s.text)
			return
		case s.at(s.escapedQuote):
			s.skip(len(s.escapedQuote) - 1)
			s.takeByte()
		case s.at(s.escapedEscape):
			s.skip(len(s.escapedEscape) / 2)
			for range len(s.escapedEscape) / 2 {
				s.takeByte()
			}
		case s.buffer[s.pos] == '"':
			s.skip(1)
			s.plainFrom = len(s.text)
			return
		default: // an escape before something else
			s.takeByte()
		}
	}
}

// dropReturn removes the first half of a CRLF that was taken for text.
func (s *scanner) dropReturn() {
	if n := len(s.text); n > s.plainFrom && s.text[n-1] == '\r' {
		s.text = s.text[:n-1]
		s.size--
	}
}

// endCell notes where the cell ends. Nothing but white space is an empty cell, unless it
// is quoted.
func (s *scanner) endCell(quoted bool) {
	if quoted && len(s.text) > s.plainFrom {
		s.fail(textAfter)
	}
	if !quoted && isBlank(s.text[s.cellStart:]) {
		s.text = s.text[:s.cellStart]
	}
	s.cells++
	if s.cells <= s.limit {
		s.ends = append(s.ends, int32(len(s.text)))
	}
}

func isBlank(text []byte) bool {
	if len(text) == 0 || ' ' < text[0] && text[0] < 0x7f { // most cells, at a glance
		return len(text) == 0
	}
	return len(bytes.TrimSpace(text)) == 0
}

// fail notes what is wrong with the cell, unless an earlier one is wrong, too.
func (s *scanner) fail(fault string) {
	if s.fault == "" {
		s.fault, s.faultCell = fault, s.cells
	}
}

// run takes text up to a byte of stops or the end.
func (s *scanner) run(stops *[256]bool) {
	for {
		i := s.pos
		for i < s.end && !stops[s.buffer[i]] {
			i++
		}
		s.text = append(s.text, s.buffer[s.pos:i]...)
		s.skip(i - s.pos)
		if i < s.end || !s.need(1) {
			return
		}
	}
}

func (s *scanner) takeByte() {
	s.text = append(s.text, s.buffer[s.pos])
	s.skip(1)
}

func (s *scanner) skip(n int) {
	s.pos += n
	s.size += n
}

// at reports whether seq comes next.
func (s *scanner) at(seq string) bool {
	return s.need(len(seq)) && string(s.buffer[s.pos:s.pos+len(seq)]) == seq
}

// need reports whether n more bytes are there. It reads them if necessary.
func (s *scanner) need(n int) bool {
	for s.end-s.pos < n {
		if !s.fill() {
			return false
		}
	}
	return true
}

// fill reads more of the source behind what is not looked at yet, and reports whether
// there is more. What is kept of a record that is too long anyway is given up.
func (s *scanner) fill() bool {
	if s.size > maxRow {
		s.text, s.cellStart, s.plainFrom = s.text[:0], 0, 0
	}
	s.end = copy(s.buffer, s.buffer[s.pos:s.end])
	s.pos = 0
	for range maxEmptyReads {
		if s.err != nil {
			return false
		}
		var n int
		n, s.err = s.source.Read(s.buffer[s.end:])
		if n > 0 {
			s.end += n
			return true
		}
	}
	if s.err == nil {
		s.err = io.ErrNoProgress
	}
	return false
}
