package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"sync"
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
	// uploadRate is how many bytes of an upload have to come in a second on average, the
	// first uploadPause apart.
	uploadRate = 1 << 10
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
// file is read while it arrives, and what follows it is not looked at. Otherwise it is
// spooled to disk, since how it is to be read, or that it is too large or cut short, may
// turn out after it.
func readUpload(body *uploadBody, maxFile int64) (*upload, error) {
	u := &upload{}
	if err := u.readParts(body, maxFile); err != nil {
		u.Close()
		return nil, err
	}
	return u, nil
}

func (u *upload) readParts(body *uploadBody, maxFile int64) error {
	parts := multipart.NewReader(body, body.boundary)
	given := map[string]bool{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return uploadError(err)
		}
		name := part.FormName()
		switch {
		case !slices.Contains(uploadParts, name):
			continue
		case given[name]:
			return badRequest("%s: is there twice", name)
		}
		given[name] = true
		switch {
		case name != "file":
			err = u.readOption(name, part)
		case len(given) == len(uploadParts) && body.size >= 0 && body.size <= maxFile:
			u.Reader = &boundedFile{part, maxFile, maxFile}
			return fileError(u.options.Check())
		default:
			err = u.keep(&boundedFile{part, maxFile, maxFile})
		}
		if err != nil {
			return err
		}
	}
	switch err := body.finish(); {
	case err != nil:
		return err
	case !given["file"]:
		return badRequest("file: is required")
	}
	return fileError(u.options.Check())
}

// uploadParts are the parts of an upload that are read.
var uploadParts = []string{"file", "delimiter", "encoding", "escape"}

// openBody returns the multipart body of a request.
func openBody(w http.ResponseWriter, r *http.Request) (*uploadBody, error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" {
		return nil, &requestError{http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Type: must be multipart/form-data, not %q", r.Header.Get("Content-Type"))}
	}
	if params["boundary"] == "" {
		return nil, badRequest("Content-Type: has no boundary")
	}
	return &uploadBody{
		body: r.Body, size: r.ContentLength, boundary: params["boundary"],
		connection: http.NewResponseController(w),
	}, nil
}

// An uploadBody may take its time to arrive, as long as it neither stands still nor
// trickles. It notes its last boundary, since [multipart.Reader] takes some bodies that
// were cut short for whole ones. It is for one goroutine, save for interrupt.
type uploadBody struct {
	body     io.Reader
	size     int64 // -1: not known
	boundary string
	tail     []byte        // the last bytes that were read
	arrived  int64         // bytes
	waited   time.Duration // for them

	mu         sync.Mutex // guards what follows
	connection *http.ResponseController
	whole      bool  // the last boundary was read
	ended      bool  // nothing is read any more
	stopped    bool  // by interrupt
	failure    error // why it was not read to its end
}

// Read implements [io.Reader].
func (b *uploadBody) Read(p []byte) (int, error) {
	began := time.Now()
	if err := b.allow(began); err != nil {
		return 0, err
	}
	n, err := b.body.Read(p)
	b.waited += time.Since(began)
	b.arrived += int64(n)
	last := []byte("--" + b.boundary + "--")
	b.tail = append(b.tail, p[:n]...)
	whole := bytes.Contains(b.tail, last)
	b.tail = append(b.tail[:0], b.tail[max(0, len(b.tail)-len(last)):]...) // it may begin here and go on in what comes
	b.mu.Lock()
	defer b.mu.Unlock()
	b.whole, b.ended = b.whole || whole, b.ended || err != nil
	if err != nil && err != io.EOF && !b.stopped {
		b.failure = err
	}
	return n, err
}

// allow limits how long the next bytes may take to come. Only the time counts that was
// spent waiting for bytes: between two reads the importer may have been at work.
func (b *uploadBody) allow(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return errInterrupted
	}
	if !b.ended {
		earned := time.Duration(b.arrived) * (time.Second / uploadRate)
		left := min(uploadPause, uploadPause+earned-b.waited)
		_ = b.connection.SetReadDeadline(now.Add(left)) // without it the server's own limit holds
	}
	return nil
}

var errInterrupted = errors.New("the upload is not read any more")

// interrupt makes reading end now, unless all was read. It may be called from any
// goroutine, as long as the request is answered.
func (b *uploadBody) interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.whole && !b.ended {
		b.stopped = true
		_ = b.connection.SetReadDeadline(time.Now())
	}
}

// blame returns what is wrong with the body when err is no more than that the request
// ended: net/http ends it when it cannot read on, too.
func (b *uploadBody) blame(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failure == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", uploadError(b.failure), err)
}

// finish reads what is left of the body, and reports one that was cut short.
func (b *uploadBody) finish() error {
	if _, err := io.Copy(io.Discard, b); err != nil {
		return uploadError(err)
	}
	if !b.whole {
		return uploadError(io.ErrUnexpectedEOF)
	}
	return nil
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
	return nil
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

// uploadError says what is wrong with a multipart body that could not be read.
func uploadError(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fileTooLarge(tooLarge.Limit - uploadOverhead)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &requestError{http.StatusRequestTimeout, fmt.Sprintf("body: must not stand still for %v, nor come slower than %d bytes a second", uploadPause, uploadRate)}
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
