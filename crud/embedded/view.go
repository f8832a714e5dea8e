package embedded

import (
	"container/heap"
	"context"
	"database/sql"
	"net/http"
	"slices"
	"strings"
	"time"

	"user-manager/crud/document"
)

// view is what a read asks for.
type view struct {
	filter     document.Filter
	sort       []document.SortKey
	skip       int
	limit      int // 0: none
	projection document.Projection
	columns    []string // of the projection, in its order; nil: all
}

// querier runs a query: the readers, or a write's transaction.
type querier func(text string, args []any, scan func(*sql.Rows) (bool, error)) error

func (d *database) querier(ctx context.Context) querier {
	return func(text string, args []any, scan func(*sql.Rows) (bool, error)) error {
		return d.query(ctx, text, args, scan)
	}
}

// piece is how many documents a long read takes at a time.
const piece = 200

// each calls yield with every document of the view, in order, until yield returns
// false or an error.
func (c *collection) each(q querier, v view, yield func(stored) (bool, error)) error {
	n := c.narrow(v.filter)
	if order, ok := c.orderBy(v.sort); ok {
		return c.eachOrdered(q, v, n, order, yield)
	}
	return c.eachSorted(q, v, n, yield)
}

// selectText is the query for the candidates.
func (c *collection) selectText(what string, n narrowed, order string) string {
	text := "SELECT " + what + " FROM " + c.table
	if n.where != "" {
		if order != "" && !strings.HasPrefix(order, "seq") && !n.indexed {
			n.where = strings.ReplaceAll(n.where, "state ", "+state ") // the index of the order is the better one
		}
		text += " WHERE " + n.where
	}
	if order != "" {
		text += " ORDER BY " + order
	}
	return text
}

// eachOrdered reads in the order that SQL gives. Where SQL decides alone it also
// skips and stops; otherwise each candidate is asked.
func (c *collection) eachOrdered(q querier, v view, n narrowed, order string, yield func(stored) (bool, error)) error {
	text, args := c.selectText("seq, doc", n, order), n.args
	if n.exact && (v.limit > 0 || v.skip > 0) {
		text = c.pageText(v, n, order)
		limit := v.limit
		if limit == 0 {
			limit = -1
		}
		args = append(slices.Clone(args), limit, v.skip)
	}
	skip, left := v.skip, v.limit
	fields, late := v.filter.Fields(), newScanLimit()
	return q(text, args, func(rows *sql.Rows) (bool, error) {
		var s stored
		if err := rows.Scan(&s.seq, &s.text); err != nil || n.exact {
			return yieldOne(s, err, yield)
		}
		if err := late(); err != nil {
			return false, err
		}
		fits, err := matches(v.filter, fields, s.text)
		switch {
		case err != nil || !fits:
			return true, err
		case skip > 0:
			skip--
			return true, nil
		}
		left--
		more, err := yield(s)
		return more && left != 0, err
	})
}

// newScanLimit returns what is asked before each document of a search: it refuses to go on
// when that takes too long. A search in a write holds up all others.
func newScanLimit() func() error {
	start := time.Now()
	return func() error {
		if time.Since(start) > maxScan {
			return &fault{status: http.StatusServiceUnavailable, message: "the search takes too long: it asks every document; name a field with an index too"}
		}
		return nil
	}
}

// pageClause cuts a page out. The plus keeps SQLite from looking at the values when it
// compiles: it would compile the statement anew whenever they are bound.
const pageClause = " LIMIT +? OFFSET +?"

// pageText is the query for a page that SQL alone decides on. A deep one is chosen by
// the numbers of its documents first: so none is read that is skipped, even where SQL
// has to sort.
func (c *collection) pageText(v view, n narrowed, order string) string {
	if v.skip == 0 {
		return c.selectText("seq, doc", n, order) + pageClause
	}
	return "SELECT seq, doc FROM " + c.table + " WHERE seq IN (" + c.selectText("seq", n, order) + pageClause + ") ORDER BY " + order
}

func yieldOne(s stored, err error, yield func(stored) (bool, error)) (bool, error) {
	if err != nil {
		return false, err
	}
	return yield(s)
}

// matches asks the matcher about a stored text; fields are those the filter looks at.
func matches(f document.Filter, fields []string, text string) (bool, error) {
	doc, err := document.Pick(text, fields)
	return err == nil && f.Match(doc), err
}

