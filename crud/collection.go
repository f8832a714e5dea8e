package crud

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"regexp"
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

// pageSize is the most documents that a list gives at once.
const pageSize = 200

// A Query selects documents. The zero value selects all that are PUBLIC.
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
	params, err := q.values()
	if err != nil {
		return nil, c.unencodable(http.MethodGet, err)
	}
	return c.client.do(ctx, call{method: http.MethodGet, path: c.path + "/", route: c.path + "/", query: params, header: c.header})
}

// All yields every document that q selects, read in pages in the order of their
// ids; q's Sort and Limit are not looked at. A document that is changed meanwhile
// is yielded once all the same. The first error ends it.
func (c Collection) All(ctx context.Context, q Query) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		filter := q.Filter
		for {
			page := Query{Filter: filter, States: q.States, Fields: q.Fields, Sort: "_id", Limit: pageSize}
			docs, err := c.List(ctx, page)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, doc := range docs {
				if !yield(doc, nil) {
					return
				}
			}
			if len(docs) < pageSize {
				return
			}
			filter = map[string]any{"_id": map[string]any{"$gt": docs[len(docs)-1]["_id"]}}
			if q.Filter != nil {
				filter = map[string]any{"$and": []any{q.Filter, filter}}
			}
		}
	}
}

// maxList is how many bytes of a URL a list of values may take: with all else a URL
// stays below 8 KiB, which every proxy bears.
const maxList = 6 << 10

// AllIn yields every document that q selects whose field has one of the values, as
// [Collection.All] does, the values a few at a time: so there may be any number. A
// document is yielded once for each time that its value is given.
func (c Collection) AllIn(ctx context.Context, field string, values []string, q Query) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for some := range lists(values) {
			in := map[string]any{field: map[string]any{"$in": some}}
			if q.Filter != nil {
				in = map[string]any{"$and": []any{q.Filter, in}}
			}
			for doc, err := range c.All(ctx, Query{Filter: in, States: q.States, Fields: q.Fields}) {
				if !yield(doc, err) || err != nil {
					return
				}
			}
		}
	}
}

// lists cuts values into pieces that fit a URL, each of at least one value and at most
// a page.
func lists(values []string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for len(values) > 0 {
			n, size := 0, 0
			for n < len(values) && n < pageSize {
				size += listed(values[n])
				if n > 0 && size > maxList {
					break
				}
				n++
			}
			if !yield(values[:n]) {
				return
			}
			values = values[n:]
		}
	}
}

