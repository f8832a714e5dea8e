package document

import "strings"

// Projection says which parts of a document an answer holds. The zero value keeps
// everything. It may be applied by several goroutines at once.
type Projection struct {
	tree    *branch
	exclude bool
	noID    bool
}

// branch is a tree of paths; a leaf has no children.
type branch struct {
	children map[string]*branch
}

func (b *branch) add(path string) {
	node := b
	for part := range strings.SplitSeq(path, ".") {
		next, ok := node.children[part]
		switch {
		case !ok:
			next = &branch{}
			if node.children == nil {
				node.children = map[string]*branch{}
			}
			node.children[part] = next
		case next.children == nil:
			return // the whole of it is there already
		}
		node = next
	}
	node.children = nil
}

// Include keeps the paths, and _id unless withoutID.
func Include(paths []string, withoutID bool) Projection {
	tree := &branch{children: map[string]*branch{}}
	for _, path := range paths {
		tree.add(path)
	}
	if !withoutID {
		tree.children["_id"] = &branch{}
	}
	return Projection{tree: tree, noID: withoutID}
}

// Exclude keeps everything but the paths, and _id unless withoutID.
func Exclude(paths []string, withoutID bool) Projection {
	p := Include(paths, true)
	if withoutID {
		p.tree.add("_id")
	}
	p.exclude, p.noID = true, withoutID
	return p
}

// All reports whether the projection keeps everything.
func (p Projection) All() bool { return p.tree == nil }

// Apply returns the part of the document that the projection keeps. The result may
// share values with the document.
func (p Projection) Apply(doc Document) Document {
	switch {
	case p.tree == nil:
		return doc
	case p.exclude:
		return without(doc, p.tree).(Document)
	}
	return only(doc, p.tree)
}

// Keeps reports whether a field of the top is kept whole, and whether a part of it is.
func (p Projection) Keeps(field string) (whole, part bool) {
	if p.tree == nil {
		return true, false
	}
	node, named := p.tree.children[field]
	if p.exclude {
		return !named, named && node.children != nil
	}
	return named && node.children == nil, named && node.children != nil
}

// Whole reports whether the projection keeps or drops fields of the top only, so that
// [Projection.Keeps] says all there is to say.
func (p Projection) Whole() bool {
	if p.tree == nil {
		return true
	}
	for _, next := range p.tree.children {
		if next.children != nil {
			return false
		}
	}
	return true
}

func only(doc Document, b *branch) Document {
	out := Document{}
	for name, next := range b.children {
		if v, ok := doc[name]; ok {
			if part, ok := onlyOf(v, next); ok {
				out[name] = part
			}
		}
	}
	return out
}

// onlyOf is the part of a value; a scalar where a path goes deeper has none.
func onlyOf(v any, b *branch) (any, bool) {
	if b.children == nil {
		return v, true
	}
	switch v := v.(type) {
	case map[string]any:
		return only(v, b), true
	case []any:
		out := []any{}
		for _, item := range v {
			if part, ok := onlyOf(item, b); ok {
				out = append(out, part)
			}
		}
		return out, true
	}
	return nil, false
}

func without(v any, b *branch) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, item := range v {
			next, named := b.children[name]
			switch {
			case !named:
				out[name] = item
			case next.children != nil:
				out[name] = without(item, next)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = without(item, b)
		}
		return out
	}
	return v
}
