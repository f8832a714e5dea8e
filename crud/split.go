package crud

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"user-manager/upstream"
)

// maxURL is how many bytes a URL has at most, its base included: every proxy bears 8 KiB
// of a request's first line.
const maxURL = 8000

// pagingRoom is how much longer a URL gets by [after].
var pagingRoom = len(url.QueryEscape(`{"$and":[,{"_id":{"$gt":"000000000000000000000000"}}]}`))

// params returns q as parameters of a route, or an error when the URL would be too long.
func (c Collection) params(method, below string, q Query) (url.Values, error) {
	params, err := q.values()
	if err != nil {
		return nil, c.unencodable(method, below, "the filter cannot be encoded", err)
	}
	if c.urlLength(below, params) > maxURL {
		return nil, c.tooLong(method, below)
	}
	return params, nil
}

func (c Collection) urlLength(below string, params url.Values) int {
	return len(c.client.base.String()) + len(c.path) + len(below) + len("?") + len(params.Encode())
}

// tooLong is the refusal of a filter that would make too long a URL.
func (c Collection) tooLong(method, below string) error {
	message := fmt.Sprintf("the filter is too long: with it the URL has more than %d bytes, and there is no list of values by which it could be split", maxURL)
	return c.unencodable(method, below, message, nil)
}

func (c Collection) unencodable(method, below, message string, err error) error {
	return &upstream.Error{Service: Service, Route: c.Route(method, below), Status: http.StatusBadRequest, Message: message, Err: err}
}

// A split is a query in pieces whose URLs are short enough: together they select what it
// selects.
type split struct {
	whole Query
	in    *inList // nil: it is one piece
	lists [][]any // what each piece has in the place of the list
}

// pieces yields the queries one after the other; each is good until the next is asked for.
func (s split) pieces() iter.Seq[Query] {
	return func(yield func(Query) bool) {
		if s.in == nil {
			yield(s.whole)
			return
		}
		for _, list := range s.lists {
			piece := s.whole
			s.in.holder["$in"] = list
			piece.Filter = s.in.filter
			if !yield(piece) {
				return
			}
		}
	}
}

// disjoint reports whether surely no document is selected by two pieces, also after it
// was changed.
func (s split) disjoint() bool { return s.in == nil || s.in.field == "_id" }

// split cuts q into pieces for a route, by the longest list of values ("$in") that its
// filter has on top or in an "$and" there. Each URL keeps room for so many bytes more.
func (c Collection) split(method, below string, q Query, room int) (split, error) {
	params, err := q.values()
	if err != nil {
		return split{}, c.unencodable(method, below, "the filter cannot be encoded", err)
	}
	whole := split{whole: q}
	if c.urlLength(below, params)+room <= maxURL {
		return whole, nil
	}
	if whole.in, err = longestIn(params.Get("_q")); err != nil || whole.in == nil {
		return split{}, c.tooLong(method, below)
	}
	values := whole.in.values
	whole.in.holder["$in"] = []any{}
	q.Filter = whole.in.filter
	if params, err = q.values(); err != nil {
		return split{}, c.unencodable(method, below, "the filter cannot be encoded", err)
	}
	var fit bool
	if whole.lists, fit = lists(values, maxURL-room-c.urlLength(below, params)); !fit {
		return split{}, c.tooLong(method, below)
	}
	return whole, nil
}

// An inList is a list of values in a filter.
type inList struct {
	filter map[string]any // the whole filter
	field  string
	holder map[string]any // {"$in": values}, in filter
	values []any
}

// longestIn returns the longest list that the filter in text can be split by, or nil.
func longestIn(text string) (*inList, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var filter map[string]any
	if err := decoder.Decode(&filter); err != nil {
		return nil, err
	}
	conditions := []any{filter}
	if and, ok := filter["$and"].([]any); ok {
		conditions = append(conditions, and...)
	}
	var longest *inList
	for _, condition := range conditions {
		fields, _ := condition.(map[string]any)
		for field, operators := range fields {
			holder, _ := operators.(map[string]any)
			values, _ := holder["$in"].([]any)
			if len(values) > 0 && (longest == nil || len(values) > len(longest.values)) {
				longest = &inList{filter, field, holder, values}
			}
		}
	}
	return longest, nil
}

// lists cuts values, each taken once, into pieces that take at most so many bytes of a
// URL, and are below a page. It reports whether they fit.
func lists(values []any, most int) (pieces [][]any, fit bool) {
	var piece []any
	size, seen := 0, map[string]bool{}
	for _, value := range values {
		text, err := plainJSON(value)
		if err != nil || seen[text] {
			continue // what was decoded can be encoded
		}
		seen[text] = true
		n := len(url.QueryEscape(text + ","))
		if n > most {
			return nil, false
		}
		if size+n > most || len(piece) == pageSize-1 {
			pieces, piece, size = append(pieces, piece), nil, 0
		}
		piece, size = append(piece, value), size+n
	}
	return append(pieces, piece), true
}
