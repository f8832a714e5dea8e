package conform

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// api is the description, ready to check answers.
type api struct {
	operations       []*operation
	notFound         *response // what a path that is not described may answer
	methodNotAllowed *response // and a described path with a method that is not
}

// methods are the keys of a path that are operations; the others say something about all of them.
var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

func parseAPI(source []byte) (*api, error) {
	doc, err := decode(source)
	if err != nil {
		return nil, err
	}
	shared := sub(sub(doc, "components"), "responses")
	if shared["NotFound"] == nil || shared["MethodNotAllowed"] == nil {
		return nil, errors.New("components/responses must have NotFound and MethodNotAllowed")
	}
	a := new(api)
	if a.notFound, err = parseResponse(sub(shared, "NotFound")); err != nil {
		return nil, err
	}
	if a.methodNotAllowed, err = parseResponse(sub(shared, "MethodNotAllowed")); err != nil {
		return nil, err
	}
	for path := range sub(doc, "paths") {
		if err := a.addPath(path, sub(sub(doc, "paths"), path)); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *api) addPath(path string, item object) error {
	for _, key := range methods {
		if item[key] == nil {
			continue
		}
		op := &operation{method: strings.ToUpper(key), path: path, responses: make(map[string]*response)}
		responses := sub(sub(item, key), "responses")
		for status := range responses {
			resp, err := parseResponse(sub(responses, status))
			if err != nil {
				return fmt.Errorf("%s, %s: %w", op.name(), status, err)
			}
			op.responses[status] = resp
		}
		a.operations = append(a.operations, op)
	}
	return nil
}

// find returns the described operation with the most literal path, as the service's own router would choose.
func (a *api) find(method, path string) *operation {
	segments := split(path)
	var best *operation
	bestLiterals, pathIsKnown := -1, false
	for _, op := range a.operations {
		literals, ok := match(split(op.path), segments)
		if !ok {
			continue
		}
		pathIsKnown = true
		if op.method == method && literals > bestLiterals {
			best, bestLiterals = op, literals
		}
	}
	switch {
	case best != nil:
		return best
	case pathIsKnown:
		return a.unknownMethod(method, path)
	default:
		return a.unknownPath(method, path)
	}
}

func (a *api) unknownPath(method, path string) *operation {
	return undescribed(method, path, http.StatusNotFound, a.notFound)
}

func (a *api) unknownMethod(method, path string) *operation {
	return undescribed(method, path, http.StatusMethodNotAllowed, a.methodNotAllowed)
}

// split cuts a path into its segments; a slash at its end makes no difference.
func split(path string) []string {
	return strings.Split(strings.TrimSuffix(path, "/"), "/")
}

// match reports whether the segments of a request's path are those of a described one, and how many of them literally.
func match(described, segments []string) (literals int, ok bool) {
	ok = slices.EqualFunc(described, segments, func(want, got string) bool {
		if isParameter(want) {
			return got != ""
		}
		literals++
		plain, err := url.PathUnescape(got)
		return err == nil && plain == want
	})
	return literals, ok
}

func isParameter(segment string) bool {
	return strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}")
}
