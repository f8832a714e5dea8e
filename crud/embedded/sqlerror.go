package embedded

import (
	"errors"
	"strings"

	"modernc.org/sqlite"
)

// Primary result codes of SQLite.
const (
	codeBusy       = 5
	codeNoMemory   = 7
	codeReadOnly   = 8
	codeInterrupt  = 9
	codeIO         = 10
	codeCorrupt    = 11
	codeFull       = 13
	codeCantOpen   = 14
	codeConstraint = 19
	codeNotADB     = 26
)

// resultCode is SQLite's primary result code of an error, or 0.
func resultCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// brokenColumns are the columns of the unique index that a write broke, as
// "table.column, table.column", or "".
func brokenColumns(err error) string {
	if resultCode(err) != codeConstraint {
		return ""
	}
	_, text, found := strings.Cut(err.Error(), "UNIQUE constraint failed: ")
	if !found {
		return ""
	}
	if end := strings.LastIndex(text, " ("); end > 0 {
		text = text[:end]
	}
	return text
}
