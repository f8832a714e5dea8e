package embedded

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"user-manager/crud/document"
)

// call is one request to a collection.
type call struct {
	*collection
	store *Store
	w     http.ResponseWriter
	r     *http.Request
	id    string // of the path, in lower case
	acl   any    // acl_rows; nil: no limit
}

// handler answers a call, or returns why it cannot.
type handler func(*call) error

// words are the routes right below a collection's path; "" is the path itself.
var words = map[string]handler{
	"GET ":            (*call).list,
	"GET count":       (*call).count,
	"GET export":      (*call).export,
	"GET schema":      (*call).schemaDocument,
	"POST ":           (*call).insert,
	"POST validate":   (*call).validate,
	"POST bulk":       (*call).insertBulk,
	"POST state":      (*call).moveMany,
	"POST upsert-one": (*call).upsert,
	"POST import":     (*call).importNew,
	"PATCH ":          (*call).patchMany,
	"PATCH bulk":      (*call).patchBulk,
	"PATCH import":    (*call).importPatch,
	"DELETE ":         (*call).removeMany,
}

// byID are the routes of one document.
var byID = map[string]handler{
	"GET":        (*call).get,
	"PATCH":      (*call).patch,
	"DELETE":     (*call).remove,
	"POST state": (*call).move,
}

// route finds the handler of what follows a collection's path, and the id in it.
func route(method, rest string, exact bool) (handler, string) {
	if exact {
		return words[method+" "], ""
	}
	id, word, below := strings.Cut(rest, "/")
	switch {
	case id == "":
		return nil, ""
	case below:
		if word == "" {
			return nil, ""
		}
		return byID[method+" "+word], strings.ToLower(id)
	}
	if h := words[method+" "+rest]; h != nil {
		return h, ""
	}
	return byID[method], strings.ToLower(id)
}

// serve answers a request; public leaves out internal collections and status routes.
func (s *Store) serve(w http.ResponseWriter, r *http.Request, public bool) {
	method := r.Method
	if method == http.MethodHead {
		w, method = headOnly{w}, http.MethodGet
	}
	c := &call{store: s, w: w, r: r}
	if err := c.serve(method, public); err != nil {
		c.answerError(err)
	}
}

func (c *call) serve(method string, public bool) error {
	if rows := c.r.Header.Get("acl_rows"); rows != "" {
		var err error
		if c.acl, err = parseQueryText(rows); err != nil {
			return err
		}
	}
	path := c.r.URL.Path
	if strings.HasPrefix(path, "/-/") && !public && method == http.MethodGet {
		return c.status(strings.TrimPrefix(path, "/-/"))
	}
	collection, rest, exact := c.store.collectionAt(path)
	if collection == nil || public && collection.internal {
		return errNotFound
	}
	c.collection = collection
	handle, id := route(method, rest, exact)
	if handle == nil {
		return errNotFound
	}
	c.id = id
	return handle(c)
}

// status answers the status routes, as the CRUD Service of the contract does.
func (c *call) status(name string) error {
	switch name {
	case "healthz", "ready", "check-up":
	default:
		return errNotFound
	}
	if err := c.store.Ping(c.r.Context()); err != nil {
		return err
	}
	return c.answer(http.StatusOK, []byte(`{"name":"@mia-platform/crud-service","status":"OK","version":"7.2.5"}`))
}

// user is who makes the call.
func (c *call) user() string {
	switch id := c.r.Header.Get(c.store.cfg.UserIDHeader); id {
	case "", "null", "undefined":
		return "public"
	default:
		return id
	}
}

// headOnly drops the body: the answer to HEAD has the headers of GET alone.
type headOnly struct{ http.ResponseWriter }

func (headOnly) Write(p []byte) (int, error) { return len(p), nil }

// answer writes a JSON body with its length.
func (c *call) answer(status int, body []byte) error {
	h := c.w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	c.w.Write(body) // who is gone cannot be told
	return nil
}

func (c *call) answerNumber(n int64) error {
	return c.answer(http.StatusOK, strconv.AppendInt(nil, n, 10))
}

func (c *call) answerID(id string) error {
	return c.answer(http.StatusOK, document.AppendJSON(nil, map[string]any{"_id": id}))
}

func (c *call) noContent() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// answerError is the only place that writes refusals; what it does not know is a 500
// that tells the client nothing.
func (c *call) answerError(err error) {
	refusal, known := errors.AsType[*fault](err)
	if !known {
		refusal = c.unforeseen(err)
	}
	c.answer(refusal.status, refusal.body())
}

func (c *call) unforeseen(err error) *fault {
	if c.r.Context().Err() != nil {
		return &fault{status: http.StatusInternalServerError, message: "the request was given up"}
	}
	c.store.cfg.Log.ErrorContext(c.r.Context(), "embedded store failed", "method", c.r.Method, "err", err)
	switch resultCode(err) {
	case codeFull:
		return &fault{status: http.StatusInsufficientStorage, message: "no space left for the database"}
	case codeReadOnly:
		return &fault{status: http.StatusInternalServerError, message: "the database cannot be written"}
	case codeCorrupt, codeNotADB:
		return &fault{status: http.StatusInternalServerError, message: "the database is damaged: stop the service, move its file away and restore a copy"}
	case codeIO, codeCantOpen:
		return &fault{status: http.StatusInternalServerError, message: "the file of the database cannot be read or written"}
	}
	return &fault{status: http.StatusInternalServerError, message: "internal error"}
}
