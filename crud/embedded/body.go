package embedded

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"user-manager/crud/document"
)

// body is a request's body, read.
type body struct {
	value any
	raws  []document.Raw // texts of the fields of documents to be inserted
}

// readBody reads a JSON body; depth is where its documents are, as in
// [document.ParseRaw]. No body at all is null.
func (c *call) readBody(depth int) (body, error) {
	kind, mediaType := c.mediaType()
	data, err := io.ReadAll(http.MaxBytesReader(nil, c.r.Body, maxBody))
	if err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return body{}, &fault{status: http.StatusRequestEntityTooLarge, code: "FST_ERR_CTP_BODY_TOO_LARGE", message: "Request body is too large"}
		}
		if busy, ok := errors.AsType[interface {
			error
			Status() int
		}](err); ok { // who serves the store has an answer of its own
			return body{}, &fault{status: busy.Status(), message: busy.Error()}
		}
		return body{}, refuse("the body could not be read to its end")
	}
	switch {
	case mediaType == "application/json" && len(data) == 0:
		return body{}, &fault{status: http.StatusBadRequest, code: codeEmptyBody, message: "Body cannot be empty when content-type is set to 'application/json'"}
	case mediaType == "application/json":
		return parseBody(string(data), depth)
	case len(data) == 0 && kind == "":
		return body{}, nil
	case mediaType == "text/plain":
		return body{value: string(data)}, nil
	}
	if kind == "" {
		kind = "undefined"
	}
	return body{}, &fault{status: http.StatusUnsupportedMediaType, code: codeMediaType, message: "Unsupported Media Type: " + kind}
}

// mediaType gives the content type as it is, and the type in it alone.
func (c *call) mediaType() (full, bare string) {
	full = c.r.Header.Get("Content-Type")
	bare, _, _ = strings.Cut(full, ";")
	return full, strings.ToLower(strings.TrimSpace(bare))
}

func parseBody(text string, depth int) (body, error) {
	v, raws, err := document.ParseRaw(text, depth)
	if err != nil {
		return body{}, refuse(err.Error())
	}
	return body{v, raws}, nil
}

// object is the body as an object.
func (b body) object() (map[string]any, error) {
	object, ok := b.value.(map[string]any)
	if !ok {
		return nil, invalid("body", "must be object")
	}
	return object, nil
}

// array is the body as an array.
func (b body) array() ([]any, error) {
	items, ok := b.value.([]any)
	if !ok {
		return nil, invalid("body", "must be array")
	}
	return items, nil
}

// raw is the texts of the fields of the i-th document.
func (b body) raw(i int) document.Raw {
	if i < len(b.raws) {
		return b.raws[i]
	}
	return nil
}
