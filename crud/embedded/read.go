package embedded

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"sync"

	"user-manager/crud/document"
)

// listParams are those of GET /.
func (s *Store) listParams() accepts {
	most := s.cfg.MaxLimit
	return accepts{id: true, states: true, projection: true, page: true, limit: min(defaultLimit, most), maxLimit: most}
}

// view reads the query string of a route that answers documents.
func (c *call) view(a accepts) (view, error) {
	p, wrong := c.params(a)
	if wrong != nil {
		return view{}, wrong
	}
	var err error
	if p.view.filter, err = c.filter(p); err != nil {
		return view{}, err
	}
	if a.projection {
		p.view.projection, err = c.projection(p)
	} else if _, given := p.values["_rawp"]; given {
		err = refuse("Unknown field: _rawp")
	}
	return p.view, err
}

func (c *call) querier() querier { return c.store.db.querier(c.r.Context()) }

// list answers GET /. The page is read as a whole before any of it is written, so a
// slow client keeps no transaction open.
func (c *call) list() error {
	v, err := c.view(c.store.listParams())
	if err != nil {
		return err
	}
	found, err := c.collect(c.querier(), v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	out := borrowWriter(c.w)
	defer writers.Put(out)
	out.WriteString("[\n")
	for i, s := range found {
		if i > 0 {
			out.WriteString("\n,\n")
		}
		if err := c.writeDocument(out, s.text, v.projection); err != nil {
			return err
		}
	}
	out.WriteString("\n]\n")
	out.Flush() // who is gone cannot be told
	return nil
}

// writers are buffers between answers.
var writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 32<<10) }}

func borrowWriter(w io.Writer) *bufio.Writer {
	out := writers.Get().(*bufio.Writer)
	out.Reset(w)
	return out
}

// writeDocument writes a stored text, as it is if the projection keeps everything.
func (c *call) writeDocument(out *bufio.Writer, text string, p document.Projection) error {
	if p.All() {
		out.WriteString(text)
		return nil
	}
	part, err := c.projected(text, p)
	out.Write(part)
	return err
}

func (c *call) projected(text string, p document.Projection) ([]byte, error) {
	if p.All() {
		return []byte(text), nil
	}
	if p.Whole() {
		return appendWhole(nil, text, p), nil
	}
	v, raws, err := document.ParseRaw(text, 0)
	if err != nil {
		return nil, err
	}
	return c.appendProjected(nil, v.(map[string]any), raws[0], p), nil
}

// count answers GET /count.
func (c *call) count() error {
	p, wrong := c.params(accepts{id: true, states: true, estimate: true})
	if wrong != nil {
		return wrong
	}
	estimate, wrong := p.estimate()
	if wrong != nil {
		return wrong
	}
	var f document.Filter
	if !estimate {
		v, err := c.view(accepts{id: true, states: true, estimate: true})
		if err != nil {
			return err
		}
		f = v.filter
	}
	n, err := c.countOf(c.querier(), f)
	if err != nil {
		return err
	}
	return c.answerNumber(n)
}

func (p *params) estimate() (bool, *fault) {
	values, given := p.values["_useEstimate"]
	if !given {
		return false, nil
	}
	estimate, ok := toBool(values[0])
	if !ok || len(values) > 1 {
		return false, invalid(querystring+"/_useEstimate", "must be boolean")
	}
	return estimate, nil
}

// byIDFilter is the filter on the id of the path; one that is none finds nothing.
func (c *call) byIDFilter(f document.Filter) document.Filter {
	return document.Join(document.Equals("_id", c.id), f)
}

// get answers GET /:id.
func (c *call) get() error {
	v, err := c.view(accepts{states: true, projection: true, below: true})
	if err != nil {
		return err
	}
	v.filter, v.limit = c.byIDFilter(v.filter), 1
	found, err := c.collect(c.querier(), v)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errNotFound
	}
	return c.answerDocument(found[0].text, v.projection)
}

// answerDocument answers one document.
func (c *call) answerDocument(text string, p document.Projection) error {
	part, err := c.projected(text, p)
	if err != nil {
		return err
	}
	if err := c.complete(part, p); err != nil {
		return err
	}
	return c.answer(http.StatusOK, part)
}

// complete refuses a projection that cuts an object to a part without a key that its
// schema requires.
func (c *call) complete(part []byte, p document.Projection) error {
	for _, f := range c.fields {
		if _, cut := p.Keeps(f.name); !cut || f.schema == nil {
			continue
		}
		doc, err := readDocument(string(part))
		if err != nil {
			return err
		}
		object, ok := doc[f.name].(map[string]any)
		for _, key := range f.schema.fields {
			if _, given := object[key.name]; ok && key.required && !given {
				return refuse(`"` + key.name + `" is required!`)
			}
		}
	}
	return nil
}

// schemaDocument answers GET /schema.
func (c *call) schemaDocument() error {
	properties, required := map[string]any{}, []any{}
	for _, f := range c.fields {
		properties[f.name] = f.jsonSchema()
		if f.required && !f.standard {
			required = append(required, f.name)
		}
	}
	answer := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		answer["required"] = required
	}
	return c.answer(http.StatusOK, document.AppendJSON(nil, answer))
}

// jsonSchema describes a field as GET /schema does.
func (f *field) jsonSchema() map[string]any {
	out := map[string]any{"type": f.typeName()}
	switch f.kind {
	case kindID:
		out["pattern"] = idPattern
		out["example"] = strings.Repeat("0", 24)
		if f.name == "_id" {
			out["description"] = "Hexadecimal identifier of the document in the collection"
		}
	case kindDate:
		out["example"] = "1997-04-24T07:00:00.000Z"
		out["nullable"] = f.nullable
		return out
	case kindArray:
		item := f.items.jsonSchema()
		out["type"] = []any{"array", f.items.typeName()}
		out["anyOf"] = []any{map[string]any{"type": "array", "items": item}, item}
	case kindGeo:
		out["items"] = map[string]any{"type": "number"}
		out["minItems"], out["maxItems"] = 2.0, 3.0
	case kindObject:
		f.describeObject(out)
	case kindAny:
		return map[string]any{}
	}
	if f.nullable {
		out["nullable"] = true
	}
	return out
}

func (f *field) describeObject(out map[string]any) {
	if f.schema == nil {
		out["additionalProperties"] = true
		return
	}
	properties, required := map[string]any{}, []any{}
	for _, p := range f.schema.fields {
		properties[p.name] = p.jsonSchema()
		if p.required {
			required = append(required, p.name)
		}
	}
	out["properties"], out["required"] = properties, required
	out["additionalProperties"] = f.schema.additional
}
