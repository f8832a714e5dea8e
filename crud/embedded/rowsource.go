package embedded

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"user-manager/crud/document"
)

// rowSource calls yield with each row of a file, as it is read.
type rowSource func(yield func(v any, raw document.Raw) error) error

// newRowSource returns the rows of a file of the given type.
func newRowSource(contentType string, file io.Reader, o importOptions) (rowSource, error) {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	in := bufio.NewReaderSize(file, 32<<10)
	if o.latin1 {
		in = bufio.NewReader(&latin1Reader{in: in})
	}
	switch kind {
	case typeJSON:
		return jsonRows(in), nil
	case typeNDJSON:
		return lineRows(in), nil
	case typeCSV:
		return tableRows(in, o), nil
	case typeXLSX, typeXLS:
		return nil, leftOut(omitSpreadsheet, kind)
	}
	return nil, &fault{status: http.StatusUnsupportedMediaType, message: "Unsupported file type " + kind}
}

// latin1Reader gives ISO 8859-1 as UTF-8.
type latin1Reader struct{ in *bufio.Reader }

func (r *latin1Reader) Read(p []byte) (n int, err error) {
	for n+2 <= len(p) {
		b, err := r.in.ReadByte()
		if err != nil {
			return n, err
		}
		n += copy(p[n:], string(rune(b)))
	}
	return n, nil
}

// blankReader gives JSON with one blank for several between two tokens: the decoder
// looks at all of them again with each piece that it reads.
type blankReader struct {
	in                     *bufio.Reader
	text, escaped, blanked bool
}

func (r *blankReader) Read(p []byte) (n int, err error) {
	for n < len(p) {
		b, err := r.in.ReadByte()
		if err != nil {
			return n, err
		}
		blank := !r.text && (b == ' ' || b == '\t' || b == '\n' || b == '\r')
		if blank && r.blanked {
			continue
		}
		r.blanked = blank
		switch {
		case r.escaped:
			r.escaped = false
		case r.text && b == '\\':
			r.escaped = true
		case b == '"':
			r.text = !r.text
		}
		p[n] = b
		n++
	}
	return n, nil
}

// jsonRows reads the items of an array, or the values of an object, one by one.
func jsonRows(in *bufio.Reader) rowSource {
	return func(yield func(any, document.Raw) error) error {
		dec := json.NewDecoder(&blankReader{in: in})
		first, err := dec.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		if first != json.Delim('[') && first != json.Delim('{') {
			return refuse("Invalid JSON: an array is expected")
		}
		for dec.More() {
			if first == json.Delim('{') {
				if _, err := dec.Token(); err != nil {
					return unreadable(err)
				}
			}
			var text json.RawMessage
			if err := dec.Decode(&text); err != nil {
				return unreadable(err)
			}
			if err := yieldText(string(text), yield); err != nil {
				return err
			}
		}
		if _, err := dec.Token(); err != nil {
			return unreadable(err)
		}
		return nil
	}
}

// unreadable is the refusal of a file that is not what it says; errors of reading the
// request stay themselves.
func unreadable(err error) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return err
	}
	return refuse("Invalid JSON: " + err.Error())
}

func yieldText(text string, yield func(any, document.Raw) error) error {
	v, raws, err := document.ParseRaw(text, 0)
	if err != nil {
		return refuse("Could not parse row: " + err.Error())
	}
	var raw document.Raw
	if len(raws) > 0 {
		raw = raws[0]
	}
	return yield(v, raw)
}

// lineRows reads a JSON value per line.
func lineRows(in *bufio.Reader) rowSource {
	return func(yield func(any, document.Raw) error) error {
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, maxBody)
		for lines.Scan() {
			line := bytes.TrimSpace(lines.Bytes())
			if len(line) == 0 {
				continue
			}
			if err := yieldText(string(line), yield); err != nil {
				return err
			}
		}
		if errors.Is(lines.Err(), bufio.ErrTooLong) {
			return refuse("a line is too long")
		}
		return lines.Err()
	}
}

// tableRows reads CSV: a header, then a row per record.
func tableRows(in *bufio.Reader, o importOptions) rowSource {
	return func(yield func(any, document.Raw) error) error {
		if mark, _ := in.Peek(3); string(mark) == "\uFEFF" {
			in.Discard(3)
		}
		records := &recordReader{in: in, delimiter: o.delimiter, escape: o.escape, line: 1}
		var header []string
		for {
			record, err := records.next()
			switch {
			case err == io.EOF:
				return nil
			case err != nil:
				return err
			case header == nil:
				header = record
				continue
			case len(record) != len(header):
				return refuse(fmt.Sprintf("Invalid Record Length: columns length is %d, got %d on line %d", len(header), len(record), records.line-1))
			}
			if err := yieldRecord(header, record, yield); err != nil {
				return err
			}
		}
	}
}

// yieldRecord makes a row of a record: a cell that reads as JSON is that value.
func yieldRecord(header, record []string, yield func(any, document.Raw) error) error {
	row := make(map[string]any, len(header))
	for i, name := range header {
		v, err := document.Parse(record[i])
		if err != nil {
			v = record[i]
		}
		row[name] = v
	}
	return yield(row, nil)
}

// recordReader reads CSV with any escape character in quotes.
type recordReader struct {
	in                *bufio.Reader
	delimiter, escape byte
	line              int
	size              int // bytes of the record so far
}

// next reads a record, and skips empty lines.
func (r *recordReader) next() ([]string, error) {
	for {
		record, empty, err := r.record()
		if err != nil || !empty {
			return record, err
		}
	}
}

func (r *recordReader) record() (record []string, empty bool, err error) {
	var cell []byte
	quotes, started := false, false
	for r.size = 0; ; {
		b, err := r.readByte()
		if err == io.EOF && started {
			return append(record, string(cell)), false, nil
		}
		if err != nil {
			return nil, false, err
		}
		switch {
		case b == '"' && len(cell) == 0 && !quotes:
			quotes = true
			if cell, err = r.quoted(cell); err != nil {
				return nil, false, err
			}
		case b == r.delimiter && len(record) == maxColumns-1:
			return nil, false, refuse(fmt.Sprintf("a line has more than %d columns", maxColumns))
		case b == r.delimiter:
			record, cell, quotes = append(record, string(cell)), nil, false
		case b == '\n':
			r.line++
			if !started {
				return nil, true, nil
			}
			return append(record, string(cell)), false, nil
		case b == '\r':
			if next, _ := r.in.Peek(1); len(next) == 1 && next[0] == '\n' {
				continue
			}
			cell = append(cell, b)
		default:
			cell = append(cell, b)
		}
		started = true
	}
}

// readByte refuses a record that does not end.
func (r *recordReader) readByte() (byte, error) {
	if r.size++; r.size > maxRecord {
		return 0, refuse("a line is too long")
	}
	return r.in.ReadByte()
}

// quoted reads to the closing quote.
func (r *recordReader) quoted(cell []byte) ([]byte, error) {
	for {
		b, err := r.readByte()
		if err == io.EOF {
			return nil, refuse(fmt.Sprintf("Quote Not Closed: the parsing is finished with an opening quote at line %d", r.line))
		}
		if err != nil {
			return nil, err
		}
		next, _ := r.in.Peek(1)
		switch {
		case b == r.escape && len(next) == 1 && (next[0] == '"' || next[0] == r.escape):
			cell = append(cell, next[0])
			r.in.Discard(1)
		case b == '"':
			return cell, nil
		default:
			if b == '\n' {
				r.line++
			}
			cell = append(cell, b)
		}
	}
}
