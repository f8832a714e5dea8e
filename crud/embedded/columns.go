package embedded

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"user-manager/crud/document"
)

// projection is what _p, _rawp and acl_read_columns leave of a document.
func (c *call) projection(p *params) (document.Projection, error) {
	acl := splitColumns(c.r.Header, "acl_read_columns", true)
	names, raw := p.first("_p"), p.first("_rawp")
	if names != "" && raw != "" {
		return document.Projection{}, refuse("Use of both _rawp and _p parameter is not allowed")
	}
	if raw != "" {
		return c.rawProjection(raw, acl)
	}
	if names == "" && acl == nil {
		return document.Projection{}, nil
	}
	columns := c.columnNames(names, acl)
	if names != "" {
		p.view.columns = columns
	}
	return document.Include(columns, false), nil
}

// columnNames are the known paths of _p that the columns of the ACL let through.
func (c *call) columnNames(names string, acl []string) []string {
	wanted := acl
	if names != "" {
		wanted = nil
		for word := range strings.SplitSeq(names, ",") {
			if word = strings.TrimSpace(word); word != "" && (acl == nil || slices.Contains(acl, word)) {
				wanted = append(wanted, word)
			}
		}
	}
	known := []string{}
	for _, name := range wanted {
		if c.knows(name) && (acl == nil || !strings.Contains(name, ".")) {
			known = append(known, name)
		}
	}
	return known
}

// rawOperators are those that may occur in _rawp. Those that compute values are known
// to the real service alone.
var rawOperators = strings.Fields(`$eq $gt $gte $in $lt $lte $ne $nin $and $not $nor $or $exists $type $cond
	$regexMatch $mod $all $elemMatch $size $filter $reduce $concatArrays $first $map $dateToString`)

var dollarWord = regexp.MustCompile(`\$[$\w.]+`)

// rawProjection reads _rawp: all inclusion or all exclusion.
func (c *call) rawProjection(text string, acl []string) (document.Projection, error) {
	text, err := c.encoded(text)
	if err != nil {
		return document.Projection{}, err
	}
	for _, word := range dollarWord.FindAllString(text, -1) {
		if !slices.Contains(rawOperators, word) && (word[1] == '$' || !c.knows(word[1:])) {
			return document.Projection{}, refuse("Operator " + word + " is not allowed in raw projection")
		}
	}
	v, err := parseQueryText(text)
	if err != nil {
		return document.Projection{}, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return document.Projection{}, refuse("_rawp must be an object")
	}
	include, exclude, withoutID, err := readRawProjection(object)
	if err != nil {
		return document.Projection{}, err
	}
	return joinRawProjection(include, exclude, withoutID, acl)
}

func readRawProjection(object map[string]any) (include, exclude []string, withoutID bool, err error) {
	for _, path := range sortedKeys(object) {
		switch v := object[path].(type) {
		case nil:
		case bool, float64:
			keep := v != false && v != 0.0
			switch {
			case path == "_id" && !keep:
				withoutID = true
			case keep:
				include = append(include, path)
			default:
				exclude = append(exclude, path)
			}
		default:
			return nil, nil, false, leftOut(omitRaw, path)
		}
	}
	if include != nil && exclude != nil {
		return nil, nil, false, refuse("_rawp must be all inclusion or all exclusion")
	}
	return include, exclude, withoutID, nil
}

func joinRawProjection(include, exclude []string, withoutID bool, acl []string) (document.Projection, error) {
	excluding := exclude != nil || include == nil && withoutID
	switch {
	case excluding && acl == nil:
		return document.Exclude(exclude, withoutID), nil
	case excluding:
		if slices.ContainsFunc(exclude, func(path string) bool { return slices.Contains(acl, path) }) {
			return document.Projection{}, refuse("_rawp exclusive projection is overriding at least one acl_read_column value")
		}
		return document.Include(acl, withoutID), nil
	case acl != nil:
		include = slices.DeleteFunc(include, func(path string) bool { return !slices.Contains(acl, path) })
	}
	return document.Include(include, withoutID), nil
}

// appendWhole writes the fields of a stored text that a projection keeps, where it
// keeps none in part: then nothing has to be decoded.
func appendWhole(dst []byte, text string, p document.Projection) []byte {
	dst = append(dst, '{')
	start := len(dst)
	document.EachField(text, func(name, value string) bool {
		if whole, _ := p.Keeps(name); whole {
			if len(dst) > start {
				dst = append(dst, ',')
			}
			dst = append(document.AppendJSON(dst, name), ':')
			dst = append(dst, value...)
		}
		return true
	})
	return append(dst, '}')
}

// appendProjected writes the part of a document that a projection keeps, its fields
// in the order of the collection.
func (c *collection) appendProjected(dst []byte, doc document.Document, raw document.Raw, p document.Projection) []byte {
	part := p.Apply(doc)
	dst = append(dst, '{')
	start := len(dst)
	field := func(name string) {
		v, ok := part[name]
		if !ok {
			return
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(document.AppendJSON(dst, name), ':')
		if whole, _ := p.Keeps(name); whole && raw[name] != "" {
			dst = append(dst, raw[name]...)
			return
		}
		dst = document.AppendJSON(dst, v)
	}
	known := 0
	for _, f := range c.fields {
		if _, ok := part[f.name]; ok {
			field(f.name)
			known++
		}
	}
	if known < len(part) {
		for _, name := range sortedKeys(part) {
			if c.byName[name] == nil {
				field(name)
			}
		}
	}
	return append(dst, '}')
}

// splitColumns reads a header of column names; an empty one is no limit.
func splitColumns(h http.Header, name string, trim bool) []string {
	var names []string
	for word := range strings.SplitSeq(h.Get(name), ",") {
		if trim {
			word = strings.TrimSpace(word)
		}
		if word != "" {
			names = append(names, word)
		}
	}
	return names
}
