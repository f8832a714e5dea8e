package crud

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"user-manager/upstream"
)

// States of a document.
const (
	Public  = "PUBLIC"
	Draft   = "DRAFT"
	Trash   = "TRASH"
	Deleted = "DELETED"
)

// AllStates is a query's States when the state does not matter.
var AllStates = []string{Public, Draft, Trash, Deleted}

// A Query selects documents. The zero value selects all that are PUBLIC.
//
// Filters go in URLs. One that makes a URL longer than proxies bear is a refusal with
// status 400, unless the method says that it splits queries: then a list of values ("$in")
// on top of the filter, or in an "$and" there, may be of any length.
type Query struct {
	Filter map[string]any // a MongoDB query, "_q"; nil for none
	States []string       // "_st"; nil means PUBLIC
	Fields []string       // "_p"; nil means all
	Sort   string         // "_s", such as "-createdAt"
	Limit  int            // "_l"; 0 means the service's default, 25
}

func (q Query) values() (url.Values, error) {
	v := url.Values{}
	if q.Filter != nil {
		filter, err := plainJSON(q.Filter)
		if err != nil {
			return nil, err
		}
		v.Set("_q", filter)
	}
	if q.States != nil {
		v.Set("_st", strings.Join(q.States, ","))
	}
	if q.Fields != nil {
		v.Set("_p", strings.Join(q.Fields, ","))
	}
	if q.Sort != "" {
		v.Set("_s", q.Sort)
	}
	if q.Limit > 0 {
		v.Set("_l", strconv.Itoa(q.Limit))
	}
	return v, nil
}

// plainJSON returns v as JSON, with "<", ">" and "&" as they are: in a URL they are
// shorter so.
func plainJSON(v any) (string, error) {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return strings.TrimSuffix(text.String(), "\n"), err
}

// A Collection is one collection of a [Client]. All errors of its methods are
// [*upstream.Error] values, with [ErrNotFound] or [ErrDuplicate] as their cause
// where they are that.
type Collection struct {
	client *Client
	path   string
	header http.Header // goes with every call
}

// With returns a copy of c whose calls carry h, and no other headers of the kind.
func (c Collection) With(h http.Header) Collection {
	c.header = h
	return c
}

// Insert adds doc and returns the id that the service gave it.
func (c Collection) Insert(ctx context.Context, doc Document) (string, error) {
	var answer struct {
		ID string `json:"_id"`
	}
	if err := c.decode(ctx, http.MethodPost, "/", nil, doc, &answer); err != nil {
		return "", err
	}
	return answer.ID, nil
}

// InsertAll adds docs in order and returns the ids that the service gave them. When one
// is refused for what it is, none is added; when one is a duplicate, those before it
// stay.
func (c Collection) InsertAll(ctx context.Context, docs []Document) ([]string, error) {
	var answer []struct {
		ID string `json:"_id"`
	}
	if err := c.decode(ctx, http.MethodPost, "/bulk", nil, docs, &answer); err != nil {
		return nil, err
	}
	ids := make([]string, len(answer))
	for i, inserted := range answer {
		ids[i] = inserted.ID
	}
	if len(ids) != len(docs) {
		return nil, c.malformed(http.MethodPost, "/bulk", fmt.Errorf("%d ids for %d documents", len(ids), len(docs)))
	}
	return ids, nil
}

// Get returns the document with the given id. params are those of the route: "_st",
// "_q", "_p" and so on; nil means a PUBLIC document, whole.
func (c Collection) Get(ctx context.Context, id string, params url.Values) (Document, error) {
	var doc Document
	err := c.decodeByID(ctx, http.MethodGet, id, "", params, nil, &doc)
	return doc, err
}

// List returns one page of the documents that q selects.
func (c Collection) List(ctx context.Context, q Query) ([]Document, error) {
	page, err := c.ListJSON(ctx, q)
	if err != nil {
		return nil, err
	}
	var docs []Document
	return docs, c.unmarshal(http.MethodGet+" "+c.path+"/", page, &docs)
}

// ListJSON returns what [Collection.List] decodes, as the service wrote it, for a caller
// that may know it already.
func (c Collection) ListJSON(ctx context.Context, q Query) ([]byte, error) {
	page, limit, err := c.page(ctx, q, 0)
	if err != nil || limit == q.Limit {
		return page, err
	}
	return c.gather(ctx, q, page, limit)
}

// All yields every document that q selects, each once, read in pages in the order of
// their ids; q's Sort and Limit are not looked at. A document that is changed meanwhile
// is yielded once all the same. The first error ends it. It splits q, and then the order
// is that of the ids within each piece.
func (c Collection) All(ctx context.Context, q Query) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		page := Query{Filter: q.Filter, States: q.States, Fields: q.Fields, Sort: "_id", Limit: pageSize}
		whole, err := c.split(http.MethodGet, "/", page, pagingRoom)
		if err != nil {
			yield(nil, err)
			return
		}
		seen := map[any]bool{} // of documents that more than one piece may have
		for piece := range whole.pieces() {
			for doc, err := range c.walk(ctx, piece) {
				if err == nil && !whole.disjoint() && !isNew(seen, doc["_id"]) {
					continue
				}
				if !yield(doc, err) || err != nil {
					return
				}
			}
		}
	}
}

// isNew reports whether id was not seen before, and remembers it.
func isNew(seen map[any]bool, id any) bool {
	was := seen[id]
	seen[id] = true
	return !was
}