// eachSorted sorts by what has no column. It keeps the keys of the documents that can
// be in the answer, not the documents, and reads those once the order is known.
func (c *collection) eachSorted(q querier, v view, n narrowed, yield func(stored) (bool, error)) error {
	top := &sorted{keys: v.sort}
	if v.limit > 0 {
		top.most = v.skip + v.limit
	}
	fields, late := append(document.SortFields(v.sort), v.filter.Fields()...), newScanLimit()
	err := q(c.selectText("seq, doc", n, ""), n.args, func(rows *sql.Rows) (bool, error) {
		var s stored
		if err := rows.Scan(&s.seq, &s.text); err != nil {
			return false, err
		}
		if err := late(); err != nil {
			return false, err
		}
		doc, err := document.Pick(s.text, fields)
		if err == nil && (n.exact || v.filter.Match(doc)) {
			top.add(sortEntry{document.SortValues(v.sort, doc), s.seq})
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	return c.fetch(q, top.after(v.skip), yield)
}

// fetch reads documents by their numbers, in that order, piece by piece. One that is
// gone by now is left out.
func (c *collection) fetch(q querier, seqs []int64, yield func(stored) (bool, error)) error {
	for numbers := range slices.Chunk(seqs, piece) {
		found, err := c.fetchPiece(q, numbers)
		if err != nil {
			return err
		}
		for _, seq := range numbers {
			text, ok := found[seq]
			if !ok {
				continue
			}
			if more, err := yield(stored{seq, text}); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

func (c *collection) fetchPiece(q querier, numbers []int64) (map[int64]string, error) {
	args := make([]any, len(numbers))
	for i, seq := range numbers {
		args[i] = seq
	}
	args = padded(args)
	found := make(map[int64]string, len(numbers))
	err := q("SELECT seq, doc FROM "+c.table+" WHERE seq IN "+marks(len(args)), args, func(rows *sql.Rows) (bool, error) {
		var s stored
		err := rows.Scan(&s.seq, &s.text)
		found[s.seq] = s.text
		return true, err
	})
	return found, err
}

// eachPiece is [collection.each] for answers of any length: no read lasts longer than
// a piece, however slowly yield goes. Documents that change meanwhile may be seen
// before or after their change.
func (c *collection) eachPiece(q querier, v view, yield func(stored) (bool, error)) error {
	if v.limit > 0 && v.limit <= piece {
		found, err := c.collect(q, v)
		if err != nil {
			return err
		}
		return yieldAll(found, yield)
	}
	seqs, err := c.numbers(q, v)
	if err != nil {
		return err
	}
	return c.fetch(q, seqs, yield)
}

func yieldAll(found []stored, yield func(stored) (bool, error)) error {
	for _, s := range found {
		if more, err := yield(s); err != nil || !more {
			return err
		}
	}
	return nil
}

// collect reads a whole view.
func (c *collection) collect(q querier, v view) ([]stored, error) {
	var found []stored
	err := c.each(q, v, func(s stored) (bool, error) {
		found = append(found, s)
		return true, nil
	})
	return found, err
}

// numbers are the numbers of the documents of a view, in order.
func (c *collection) numbers(q querier, v view) ([]int64, error) {
	n := c.narrow(v.filter)
	order, ok := c.orderBy(v.sort)
	var seqs []int64
	if !ok || !n.exact {
		err := c.each(q, v, func(s stored) (bool, error) {
			seqs = append(seqs, s.seq)
			return true, nil
		})
		return seqs, err
	}
	limit := v.limit
	if limit == 0 {
		limit = -1
	}
	args := append(slices.Clone(n.args), limit, v.skip)
	err := q(c.selectText("seq", n, order)+pageClause, args, func(rows *sql.Rows) (bool, error) {
		var seq int64
		err := rows.Scan(&seq)
		seqs = append(seqs, seq)
		return true, err
	})
	return seqs, err
}

// count is how many documents a filter matches.
func (c *collection) countOf(q querier, f document.Filter) (total int64, err error) {
	n := c.narrow(f)
	if n.exact {
		err = q(c.selectText("count(*)", n, ""), n.args, func(rows *sql.Rows) (bool, error) {
			return false, rows.Scan(&total)
		})
		return total, err
	}
	err = c.each(q, view{filter: f}, func(stored) (bool, error) {
		total++
		return true, nil
	})
	return total, err
}

// sortEntry is a document's place in an order.
type sortEntry struct {
	values []any
	seq    int64
}

// sorted keeps the first entries of an order: a heap with the last of them on top.
type sorted struct {
	keys    []document.SortKey
	most    int // 0: all
	entries []sortEntry
}

func (s *sorted) compare(a, b sortEntry) int {
	if c := document.CompareSorted(s.keys, a.values, b.values); c != 0 {
		return c
	}
	return int(min(max(a.seq-b.seq, -1), 1))
}

func (s *sorted) Len() int           { return len(s.entries) }
func (s *sorted) Less(i, j int) bool { return s.compare(s.entries[i], s.entries[j]) > 0 }
func (s *sorted) Swap(i, j int)      { s.entries[i], s.entries[j] = s.entries[j], s.entries[i] }
func (s *sorted) Push(e any)         { s.entries = append(s.entries, e.(sortEntry)) }
func (s *sorted) Pop() any {
	last := s.entries[len(s.entries)-1]
	s.entries = s.entries[:len(s.entries)-1]
	return last
}

func (s *sorted) add(e sortEntry) {
	switch {
	case s.most == 0:
		s.entries = append(s.entries, e)
	case len(s.entries) < s.most:
		heap.Push(s, e)
	case s.compare(e, s.entries[0]) < 0:
		s.entries[0] = e
		heap.Fix(s, 0)
	}
}

// after gives the numbers in order, without the first skip.
func (s *sorted) after(skip int) []int64 {
	slices.SortFunc(s.entries, s.compare)
	var seqs []int64
	for _, e := range s.entries[min(skip, len(s.entries)):] {
		seqs = append(seqs, e.seq)
	}
	return seqs
}
