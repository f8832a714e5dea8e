package embedded

import (
	"encoding/base64"
	"slices"
	"strings"

	"user-manager/crud/document"
)

// parseQueryText reads the JSON of _q or acl_rows.
func parseQueryText(text string) (any, error) {
	if len(text) > maxQuery {
		return nil, refuse("the query is too long")
	}
	v, err := document.Parse(text)
	if err != nil {
		return nil, refuse(err.Error())
	}
	if deeper(v, maxQueryDepth) {
		return nil, refuse("the query is nested too deeply")
	}
	return v, nil
}

// deeper reports whether a value has more than n levels.
func deeper(v any, n int) bool {
	if n < 0 {
		return true
	}
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return deeper(item, n-1) })
	case map[string]any:
		for _, item := range v {
			if deeper(item, n-1) {
				return true
			}
		}
	}
	return false
}

// encoded is a JSON parameter, out of base64 where the header says so.
func (c *call) encoded(text string) (string, error) {
	h := c.r.Header
	if h.Get("json-query-params-encoding") != "base64" && h.Get("json_query_params_encoding") != "base64" {
		return text, nil
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if plain, err := encoding.DecodeString(text); err == nil {
			return string(plain), nil
		}
	}
	return "", refuse("the query is not base64")
}

// filter joins what the call's parameters, _q and acl_rows ask for.
func (c *call) filter(p *params) (document.Filter, error) {
	filters := p.filters
	if text := p.first("_q"); text != "" {
		plain, err := c.encoded(text)
		if err != nil {
			return document.Filter{}, err
		}
		f, err := c.queryFilter(plain)
		if err != nil {
			return document.Filter{}, err
		}
		filters = append(filters, f)
	}
	acl, err := c.aclFilter()
	return document.Join(append(filters, acl)...), err
}

func (p *params) first(name string) string {
	if values := p.values[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// queryFilter reads the text of a _q.
func (c *call) queryFilter(text string) (document.Filter, error) {
	v, err := parseQueryText(text)
	if err != nil {
		return document.Filter{}, err
	}
	return c.checkedFilter(v)
}

// aclFilter is what acl_rows lets through.
func (c *call) aclFilter() (document.Filter, error) {
	items, isArray := c.acl.([]any)
	if !isArray {
		if c.acl == nil {
			return document.Filter{}, nil
		}
		return c.checkedFilter(c.acl)
	}
	if len(items) == 0 {
		return document.Filter{}, refuse("acl_rows must not be an empty array")
	}
	filters := make([]document.Filter, len(items))
	for i, item := range items {
		var err error
		if filters[i], err = c.checkedFilter(item); err != nil {
			return document.Filter{}, err
		}
	}
	return document.Join(filters...), nil
}

func (c *collection) checkedFilter(v any) (document.Filter, error) {
	query, err := c.checkQuery(v)
	if err != nil {
		return document.Filter{}, err
	}
	f, bad := document.ParseFilter(query)
	if bad != nil {
		return document.Filter{}, refuse(bad.Error())
	}
	return f, nil
}

// checkQuery checks a query against the fields and their types, and casts the values
// of dates and ids.
func (c *collection) checkQuery(v any) (map[string]any, error) {
	query, ok := v.(map[string]any)
	if !ok {
		switch v := v.(type) {
		case []any:
			if len(v) > 0 {
				return nil, refuse("Unknown field: 0")
			}
		case string:
			if v != "" {
				return nil, refuse("Unknown field: 0")
			}
		}
		return nil, refuse("a query must be an object")
	}
	out := make(map[string]any, len(query))
	for _, key := range sortedKeys(query) {
		var err error
		switch {
		case key == "$and" || key == "$or":
			out[key], err = c.checkQueries(key, query[key])
		case key == "$text":
			err = leftOut(omitText, key)
		case strings.HasPrefix(key, "$"):
			err = refuse("Unknown operator: " + key)
		case !c.knows(key):
			err = refuse("Unknown field: " + key)
		default:
			out[key], err = c.checkConditions(key, query[key])
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *collection) checkQueries(key string, v any) (any, error) {
	items, ok := v.([]any)
	if !ok || len(items) == 0 {
		return nil, refuse(key + " must be a nonempty array")
	}
	out := make([]any, len(items))
	for i, item := range items {
		var err error
		if out[i], err = c.checkQuery(item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// The operators of conditions, and those that only some kinds of fields know.
var (
	fieldOperators = []string{"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$all", "$exists", "$regex", "$options", "$elemMatch", "$size"}
	notForArray    = []string{"$ne", "$gt", "$gte", "$lt", "$lte", "$regex", "$options"}
	onlyForArray   = []string{"$elemMatch", "$size"}
)

// checkConditions checks what a query asks of one path.
func (c *collection) checkConditions(path string, v any) (any, error) {
	f := c.byName[path]
	if f == nil {
		f = &field{kind: kindAny, items: &field{kind: kindAny}}
		if typed := c.fieldAt(path); typed != nil && (typed.kind == kindDate || typed.kind == kindID) {
			f = typed
		}
	}
	conditions, ok := v.(map[string]any)
	if !ok {
		return f.castOperand(v)
	}
	plain := f.kind == kindObject || f.kind == kindAny && c.open && c.byName[path] == nil && !strings.Contains(path, ".")
	if plain && !hasOperator(conditions) {
		return conditions, nil
	}
	out := make(map[string]any, len(conditions))
	for _, op := range sortedKeys(conditions) {
		if err := f.allows(op); err != nil {
			return nil, err
		}
		var err error
		if out[op], err = f.castFor(op, conditions[op]); err != nil {
			return nil, err
		}
	}
	return f.withoutText(out), nil
}

func hasOperator(m map[string]any) bool {
	for key := range m {
		if strings.HasPrefix(key, "$") {
			return true
		}
	}
	return false
}

// allows refuses an operator that the field's kind does not know.
func (f *field) allows(op string) error {
	switch {
	case op == "$nearSphere" || op == "$geoWithin" || op == "$geoIntersects" || op == "$near":
		return leftOut(omitGeo, op)
	case !slices.Contains(fieldOperators, op):
		return refuse("Unsupported operator: " + op)
	case f.kind == kindAny:
		return nil
	}
	known := !slices.Contains(onlyForArray, op)
	switch f.kind {
	case kindArray:
		known = !slices.Contains(notForArray, op)
	case kindObject:
		known = op == "$exists"
	}
	if !known {
		return refuse("Unsupported operator: " + op + " for " + f.kind + " field")
	}
	return nil
}
