package auth0test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"time"
)

// A reply is an answer. One that refuses is returned as an error.
type reply struct {
	status int
	kind   string // Content-Type; "" for none
	body   any    // nil: empty; a string: as it is; anything else: as JSON
	header http.Header
}

// Error implements error. Nobody reads it but a developer of this package.
func (r *reply) Error() string { return http.StatusText(r.status) }

const (
	managementJSON = "application/json; charset=utf-8"
	plainJSON      = "application/json"
)

// ok returns an answer of the Management API.
func ok(status int, body any) *reply { return &reply{status: status, kind: managementJSON, body: body} }

// refuse returns an error of the Management API; code may be "".
func refuse(status int, code, message string) *reply {
	body := map[string]any{"statusCode": status, "error": http.StatusText(status), "message": message}
	if code != "" {
		body["errorCode"] = code
	}
	return ok(status, body)
}

// invalid refuses a body.
func invalid(message string) *reply { return refuse(http.StatusBadRequest, "invalid_body", message) }

// deny returns an error of the Authentication API.
func deny(status int, code, description string) *reply {
	return &reply{status: status, kind: plainJSON, body: map[string]any{"error": code, "error_description": description}}
}

// with returns r with one more property in its body.
func (r *reply) with(name string, value any) *reply {
	body := maps.Clone(r.body.(map[string]any))
	body[name] = value
	changed := *r
	changed.body = body
	return &changed
}

func (r *reply) set(name, value string) {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set(name, value)
}

func (r *reply) write(w http.ResponseWriter) {
	h := w.Header()
	maps.Copy(h, r.header)
	if r.kind != "" {
		h.Set("Content-Type", r.kind)
	} else {
		h["Content-Type"] = nil // net/http would guess one
	}
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	w.WriteHeader(r.status)
	w.Write(r.bytes()) // a client that went away needs no answer
}

func (r *reply) bytes() []byte {
	switch body := r.body.(type) {
	case nil:
		return nil
	case string:
		return []byte(body)
	default:
		return encode(body)
	}
}

// encode returns v as JSON, in which an ampersand is one.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // all there is came from JSON
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// noRoute answers a path or method that the tenant does not have.
func (t *Tenant) noRoute(r *http.Request) *reply {
	if strings.HasPrefix(r.URL.Path, "/api/v2/") {
		return refuse(http.StatusNotFound, "", "Not Found")
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := t.mux.Handler(other); pattern != "" {
			return deny(http.StatusMethodNotAllowed, "method_not_allowed", "Method Not Allowed")
		}
	}
	return deny(http.StatusNotFound, "endpoint_disabled", "Not Found")
}

// stamp writes an instant as the Management API does.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
