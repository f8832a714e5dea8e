// Package csvimport turns a CSV file into rows, and rows into documents by a JSON
// Schema. What is wrong with a row is an error of that row, in words for the person whose
// file it is; the rows after it are read all the same.
//
// [NewReader] reads the header, [Reader.Read] a row, [Row.Document] turns it into what a
// [Schema] says. The file is read as a stream: memory does not grow with it.
package csvimport

import (
	"strings"
	"unicode/utf8"
)

// The parts of an import that an [Error] can be about.
const (
	partDelimiter = "delimiter"
	partEncoding  = "encoding"
	partEscape    = "escape"
	partFile      = "file"
)

// An Error is a file or an option that cannot be used at all. Part is "delimiter",
// "encoding", "escape" or "file".
type Error struct{ Part, Message string }

// Error implements error.
func (e *Error) Error() string { return e.Part + ": " + e.Message }

// Options say how a file is written, as a request gives them; "" means the default.
// They are those of csv-parse, the parser for Node.js. Each may stand in quotes, as in
// the request delimiter=";".
type Options struct {
	// Delimiter is the character between cells, a comma by default. \t is a tab, too.
	Delimiter string
	// Encoding is the name of an encoding of Node.js or of the WHATWG Encoding
	// standard, utf8 by default. Node.js decides what the names mean that both have:
	// latin1 is ISO 8859-1. A file in base64 or hex holds utf8 below it.
	Encoding string
	// Escape is the character that keeps a quote in a quoted cell from ending it, the
	// quote itself by default. With "null" quotes are characters like others.
	Escape string
}

// Check reports what is wrong with o before any file is there: an [*Error] that names the
// part.
func (o Options) Check() error {
	_, err := o.dialect()
	return err
}

// A dialect is what [Options] mean.
type dialect struct {
	delimiter string
	escape    string // "" when there is no quoting
	encoding  textEncoding
}

func (o Options) dialect() (dialect, error) {
	d := dialect{delimiter: ",", escape: `"`}
	if o.Delimiter != "" {
		d.delimiter = character(o.Delimiter)
	}
	switch {
	case unquote(o.Escape) == "null":
		d.escape = ""
	case o.Escape != "":
		if d.escape = character(o.Escape); d.escape == "" {
			return dialect{}, &Error{partEscape, "must be one character, or null"}
		}
	}
	if err := d.check(); err != nil {
		return dialect{}, err
	}
	var ok bool
	if d.encoding, ok = encodingNamed(unquote(o.Encoding)); !ok {
		return dialect{}, &Error{partEncoding, "is not known: utf8, utf16le, latin1, ascii, base64 and hex are, and the labels of the WHATWG Encoding standard"}
	}
	return d, nil
}

// check reports characters that cannot play the role they were given.
func (d dialect) check() error {
	switch {
	case d.delimiter == "":
		return &Error{partDelimiter, "must be one character"}
	case d.delimiter == `"`:
		return &Error{partDelimiter, "must not be the quote"}
	case isLineBreak(d.delimiter):
		return &Error{partDelimiter, "must not be a line break"}
	case isLineBreak(d.escape):
		return &Error{partEscape, "must not be a line break"}
	case d.delimiter == d.escape:
		return &Error{partDelimiter, "must not be the same as the escape"}
	}
	return nil
}

func isLineBreak(s string) bool { return s == "\n" || s == "\r" }

// character returns the one character that s is, in quotes or not, or "". The replacement
// character is none: it stands for bytes that are no text.
func character(s string) string {
	s = unquote(s)
	if s == `\t` {
		return "\t"
	}
	if c, n := utf8.DecodeRuneInString(s); n == 0 || n < len(s) || c == utf8.RuneError {
		return ""
	}
	return s
}

// unquote returns s without the quotes around it, if there are any and something is
// between them.
func unquote(s string) string {
	n := len(s)
	if n < 3 || s[0] != s[n-1] || !strings.Contains(`"'`, s[:1]) {
		return s
	}
	return s[1 : n-1]
}