// listed is how many bytes of a URL a value takes in a list.
func listed(value string) int {
	text, _ := plainJSON(value) // a text can always be encoded
	return len(url.QueryEscape(text)) + len("%2C")
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

// Count returns how many documents q selects.
func (c Collection) Count(ctx context.Context, q Query) (int, error) {
	params, err := Query{Filter: q.Filter, States: q.States}.values()
	if err != nil {
		return 0, c.unencodable(http.MethodGet, err)
	}
	var n int
	err = c.decode(ctx, http.MethodGet, "/count", params, nil, &n)
	return n, err
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
// be changed makes one winner among several callers.
func (c Collection) PatchAll(ctx context.Context, q Query, update Document) (int, error) {
	params, err := Query{Filter: q.Filter, States: q.States}.values()
	if err != nil {
		return 0, c.unencodable(http.MethodPatch, err)
	}
	var n int
	err = c.decode(ctx, http.MethodPatch, "/", params, update, &n)
	return n, err
}

// BulkLimit is the most items of one [Collection.PatchBulk].
const BulkLimit = 90

// A BulkPatch is one item of [Collection.PatchBulk]: what to do with the document with
// the given id, whatever its state, if it has the values in Where too.
type BulkPatch struct {
	ID     string
	Where  Document // field by field, equal; nil: no condition
	Update Document // operators
}

// PatchBulk applies at most [BulkLimit] patches and returns how many documents were
// changed: an item that finds none is passed over. When one is refused for what it is,
// none is applied; when the database refuses one, those before it may stay.
func (c Collection) PatchBulk(ctx context.Context, patches []BulkPatch) (int, error) {
	states := strings.Join(AllStates, ",")
	items := make([]Document, len(patches))
	for i, p := range patches {
		filter := Document{"_id": p.ID, "_st": states}
		maps.Copy(filter, p.Where)
		items[i] = Document{"filter": filter, "update": p.Update}
	}
	var n int
	err := c.decode(ctx, http.MethodPatch, "/bulk", nil, items, &n)
	return n, err
}

// Delete removes the document with the given id, whatever its state.
func (c Collection) Delete(ctx context.Context, id string) error {
	params := url.Values{"_st": {strings.Join(AllStates, ",")}}
	return c.decodeByID(ctx, http.MethodDelete, id, "", params, nil, nil)
}

// DeleteAll removes every document that q selects and returns how many there were.
func (c Collection) DeleteAll(ctx context.Context, q Query) (int, error) {
	params, err := Query{Filter: q.Filter, States: q.States}.values()
	if err != nil {
		return 0, c.unencodable(http.MethodDelete, err)
	}
	var n int
	err = c.decode(ctx, http.MethodDelete, "/", params, nil, &n)
	return n, err
}

// SetState moves the document with the given id to a state if it matches the query where;
// otherwise it is not found. A transition that the service does not know is a refusal with
// status 400.
func (c Collection) SetState(ctx context.Context, id, to string, where Document) error {
	query, err := plainJSON(where)
	if err != nil {
		return c.unencodable(http.MethodPost, err)
	}
	params := url.Values{"_q": {query}}
	return c.decodeByID(ctx, http.MethodPost, id, "/state", params, Document{"stateTo": to}, nil)
}

// Route returns the pattern of a route below the collection, as error messages show
// it: Route("PATCH", "/:id").
func (c Collection) Route(method, below string) string {
	return method + " " + c.path + below
}

// decode calls a route of the collection as a whole.
func (c Collection) decode(ctx context.Context, method, below string, params url.Values, body, answer any) error {
	call := call{method: method, path: c.path + below, route: c.path + below, query: params, header: c.header}
	return c.decodeCall(ctx, call, body, answer)
}

// idForm is how ids look. Any other word below a collection is another route.
var idForm = regexp.MustCompile(`^[0-9a-fA-F]{24}$`)

// IsID reports whether a word can be the id of a document.
func IsID(word string) bool { return idForm.MatchString(word) }

// decodeByID calls a route of the document with the given id. A word that cannot be an
// id is never sent: nothing has it.
func (c Collection) decodeByID(ctx context.Context, method, id, below string, params url.Values, body, answer any) error {
	if !IsID(id) {
		return &upstream.Error{Service: Service, Route: c.Route(method, "/:id"+below), Status: http.StatusNotFound, Err: ErrNotFound}
	}
	call := call{
		method: method,
		path:   c.path + "/" + id + below,
		route:  c.path + "/:id" + below,
		query:  params,
		header: c.header,
	}
	return c.decodeCall(ctx, call, body, answer)
}

func (c Collection) decodeCall(ctx context.Context, call call, body, answer any) error {
	if doc, ok := body.(Document); !ok || doc != nil { // a nil map in an interface is no nil
		call.body = body
	}
	encoded, err := c.client.do(ctx, call)
	if err != nil || answer == nil {
		return err
	}
	return c.unmarshal(call.method+" "+call.route, encoded, answer)
}

// unmarshal decodes the answer of a route.
func (c Collection) unmarshal(route string, encoded []byte, answer any) error {
	if err := json.Unmarshal(encoded, answer); err != nil {
		return &upstream.Error{Service: Service, Route: route, Err: fmt.Errorf("decode answer: %w", err)}
	}
	return nil
}

// malformed is an answer that does not say what it has to.
func (c Collection) malformed(method, below string, err error) error {
	return &upstream.Error{Service: Service, Route: c.Route(method, below), Err: err}
}

func (c Collection) unencodable(method string, err error) error {
	return &upstream.Error{Service: Service, Route: c.Route(method, "/"), Status: http.StatusBadRequest, Message: "the filter cannot be encoded", Err: err}
}
