package embedded

import (
	"bufio"
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"user-manager/crud/document"
)

// Media types of exports and imports.
const (
	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
	typeCSV    = "text/csv"
	typeXLSX   = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	typeXLS    = "application/vnd.ms-excel"
)

var exportParams = accepts{id: true, states: true, projection: true, page: true, options: true}

// export answers GET /export. It reads piece by piece, so that a slow client keeps no
// transaction open; an answer that cannot be completed is broken off.
func (c *call) export() error {
	v, err := c.view(exportParams)
	if err != nil {
		return err
	}
	kind := preferredType(c.r.Header.Get("Accept"))
	out := borrowWriter(c.w)
	defer writers.Put(out)
	var rows rowWriter
	switch kind {
	case typeNDJSON:
		rows = &lineWriter{call: c, out: out, projection: v.projection}
	case typeJSON:
		rows = &lineWriter{call: c, out: out, projection: v.projection, array: true}
	case typeCSV:
		if rows, err = c.newTableWriter(out, v); err != nil {
			return err
		}
	case typeXLSX, typeXLS:
		return leftOut(omitSpreadsheet, kind)
	default:
		return &fault{status: http.StatusNotAcceptable, message: "unsupported file type " + kind}
	}
	return c.stream(kind, v, rows, out)
}

// rowWriter writes documents in one format.
type rowWriter interface {
	begin()
	row(text string) error
	end()
}

func (c *call) stream(kind string, v view, rows rowWriter, out *bufio.Writer) error {
	begun := false
	begin := func() {
		begun = true
		c.w.Header().Set("Content-Type", kind)
		c.w.WriteHeader(http.StatusOK)
		rows.begin()
	}
	err := c.eachPiece(c.querier(), v, func(s stored) (bool, error) {
		if !begun {
			begin()
		}
		return true, rows.row(s.text)
	})
	if err != nil && !begun {
		return err
	}
	if err != nil {
		c.store.cfg.Log.ErrorContext(c.r.Context(), "export broken off", "err", err)
		panic(http.ErrAbortHandler) // the only way to tell a client that has a 200
	}
	if !begun {
		begin()
	}
	rows.end()
	out.Flush() // who is gone cannot be told
	return nil
}

// preferredType is the media type with the greatest weight, the first of equals.
func preferredType(accept string) string {
	best, weight := "", -1.0
	for part := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		q := 1.0
		for param := range strings.SplitSeq(params, ";") {
			if text, ok := strings.CutPrefix(strings.TrimSpace(param), "q="); ok {
				if parsed, err := strconv.ParseFloat(text, 64); err == nil {
					q = parsed
				}
			}
		}
		if name != "" && q > weight {
			best, weight = name, q
		}
	}
	if best == "" || best == "*/*" {
		return typeNDJSON
	}
	return best
}

// lineWriter writes a document per line, or an array of them.
type lineWriter struct {
	call       *call
	out        *bufio.Writer
	projection document.Projection
	array      bool
	rows       int
}

func (w *lineWriter) begin() {
	if w.array {
		w.out.WriteString("[\n")
	}
}

func (w *lineWriter) row(text string) error {
	if w.array && w.rows > 0 {
		w.out.WriteString(",\n")
	}
	w.rows++
	err := w.call.writeDocument(w.out, text, w.projection)
	w.out.WriteByte('\n')
	return err
}

func (w *lineWriter) end() {
	if w.array {
		w.out.WriteString("]\n")
	}
}

// tableWriter writes CSV.
type tableWriter struct {
	call      *call
	out       *bufio.Writer
	columns   []string
	delimiter string
}

func (c *call) newTableWriter(out *bufio.Writer, v view) (*tableWriter, error) {
	w := &tableWriter{call: c, out: out, delimiter: ",", columns: c.tableColumns(v)}
	options := splitQuery(c.r.URL.RawQuery).first("_exportOpts")
	if options == "" {
		return w, nil
	}
	parsed, err := parseQueryText(options)
	if err != nil {
		return nil, err
	}
	object, _ := parsed.(map[string]any)
	delimiter, given := object["delimiter"]
	if !given {
		return w, nil
	}
	text, ok := delimiter.(string)
	if !ok || len(text) != 1 || strings.ContainsAny(text, "\"\r\n") {
		return nil, refuse("the delimiter of _exportOpts must be one character")
	}
	w.delimiter = text
	return w, nil
}

// tableColumns are _id and those of the projection in its order, or all fields in the
// order of the definition.
func (c *call) tableColumns(v view) []string {
	if v.columns != nil {
		columns := []string{"_id"}
		for _, name := range v.columns {
			if name != "_id" {
				columns = append(columns, name)
			}
		}
		return columns
	}
	var columns []string
	for _, f := range c.fields {
		if whole, part := v.projection.Keeps(f.name); whole || part {
			columns = append(columns, f.name)
		}
	}
	return columns
}

func (w *tableWriter) begin() {
	for i, name := range w.columns {
		if i > 0 {
			w.out.WriteString(w.delimiter)
		}
		w.quote(name)
	}
	w.out.WriteByte('\n')
}

func (w *tableWriter) row(text string) error {
	v, raws, err := document.ParseRaw(text, 0)
	if err != nil {
		return err
	}
	doc := v.(map[string]any)
	for i, name := range w.columns {
		if i > 0 {
			w.out.WriteString(w.delimiter)
		}
		value, _ := document.Get(doc, name)
		w.cell(value, raws[0][name])
	}
	return w.out.WriteByte('\n')
}

// cell writes a value; raw is its text as it is stored.
func (w *tableWriter) cell(v any, raw string) {
	switch v := v.(type) {
	case nil:
	case bool:
		if v {
			w.out.WriteByte('1')
		}
	case string:
		w.quote(v)
	case float64:
		w.out.Write(document.AppendJSON(nil, v))
	default:
		text := []byte(raw)
		if raw == "" {
			text = document.AppendJSON(nil, v)
		}
		if bytes.ContainsAny(text, "\"\n\r"+w.delimiter) {
			w.quote(string(text))
		} else {
			w.out.Write(text)
		}
	}
}

func (w *tableWriter) quote(text string) {
	w.out.WriteByte('"')
	w.out.WriteString(strings.ReplaceAll(text, `"`, `""`))
	w.out.WriteByte('"')
}

func (w *tableWriter) end() {}
