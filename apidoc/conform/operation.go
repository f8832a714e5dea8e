package conform

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// operation is a method on a path, and what it may answer.
type operation struct {
	method, path string
	undescribed  bool
	responses    map[string]*response // by status: "200", "4XX", "default"
}

// undescribed is a stand-in for an operation that the description does not have. It may answer with one status only.
func undescribed(method, path string, status int, resp *response) *operation {
	return &operation{
		method:      method,
		path:        path,
		undescribed: true,
		responses:   map[string]*response{strconv.Itoa(status): resp},
	}
}

// name is the operation as "METHOD /path/:id".
func (o *operation) name() string {
	if o.undescribed {
		return o.method + " " + o.path + ", which is not described,"
	}
	segments := strings.Split(o.path, "/")
	for i, segment := range segments {
		if isParameter(segment) {
			segments[i] = ":" + strings.Trim(segment, "{}")
		}
	}
	return o.method + " " + strings.Join(segments, "/")
}

func (o *operation) check(settings []string, method string, status int, header http.Header, body []byte) error {
	resp := o.response(status)
	switch {
	case resp == nil:
		return errors.New("the description does not have this status")
	case resp.setting != "" && !slices.Contains(settings, resp.setting):
		return fmt.Errorf("the description has this status only with %s", resp.setting)
	}
	if err := resp.checkHeader(header); err != nil {
		return err
	}
	if method == http.MethodHead {
		return empty(body, "to HEAD")
	}
	return resp.checkBody(status, header.Get("Content-Type"), body)
}

// response returns what is described for the status itself, else for its class, else for all.
func (o *operation) response(status int) *response {
	for _, key := range []string{strconv.Itoa(status), strconv.Itoa(status/100) + "XX", "default"} {
		if resp := o.responses[key]; resp != nil {
			return resp
		}
	}
	return nil
}

// response is what an operation may answer with one status.
type response struct {
	headers      []string           // which must be there
	content      map[string]*schema // by media type; none: no body
	bodyOptional bool
	setting      string // of the service, without which it does not answer so; or ""
}

func parseResponse(node object) (*response, error) {
	resp := &response{content: make(map[string]*schema)}
	resp.bodyOptional, _ = node["x-body-optional"].(bool)
	resp.setting, _ = node["x-setting"].(string)
	headers := sub(node, "headers")
	for name := range headers {
		if sub(headers, name)["required"] == true {
			resp.headers = append(resp.headers, name)
		}
	}
	slices.Sort(resp.headers)
	content := sub(node, "content")
	for mediaType := range content {
		compiled, err := compile(sub(content, mediaType)["schema"])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", mediaType, err)
		}
		resp.content[mediaType] = compiled
	}
	return resp, nil
}

func (r *response) checkHeader(header http.Header) error {
	for _, name := range r.headers {
		if header.Get(name) == "" {
			return fmt.Errorf("the header %s is missing", name)
		}
	}
	return nil
}

func (r *response) checkBody(status int, contentType string, body []byte) error {
	if len(r.content) == 0 {
		return empty(body, "with this status")
	}
	if len(body) == 0 {
		if r.bodyOptional {
			return nil
		}
		return errors.New("the body is empty")
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("content type %q: %w", contentType, err)
	}
	schema := r.content[mediaType]
	if schema == nil {
		return fmt.Errorf("the description does not have the content type %q", contentType)
	}
	if mediaType != "application/json" { // its schema is that of a text
		return schema.checkText(body)
	}
	return errors.Join(schema.check(body), sameStatus(status, body))
}

func empty(body []byte, when string) error {
	if len(body) > 0 {
		return fmt.Errorf("the body must be empty %s, but has %d bytes", when, len(body))
	}
	return nil
}
