package embedded

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"user-manager/crud/document"
)

// importBatch is how many rows are written together, unless they are large: then it is how
// many come to maxBody bytes.
const importBatch = 5000

// importRow is a checked row, and the texts of its fields.
type importRow = newDocument

// importNew answers POST /import: every row is inserted.
func (c *call) importNew() error {
	return c.importFile(http.StatusCreated, func(rows []importRow) error {
		now := c.store.cfg.Now()
		for _, row := range rows {
			c.stamp(row.doc, c.user(), now)
		}
		return c.insertAll(rows)
	})
}

// importPatch answers PATCH /import: a row changes the document with its _id, or the
// first that has all its fields, and is inserted if there is none.
func (c *call) importPatch() error {
	return c.importFile(http.StatusOK, c.mergeAll)
}

// importFile reads the file of a multipart body, checks its rows and writes them in
// batches: a wrong row stops the import, and its batch is not written.
func (c *call) importFile(status int, write func([]importRow) error) error {
	file, options, err := c.importedFile()
	if err != nil {
		return err
	}
	read := &countedReader{in: file}
	source, err := newRowSource(file.Header.Get("Content-Type"), read, options)
	if err != nil {
		return err
	}
	var batch []importRow
	index := 0
	err = source(func(v any, raw document.Raw) error {
		row, err := c.checkRow(v, raw, index)
		if err != nil {
			return err
		}
		index++
		if batch = append(batch, row); len(batch) < importBatch && read.n < maxBody {
			return nil
		}
		full := batch
		batch, read.n = nil, 0
		return write(full)
	})
	if err == nil && len(batch) > 0 {
		err = write(batch)
	}
	if err != nil {
		return importError(err)
	}
	return c.answer(status, []byte(`{"message":"File uploaded successfully"}`))
}

// countedReader counts the bytes that were read.
type countedReader struct {
	in io.Reader
	n  int
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.n += n
	return n, err
}

// importError tells a file that is too large or broken off from other errors.
func importError(err error) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return &fault{status: http.StatusRequestEntityTooLarge, message: "the file is too large"}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse("the body ends before the file does")
	}
	return err
}

// importOptions are the parts before the file.
type importOptions struct {
	delimiter, escape byte
	latin1            bool
}

// importedFile goes to the file part, and reads the options before it.
func (c *call) importedFile() (*multipart.Part, importOptions, error) {
	options := importOptions{delimiter: ',', escape: '\\'}
	if _, kind := c.mediaType(); kind != "multipart/form-data" {
		return nil, options, refuse("Request is not multipart")
	}
	c.r.Body = http.MaxBytesReader(nil, c.r.Body, maxImport)
	parts, err := c.r.MultipartReader()
	if err != nil {
		return nil, options, refuse("Multipart: Boundary not found")
	}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			return nil, options, refuse("Missing file")
		}
		if err != nil {
			return nil, options, refuse("the multipart body cannot be read: " + err.Error())
		}
		if part.FileName() != "" {
			return part, options, nil
		}
		if err := options.read(part); err != nil {
			return nil, options, err
		}
	}
}

func (o *importOptions) read(part *multipart.Part) error {
	value, err := io.ReadAll(io.LimitReader(part, maxOption))
	if err != nil {
		return refuse("the multipart body cannot be read")
	}
	text := string(value)
	switch part.FormName() {
	case "delimiter", "escape":
		if len(text) != 1 || text == "\n" || text == "\r" {
			return refuse("Invalid options")
		}
		if part.FormName() == "escape" {
			o.escape = text[0]
		} else {
			o.delimiter = text[0]
		}
		return nil
	case "encoding":
		return o.readEncoding(strings.ToLower(text))
	}
	return refuse("Invalid options")
}

func (o *importOptions) readEncoding(name string) error {
	switch name {
	case "utf8", "utf-8", "ascii":
		return nil
	case "latin1", "binary":
		o.latin1 = true
		return nil
	case "ucs2", "ucs-2", "utf16le", "utf-16le", "base64", "base64url", "hex":
		return leftOut(omitEncoding, name)
	}
	return refuse("Invalid options")
}

// checkRow checks a row: as a document to be inserted, but unknown fields are dropped
// and _id may be given.
func (c *call) checkRow(v any, raw document.Raw, index int) (importRow, error) {
	in, ok := v.(map[string]any)
	if !ok {
		return importRow{}, atRow(index, problem{"", "must be object"})
	}
	doc, wrong := c.checkRowFields(in)
	if wrong != nil {
		return importRow{}, atRow(index, wrong.problem)
	}
	for _, name := range []string{"creatorId", "createdAt", "updaterId", "updatedAt"} {
		if _, given := in[name]; given {
			return importRow{}, refuse(name + " cannot be specified")
		}
	}
	if wrong := c.castDocument(doc); wrong != nil {
		return importRow{}, wrong
	}
	return importRow{doc, c.keepRaw(raw)}, nil
}

func (c *call) checkRowFields(in map[string]any) (document.Document, *fault) {
	if wrong := c.required(in, ""); wrong != nil {
		return nil, wrong
	}
	known := make(map[string]any, len(in))
	for name, v := range in {
		f := c.byName[name]
		if f == nil && c.acceptsExtra(name) || f != nil && (!f.standard || name == "_id" || name == "__STATE__") {
			known[name] = v
		}
	}
	return c.coerceFields(known, "")
}

// atRow is the refusal of a row.
func atRow(index int, p problem) *fault {
	at := "index: " + strconv.Itoa(index)
	if p.path != "" {
		at += ", " + p.path
	}
	return &fault{status: http.StatusBadRequest, message: "(" + at + ") " + p.text}
}

// mergeAll writes rows up to the first that is refused; those before it stay.
func (c *call) mergeAll(rows []importRow) error { return writeUntilRefused(c, rows, c.merge) }

// merge changes the document that a row means, or inserts the row.
func (c *call) merge(t *tx, row importRow) error {
	if _, given := row.doc["__STATE__"]; !given {
		row.doc["__STATE__"] = c.defaultState
	}
	found, err := c.collect(t.query, view{filter: c.rowFilter(row.doc), limit: 1})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		c.stamp(row.doc, c.user(), c.store.cfg.Now())
		return c.insertOne(t, row, http.StatusConflict)
	}
	set := map[string]any{}
	for name, v := range row.doc {
		if name != "_id" && name != "__STATE__" {
			set[name] = v
		}
	}
	update, err := document.ParseUpdate(map[string]any{"$set": set})
	if err != nil {
		return refuse(err.Error())
	}
	ch := c.newChange(update)
	ch.state = row.doc["__STATE__"].(string)
	_, err = c.apply(t, found[0], ch)
	return err
}

// rowFilter finds the document of a row: by its _id, or by all its fields.
func (c *call) rowFilter(doc document.Document) document.Filter {
	if id, given := doc["_id"]; given {
		return document.Equals("_id", id)
	}
	var filters []document.Filter
	for _, name := range sortedKeys(doc) {
		filters = append(filters, document.Equals(name, doc[name]))
	}
	return document.Join(filters...)
}
