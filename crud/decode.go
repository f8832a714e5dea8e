package crud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"user-manager/upstream"
)

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
		single: true,
		twice:  c.sameTwice(method, params, body),
	}
	return c.decodeCall(ctx, call, body, answer)
}

// setting are the operators that do no more the second time.
var setting = []string{"$set", "$unset", "$addToSet", "$pull"}

// sameTwice reports whether a write of one document can be made again when its outcome is
// not known. A patch must not have a condition: once it is done the document may not meet
// that any more, and seem not to be there. After a deletion it is not, which is the aim.
func (c Collection) sameTwice(method string, params url.Values, body any) bool {
	if method != http.MethodPatch {
		return method == http.MethodDelete
	}
	for name := range params {
		if name != "_st" {
			return false
		}
	}
	update, _ := body.(Document)
	for operator := range update {
		if !slices.Contains(setting, operator) {
			return false
		}
	}
	return len(c.header[upstream.ACLRowsHeader]) == 0
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
	err := json.Unmarshal(encoded, answer)
	if err == nil {
		return nil
	}
	switch start := bytes.TrimSpace(encoded); {
	case len(start) == 0:
		err = errors.New("it is empty")
	case start[0] == '<':
		err = errors.New("it is a page, not JSON")
	}
	return &upstream.Error{Service: Service, Route: route, Err: fmt.Errorf("%w: decode answer: %w", upstream.ErrAnswer, err)}
}

// malformed is an answer that does not say what it has to.
func (c Collection) malformed(method, below string, err error) error {
	return &upstream.Error{Service: Service, Route: c.Route(method, below), Err: fmt.Errorf("%w: %w", upstream.ErrAnswer, err)}
}
