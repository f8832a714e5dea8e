package embedded

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"user-manager/crud/document"
)

// accepts says which parameters a route knows beside _q and filters on fields.
type accepts struct {
	id         bool // _id
	states     bool // _st
	projection bool // _p, _rawp
	page       bool // _l, _sk, _s
	maxLimit   int  // of _l; 0: none
	limit      int  // without _l; 0: none
	estimate   bool // _useEstimate
	options    bool // _exportOpts
	below      bool // filters below objects without a schema
}

// params is a query string, read but for _q and _rawp.
type params struct {
	names   []string // in order
	values  map[string][]string
	filters []document.Filter
	wrong   *fault // of a date: reported after all others
	view    view
}

const (
	statePattern = `(PUBLIC|DRAFT|TRASH|DELETED)(,(PUBLIC|DRAFT|TRASH|DELETED))*`
	querystring  = "querystring"
)

// splitQuery reads a query string; an escape that is none stays as it is.
func splitQuery(raw string) *params {
	p := &params{values: map[string][]string{}}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name = unescape(name); name == "" {
			continue
		}
		if _, again := p.values[name]; !again {
			p.names = append(p.names, name)
		}
		p.values[name] = append(p.values[name], unescape(value))
	}
	return p
}

func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// params checks the query string against what the route accepts, and reads all of it
// but _q and _rawp.
func (c *call) params(a accepts) (*params, *fault) {
	p := splitQuery(c.r.URL.RawQuery)
	for _, name := range p.names {
		if !c.accepts(a, name) {
			return nil, undefined(querystring, name)
		}
	}
	for _, name := range c.inOrder(p.names) {
		if wrong := c.addFilter(p, name); wrong != nil {
			return nil, wrong
		}
	}
	for _, name := range []string{"_q", "_p", "_st", "_rawp"} {
		if len(p.values[name]) > 1 {
			return nil, invalid(querystring+"/"+name, "must be string")
		}
		if st, given := p.values["_st"]; name == "_st" && given && !isStatePattern(st[0]) {
			return nil, invalid(querystring+"/_st", `must match pattern "`+statePattern+`"`)
		}
	}
	if wrong := c.readPage(p, a); wrong != nil {
		return nil, wrong
	}
	if a.states {
		p.filters = append(p.filters, stateFilter(p.values["_st"]))
	}
	return p, p.wrong
}

func isStatePattern(text string) bool {
	return slices.ContainsFunc(states, func(state string) bool { return strings.Contains(text, state) })
}

// stateFilter is what _st asks for; no _st asks for PUBLIC.
func stateFilter(values []string) document.Filter {
	if len(values) == 0 {
		return document.Equals("__STATE__", "PUBLIC")
	}
	var wanted []any
	for word := range strings.SplitSeq(values[0], ",") {
		if slices.Contains(states, word) && !slices.Contains(wanted, any(word)) {
			wanted = append(wanted, word)
		}
	}
	switch len(wanted) {
	case len(states):
		return document.Filter{}
	case 1:
		return document.Equals("__STATE__", wanted[0])
	}
	return document.OneOf("__STATE__", wanted...)
}

func (c *call) accepts(a accepts, name string) bool {
	switch name {
	case "_q":
		return true
	case "_id":
		return a.id
	case "_st":
		return a.states
	case "_p":
		return a.projection
	case "_rawp":
		return a.projection || a.states // and then it is an unknown field
	case "_l", "_sk", "_s":
		return a.page
	case "_useEstimate":
		return a.estimate
	case "_exportOpts":
		return a.options
	case "__STATE__":
		return false
	}
	if c.filterable(name) {
		return true
	}
	return a.below && strings.Contains(name, ".") && c.isFree(name)
}

// filterable reports whether a parameter may filter by the path: a field with a type,
// also below an object with a schema, or a further field of an open collection.
func (c *call) filterable(path string) bool {
	if f := c.fieldAt(path); f != nil {
		for f.kind == kindArray {
			f = f.items
		}
		return f.kind != kindObject && f.kind != kindGeo && f.kind != kindAny
	}
	top, _, _ := strings.Cut(path, ".")
	return c.open && c.byName[top] == nil && path[0] != '_' && !strings.ContainsAny(path, "$[]")
}

// inOrder gives the names of filters in the order in which they are checked.
func (c *call) inOrder(names []string) []string {
	var filters []string
	for _, name := range names {
		if name == "_id" || name[0] != '_' || c.byName[name] != nil {
			filters = append(filters, name)
		}
	}
	place := func(name string) int {
		top, _, _ := strings.Cut(name, ".")
		i := slices.IndexFunc(c.fields, func(f *field) bool { return f.name == top })
		if i < 0 {
			return len(c.fields)
		}
		return i
	}
	slices.SortStableFunc(filters, func(a, b string) int { return place(a) - place(b) })
	return filters
}