// AllIn yields every document that q selects whose field has one of the values, as
// [Collection.All] does: so there may be any number of them.
func (c Collection) AllIn(ctx context.Context, field string, values []string, q Query) iter.Seq2[Document, error] {
	if len(values) == 0 {
		return func(func(Document, error) bool) {}
	}
	in := map[string]any{field: map[string]any{"$in": values}}
	if q.Filter != nil {
		in = map[string]any{"$and": []any{q.Filter, in}}
	}
	return c.All(ctx, Query{Filter: in, States: q.States, Fields: q.Fields})
}

// First returns the first document that q selects, or an error with cause
// [ErrNotFound] when there is none.
func (c Collection) First(ctx context.Context, q Query) (Document, error) {
	q.Limit = 1
	docs, err := c.List(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, &upstream.Error{Service: Service, Route: http.MethodGet + " " + c.path + "/", Status: http.StatusNotFound, Err: ErrNotFound}
	}
	return docs[0], nil
}

// Count returns how many documents q selects. It splits q; what is counted piece by
// piece is not counted at one moment.
func (c Collection) Count(ctx context.Context, q Query) (int, error) {
	whole, err := c.split(http.MethodGet, "/count", Query{Filter: q.Filter, States: q.States}, 0)
	if err != nil {
		return 0, err
	}
	if !whole.disjoint() {
		n := 0
		for _, err := range c.All(ctx, Query{Filter: q.Filter, States: q.States, Fields: []string{"_id"}}) {
			if err != nil {
				return 0, err
			}
			n++
		}
		return n, nil
	}
	return c.sum(ctx, http.MethodGet, "/count", whole, nil)
}

// sum calls a route for each piece of a query and adds up the numbers that it answers
// with. With an error it returns how many there were before.
func (c Collection) sum(ctx context.Context, method, below string, whole split, body Document) (int, error) {
	sum := 0
	for piece := range whole.pieces() {
		params, err := c.params(method, below, piece)
		if err != nil {
			return sum, partial(err, sum > 0)
		}
		var n int
		if err := c.decode(ctx, method, below, params, body, &n); err != nil {
			return sum, partial(err, sum > 0)
		}
		sum += n
	}
	return sum, nil
}

// partial notes in an error that what was to be done is done in part.
func partial(err error, done bool) error {
	if !done {
		return err
	}
	return upstream.Partly(err)
}

// Patch applies update, operators such as {"$set": {...}}, to the document with the
// given id and returns the document after it. params are those of [Collection.Get].
func (c Collection) Patch(ctx context.Context, id string, update Document, params url.Values) (Document, error) {
	var doc Document
	err := c.decodeByID(ctx, http.MethodPatch, id, "", params, update, &doc)
	return doc, err
}

// PatchAll applies update to every document that q selects and returns how many
// there were. The service does each of them atomically, so a filter on the value to
// be changed makes one winner among several callers. It splits q by a list of ids only:
// a document could match two pieces by another field. With an error it returns how many
// were changed before.
func (c Collection) PatchAll(ctx context.Context, q Query, update Document) (int, error) {
	whole, err := c.split(http.MethodPatch, "/", Query{Filter: q.Filter, States: q.States}, 0)
	if err == nil && !whole.disjoint() {
		err = c.tooLong(http.MethodPatch, "/")
	}
	if err != nil {
		return 0, err
	}
	return c.sum(ctx, http.MethodPatch, "/", whole, update)
}

// BulkLimit is how many items of a [Collection.PatchBulk] go in one request.
const BulkLimit = 90

// A BulkPatch is one item of [Collection.PatchBulk]: what to do with the document with
// the given id, whatever its state, if it has the values in Where too.
type BulkPatch struct {
	ID     string
	Where  Document // field by field, equal; nil: no condition
	Update Document // operators
}

// PatchBulk applies patches, [BulkLimit] in a request, and returns how many documents
// were changed: an item that finds none is passed over. When one is refused for what it
// is, none of its request is applied; when the database refuses one, those before it may
// be. With an error it returns how many were changed by the requests before.
func (c Collection) PatchBulk(ctx context.Context, patches []BulkPatch) (int, error) {
	states := strings.Join(AllStates, ",")
	changed := 0
	for some := range slices.Chunk(patches, BulkLimit) {
		items := make([]Document, len(some))
		for i, p := range some {
			filter := Document{"_id": p.ID, "_st": states}
			maps.Copy(filter, p.Where)
			items[i] = Document{"filter": filter, "update": p.Update}
		}
		var n int
		if err := c.decode(ctx, http.MethodPatch, "/bulk", nil, items, &n); err != nil {
			return changed, partial(err, changed > 0)
		}
		changed += n
	}
	return changed, nil
}

// Delete removes the document with the given id, whatever its state.
func (c Collection) Delete(ctx context.Context, id string) error {
	params := url.Values{"_st": {strings.Join(AllStates, ",")}}
	return c.decodeByID(ctx, http.MethodDelete, id, "", params, nil, nil)
}

// DeleteAll removes every document that q selects and returns how many there were. It
// splits q. With an error it returns how many were removed before.
func (c Collection) DeleteAll(ctx context.Context, q Query) (int, error) {
	whole, err := c.split(http.MethodDelete, "/", Query{Filter: q.Filter, States: q.States}, 0)
	if err != nil {
		return 0, err
	}
	return c.sum(ctx, http.MethodDelete, "/", whole, nil)
}

// SetState moves the document with the given id to a state if it matches the query where;
// otherwise it is not found. A transition that the service does not know is a refusal with
// status 400.
func (c Collection) SetState(ctx context.Context, id, to string, where Document) error {
	query, err := plainJSON(where)
	if err != nil {
		return c.unencodable(http.MethodPost, "/:id/state", "the filter cannot be encoded", err)
	}
	params := url.Values{"_q": {query}}
	return c.decodeByID(ctx, http.MethodPost, id, "/state", params, Document{"stateTo": to}, nil)
}
