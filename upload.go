package main

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"time"

	"user-manager/csvimport"
)

const (
	// maxOption is beyond any option of an upload.
	maxOption = 256
	// uploadOverhead is what a request may have besides the file.
	uploadOverhead = 64 << 10
	// uploadPause is how long an upload may stand still.
	uploadPause = 30 * time.Second
)

// An upload is a CSV file, and how it is written.
type upload struct {
	io.Reader
	options csvimport.Options
	spool   *os.File // nil: the file is read while it arrives
}

// Close removes what was spooled.
func (u *upload) Close() error {
	if u.spool == nil {
		return nil
	}
	return u.spool.Close()
}

// readUpload reads the parts of a multipart request, which come in any order. When all
// options came before the file, and the request is not larger than a file may be, the
// file is read while it arrives. Otherwise it is spooled to disk, since how it is to be
// read, or that it is too large, may turn out after it.
func readUpload(w http.ResponseWriter, r *http.Request, maxFile int64) (u *upload, err error) {
	parts, err := partsOf(w, r)
	if err != nil {
		return nil, err
	}
	u = &upload{}
	defer func() {
		if err != nil {
			u.Close()
		}
	}()
	given := map[string]bool{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, uploadError(err)
		}
		name := part.FormName()
		if !isUploadPart(name) {
			continue
		}
		if given[name] {
			return nil, badRequest("%s: is there twice", name)
		}
		given[name] = true
		if name != "file" {
			if err := u.readOption(name, part); err != nil {
				return nil, err
			}
			continue
		}
		file := &boundedFile{part, maxFile, maxFile}
		if len(given) == len(uploadParts) && r.ContentLength >= 0 && r.ContentLength <= maxFile {
			u.Reader = file
			return u, nil
		}
		if err := u.keep(file); err != nil {
			return nil, err
		}
	}
	if u.spool == nil {
		return nil, badRequest("file: is required")
	}
	return u, nil
}

// uploadParts are the parts of an upload that are read.
var uploadParts = []string{"file", "delimiter", "encoding", "escape"}

func isUploadPart(name string) bool {
	for _, part := range uploadParts {
		if name == part {
			return true
		}
	}
	return false
}

// partsOf returns the parts of the request's body, which may take as long as it goes on
// to arrive.
func partsOf(w http.ResponseWriter, r *http.Request) (*multipart.Reader, error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" {
		return nil, &requestError{http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Type: must be multipart/form-data, not %q", r.Header.Get("Content-Type"))}
	}
	if params["boundary"] == "" {
		return nil, badRequest("Content-Type: has no boundary")
	}
	body := &steadyBody{r.Body, http.NewResponseController(w)}
	return multipart.NewReader(body, params["boundary"]), nil
}

// readOption reads a part that says how the file is written.
func (u *upload) readOption(name string, part io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(part, maxOption+1))
	if err != nil {
		return uploadError(err)
	}
	if len(text) > maxOption {
		return badRequest("%s: must not be longer than %d bytes", name, maxOption)
	}
	switch name {
	case "delimiter":
		u.options.Delimiter = string(text)
	case "encoding":
		u.options.Encoding = string(text)
	case "escape":
		u.options.Escape = string(text)
	}
	return fileError(u.options.Check())
}

// keep spools a file. It has no name on disk, so that nothing is left behind whatever
// happens.
func (u *upload) keep(file io.Reader) error {
	spool, err := os.CreateTemp("", "user-manager-*.csv")
	if err != nil {
		return fmt.Errorf("spool the file: %w", err)
	}
	u.Reader, u.spool = spool, spool
	if err := os.Remove(spool.Name()); err != nil {
		return fmt.Errorf("spool the file: %w", err)
	}
	if _, err := io.Copy(spool, file); err != nil {
		return fmt.Errorf("spool the file: %w", err)
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("spool the file: %w", err)
	}
	return nil
}

// boundedFile is a file of at most so many bytes.
type boundedFile struct {
	file        io.Reader
	limit, left int64
}

// Read implements [io.Reader].
func (f *boundedFile) Read(p []byte) (int, error) {
	if int64(len(p)) > f.left+1 {
		p = p[:f.left+1]
	}
	n, err := f.file.Read(p)
	if f.left -= int64(n); f.left < 0 {
		return n, fileTooLarge(f.limit)
	}
	if err != nil && err != io.EOF { // of the very reader, as io.Reader has it
		err = uploadError(err)
	}
	return n, err
}

func fileTooLarge(limit int64) error {
	return &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("file: must not be larger than %d bytes", limit)}
}

// steadyBody is a body that may take its time, as long as it does not stand still.
type steadyBody struct {
	io.Reader
	connection *http.ResponseController
}

// Read implements [io.Reader].
func (b *steadyBody) Read(p []byte) (int, error) {
	_ = b.connection.SetReadDeadline(time.Now().Add(uploadPause)) // without it the server's own limit holds
	return b.Reader.Read(p)
}

// uploadError says what is wrong with a multipart body that could not be read.
func uploadError(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fileTooLarge(tooLarge.Limit - uploadOverhead)
	}
	return badRequest("body: is not a whole multipart/form-data body")
}

// fileError gives what is wrong with a file or its options to the client.
func fileError(err error) error {
	if wrong, ok := errors.AsType[*csvimport.Error](err); ok {
		return badRequest("%s", wrong.Error())
	}
	return err
}
