package facadetest

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"

	"user-manager/providers/auth0/auth0test"
)

// startImport handles POST /users/import.
func (f *Facade) startImport(w http.ResponseWriter, r *http.Request) {
	parts, err := r.MultipartReader()
	if err != nil {
		say(w, http.StatusBadRequest, "the body is no multipart form")
		return
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	connection := ""
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		var content []byte
		if err == nil {
			content, err = io.ReadAll(part)
		}
		switch {
		case err != nil:
			say(w, http.StatusBadRequest, "the body is no multipart form")
			return
		case part.FormName() == "connection_id":
			say(w, http.StatusBadRequest, "connection_id is not allowed")
			return
		case part.FormName() == "connection":
			connection = string(content)
			continue
		}
		copied, _ := form.CreatePart(part.Header) // a buffer takes everything
		_, _ = copied.Write(content)
	}
	if cmp.Or(connection, auth0test.Connection) != auth0test.Connection {
		say(w, http.StatusBadRequest, "the connection is not supported")
		return
	}
	_ = form.WriteField("connection_id", auth0test.ConnectionID)
	_ = form.Close()
	f.pass(w, f.tenant.manage(r.Context(), http.MethodPost, "/jobs/users-imports", form.FormDataContentType(), body.Bytes()))
}

// job is the path of the tenant's job that a request is about.
func job(r *http.Request) string { return "/jobs/" + url.PathEscape(r.PathValue("id")) }

// importStatus handles GET /users/import/status/{id}.
func (f *Facade) importStatus(w http.ResponseWriter, r *http.Request) {
	f.pass(w, f.tenant.manage(r.Context(), http.MethodGet, job(r), "", nil))
}

// importErrors handles GET /users/import/status/{id}/errors.
func (f *Facade) importErrors(w http.ResponseWriter, r *http.Request) {
	f.pass(w, f.tenant.manage(r.Context(), http.MethodGet, job(r)+"/errors", "", nil))
}
