package auth0test_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"slices"
	"testing"
)

// body is a recorded request's body as it goes over the wire, and the content type where
// that one must be made with it.
func (r *replayer) body(st step) (text, contentType string) {
	if string(st.Request.Body) == "null" {
		return "", ""
	}
	recorded := []byte(r.match.translate(string(st.Request.Body)))
	switch st.Request.Headers["content-type"] {
	case "application/x-www-form-urlencoded":
		return form(r.t, recorded), ""
	case "multipart/form-data":
		var p parts
		if err := json.Unmarshal(recorded, &p); err != nil {
			r.t.Fatal(err)
		}
		return multiparts(r.t, p)
	default:
		return string(recorded), ""
	}
}

// form is what JSON texts are as a form.
func form(t *testing.T, recorded []byte) string {
	var fields map[string]string
	if err := json.Unmarshal(recorded, &fields); err != nil {
		t.Fatal(err)
	}
	values := url.Values{}
	for name, value := range fields {
		values.Set(name, value)
	}
	return values.Encode()
}

// parts are what a recording says of a multipart body.
type parts struct {
	Fields map[string]string `json:"fields"`
	Files  []file            `json:"files"`
}

type file struct {
	Name        string          `json:"name"`
	Filename    string          `json:"filename"`
	ContentType string          `json:"content_type"`
	Content     json.RawMessage `json:"content"`
}

// multiparts are the parts as a body and its content type.
func multiparts(t *testing.T, p parts) (text, contentType string) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, name := range slices.Sorted(maps.Keys(p.Fields)) {
		w.WriteField(name, p.Fields[name])
	}
	for _, file := range p.Files {
		part, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {`form-data; name="` + file.Name + `"; filename="` + file.Filename + `"`},
			"Content-Type":        {file.ContentType},
		})
		if err != nil {
			t.Fatal(err)
		}
		part.Write(file.Content)
	}
	w.Close()
	return body.String(), w.FormDataContentType()
}