// addFilter adds the filter of one parameter.
func (c *call) addFilter(p *params, name string) *fault {
	texts := p.values[name]
	values := make([]any, len(texts))
	for i, text := range texts {
		values[i] = text
	}
	f, wrong := c.paramFilter(name, values)
	if wrong != nil {
		if wrong.code != "" {
			return wrong
		}
		p.wrong = wrong
		return nil
	}
	p.filters = append(p.filters, f)
	return nil
}

func (c *call) paramFilter(name string, values []any) (document.Filter, *fault) {
	at := querystring + "/" + name
	f := c.fieldAt(name)
	switch {
	case f == nil && len(values) > 1:
		return document.Filter{}, invalid(at, "must be string")
	case f == nil:
		return textFilter(name, values[0].(string)), nil
	case f.kind == kindArray:
		return arrayFilter(f, name, at, values)
	case len(values) > 1:
		return document.Filter{}, invalid(at, "must be "+f.typeName())
	}
	one := *f
	one.nullable = false
	return equality(&one, name, values[0], at)
}

// equality is the filter for a value of a field, coerced and cast.
func equality(f *field, path string, value any, at string) (document.Filter, *fault) {
	v, wrong := f.coerce(value, at)
	if wrong == nil {
		v, wrong = f.cast(v)
	}
	if wrong != nil {
		return document.Filter{}, wrong
	}
	return document.Equals(path, v), nil
}

// arrayFilter asks for an item, or with several values for exactly that array.
func arrayFilter(f *field, path, at string, values []any) (document.Filter, *fault) {
	items := make([]any, len(values))
	for i, v := range values {
		item, wrong := f.items.coerce(v, at)
		if wrong != nil {
			return document.Filter{}, invalid(at, "must be array,"+f.items.typeName())
		}
		if items[i], wrong = f.items.cast(item); wrong != nil {
			return document.Filter{}, wrong
		}
	}
	if len(items) == 1 {
		return document.Equals(path, items[0]), nil
	}
	return document.Equals(path, items), nil
}

// textFilter asks for the text, or for the number, boolean or null that it reads as:
// nothing is known of the field's type.
func textFilter(path, text string) document.Filter {
	switch v, err := document.Parse(text); {
	case err != nil:
	default:
		switch v.(type) {
		case float64, bool:
			return document.OneOf(path, text, v)
		}
	}
	return document.Equals(path, text)
}

// readPage reads _l, _sk and _s.
func (c *call) readPage(p *params, a accepts) *fault {
	p.view.limit = a.limit
	var wrong *fault
	if p.view.limit, wrong = p.whole("_l", a.limit, 1, a.maxLimit); wrong != nil {
		return wrong
	}
	if p.view.skip, wrong = p.whole("_sk", 0, 0, 0); wrong != nil {
		return wrong
	}
	sort, given := p.values["_s"]
	if !given {
		return nil
	}
	if n := strings.Count(strings.Join(sort, ","), ",") + 1; n > maxSortKeys {
		return refuse("_s must not name more than " + strconv.Itoa(maxSortKeys) + " paths")
	}
	for _, text := range sort {
		if !c.sortable(text) {
			at := querystring + "/_s"
			return invalid(at, `must match pattern "`+c.sortBy+`"`, problem{at, "must be array"}, problem{at, mustMatchAny})
		}
	}
	p.view.sort = document.ParseSort(strings.Join(sort, ","))
	return nil
}

// sortable reports whether a text of _s names known fields, or paths below them.
func (c *call) sortable(text string) bool {
	for word := range strings.SplitSeq(text, ",") {
		path := strings.TrimPrefix(word, "-")
		top, rest, below := strings.Cut(path, ".")
		known := c.byName[top] != nil || c.open && top != "" && !strings.ContainsAny(top[:1], "$+- ")
		if !known || below && slices.Contains(strings.Split(rest, "."), "") {
			return false
		}
	}
	return true
}

// whole reads a parameter that is a whole number from low to high (0: no end).
func (p *params) whole(name string, fallback, low, high int) (int, *fault) {
	values, given := p.values[name]
	if !given {
		return fallback, nil
	}
	at := querystring + "/" + name
	n, ok := toNumber(values[0])
	switch {
	case len(values) > 1 || !ok || n != float64(int64(n)):
		return 0, invalid(at, "must be integer")
	case n < float64(low):
		return 0, invalid(at, "must be >= "+strconv.Itoa(low))
	case high > 0 && n > float64(high):
		return 0, invalid(at, "must be <= "+strconv.Itoa(high))
	}
	return int(min(n, 1<<53)), nil
}
