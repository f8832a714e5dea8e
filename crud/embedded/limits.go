package embedded

import (
	"time"

	"user-manager/crud/document"
)

// The bounds of a request. Beyond them the answer is 413 for bodies and files, and 400
// for everything else.
const (
	maxBody       = 16 << 20  // bytes of a JSON body, and of a line of an imported file
	maxImport     = 100 << 20 // bytes of an import
	maxOption     = 64        // bytes of an option of an import
	maxQuery      = 1 << 20   // bytes of _q, _rawp or acl_rows
	maxQueryDepth = 40        // levels of arrays and objects in them
	maxDocument   = 17 << 20  // bytes of a document: a body, and what the store adds
	maxColumns    = 1000      // of an imported CSV file
	maxRecord     = 2 << 20   // bytes of a line of one
	maxSortKeys   = 32        // of _s
	defaultLimit  = 25        // documents of a page without _l
	greatestLimit = 200       // documents of a page, unless Config.MaxLimit says otherwise
)

// maxScan is how long a filter may take that SQL cannot decide: it asks each document.
const maxScan = 30 * time.Second

// Limit is a bound of what a request may ask for.
type Limit struct {
	Name  string
	Value int
}

// Limits are the bounds of a request, for the documentation.
func Limits() []Limit {
	return []Limit{
		{"bytes of a JSON body, or of a line of an imported JSON file", maxBody},
		{"bytes of an import", maxImport},
		{"bytes of a document", maxDocument},
		{"columns of an imported CSV file", maxColumns},
		{"bytes of a line of an imported CSV file", maxRecord},
		{"levels of arrays and objects in a body, and in a document", document.MaxDepth},
		{"bytes of `_q`, `_rawp` or `acl_rows`", maxQuery},
		{"levels of arrays and objects in them", maxQueryDepth},
		{"bytes of a regular expression", document.MaxPattern},
		{"documents of a page (`_l`)", greatestLimit},
		{"paths of an order (`_s`)", maxSortKeys},
		{"seconds of a search through every document", int(maxScan / time.Second)},
		{"documents of a page without `_l`", defaultLimit},
	}
}
