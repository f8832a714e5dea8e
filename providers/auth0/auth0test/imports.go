package auth0test

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"
)

// mostActive is how many import jobs a tenant works on.
const mostActive = 2

var connectionForm = regexp.MustCompile(`^con_[A-Za-z0-9]{16}$`)

// An importForm is what an import brings.
type importForm struct {
	users  []byte
	fields map[string]string
}

// startImport handles POST /api/v2/jobs/users-imports.
func startImport(c *call) (*reply, error) {
	form, err := c.importForm()
	if err != nil {
		return nil, err
	}
	if err := form.check(); err != nil {
		return nil, err
	}
	stats := &c.tenant.stats
	active := c.tenant.activeImports()
	if len(active) >= mostActive {
		stats.Limited["jobs"]++
		c.bucket = nil // this is none
		return nil, refuse(http.StatusTooManyRequests, "too_many_requests",
			"There are 2 active import users jobs, please wait until some of them are finished and try again")
	}
	j := newImport(form, c.now)
	c.tenant.jobs[j.id] = j
	stats.Imports++
	stats.LargestImport = max(stats.LargestImport, len(c.body))
	stats.ActiveImports = max(stats.ActiveImports, len(active)+1)
	return ok(http.StatusAccepted, j.shown(c.tenant.cfg, c.now)), nil
}

var errMultipart = invalid("Payload validation error: 'Invalid multipart payload format'.")

// importForm reads the parts of the body, in whatever order they come.
func (c *call) importForm() (importForm, error) {
	form := importForm{fields: map[string]string{}}
	kind, parameters, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return form, errMultipart
	}
	reader := multipart.NewReader(bytes.NewReader(c.body), parameters["boundary"])
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return form, nil
		}
		if err != nil {
			return form, errMultipart
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return form, errMultipart
		}
		if part.FormName() == "users" && part.FileName() != "" {
			form.users = append([]byte{}, content...) // not nil
		} else {
			form.fields[part.FormName()] = string(content)
		}
	}
}

// check refuses what cannot be a job.
func (f importForm) check() error {
	id, named := f.fields["connection_id"]
	switch {
	case f.users == nil:
		return invalid("Must provide 'users' file as multipart part.")
	case !named:
		return invalid("Must provide 'connection_id' as multipart part.")
	case len(bytes.TrimSpace(f.users)) == 0:
		return invalid("Users file must not be empty.")
	case !connectionForm.MatchString(id):
		return invalid("Payload validation error: 'String does not match pattern ^con_[A-Za-z0-9]{16}$' on property connection_id.")
	case id != ConnectionID:
		return refuse(http.StatusBadRequest, "", "The connection does not exist.")
	}
	for _, name := range []string{"upsert", "send_completion_email"} {
		if value := f.fields[name]; value != "" && value != "true" && value != "false" {
			return invalid("Payload validation error: 'Expected type boolean but found type string' on property " + name + ".")
		}
	}
	for name := range f.fields {
		if !strings.Contains(" connection_id upsert external_id send_completion_email ", " "+name+" ") {
			return invalid("Payload validation error: 'Additional properties not allowed: " + name + "'.")
		}
	}
	return nil
}
