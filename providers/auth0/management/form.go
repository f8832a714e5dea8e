package management

import (
	"bytes"
	"mime/multipart"
	"net/textproto"
	"strconv"
)

const (
	requestLimit = 512000 // bytes of the request that starts an import
	// frame is what a request has besides the file: the boundaries, the headers of its
	// parts and their values.
	frame = 4 << 10
)

// FileLimit is how many bytes the file of one import job may have, so that the request
// around it keeps within the limit of a tenant.
const FileLimit = requestLimit - frame

// A Field is a part of a form besides a file.
type Field struct{ Name, Value string }

// Form returns the request that starts an import job: its content type and its body. where
// says to which connection the users go, {"connection_id", "con_..."} at a tenant. The
// tenant's owners get no mail when the job ends.
func Form(where Field, users []byte, upsert bool, externalID string) (contentType string, body []byte) {
	var buf bytes.Buffer // whose writes do not fail, nor do those of the form
	buf.Grow(len(users) + frame)
	form := multipart.NewWriter(&buf)
	fields := []Field{where, {"upsert", strconv.FormatBool(upsert)}, {"send_completion_email", "false"}}
	if externalID != "" {
		fields = append(fields, Field{"external_id", externalID})
	}
	for _, f := range fields {
		if f.Name != "" {
			_ = form.WriteField(f.Name, f.Value)
		}
	}
	file, _ := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="users"; filename="users.json"`},
		"Content-Type":        {"application/json"},
	})
	_, _ = file.Write(users)
	_ = form.Close()
	return form.FormDataContentType(), buf.Bytes()
}
