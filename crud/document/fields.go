package document

import (
	"slices"
	"strings"
)

// EachField calls yield with the name and the text of each field of an object, until
// yield returns false. The text must be an object that [AppendJSON] or a [Raw] wrote:
// it is not checked, which makes this many times faster than [Parse].
func EachField(text string, yield func(name, value string) bool) {
	for i := 1; i < len(text) && text[i] == '"'; {
		end := skipText(text, i)
		name := text[i+1 : end-1]
		if strings.IndexByte(name, '\\') >= 0 {
			p := parser{text: text, pos: i}
			name, _ = p.quoted()
		}
		start := end + 1 // behind the colon
		i = skipValue(text, start)
		if !yield(name, text[start:i]) {
			return
		}
		i++ // behind the comma
	}
}

// skipText gives the position behind a text that begins at i.
func skipText(text string, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// skipValue gives the position of the comma or brace behind a value that begins at i.
func skipValue(text string, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			i = skipText(text, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// Pick reads only the named fields of a text as [EachField] takes it.
func Pick(text string, names []string) (Document, error) {
	doc := make(Document, len(names))
	var bad error
	EachField(text, func(name, value string) bool {
		if !slices.Contains(names, name) {
			return true
		}
		doc[name], bad = Parse(value)
		return bad == nil && len(doc) < len(names)
	})
	return doc, bad
}

// Fields are the fields of the top that the filter looks at, each once.
func (f Filter) Fields() []string {
	var names []string
	f.addFields(&names)
	return names
}

func (f *Filter) addFields(names *[]string) {
	if f.Path == "" {
		for i := range f.Terms {
			f.Terms[i].addFields(names)
		}
		return
	}
	*names = addTop(*names, f.Path)
}

// addTop adds the first part of a path.
func addTop(names []string, path string) []string {
	top, _, _ := strings.Cut(path, ".")
	if slices.Contains(names, top) {
		return names
	}
	return append(names, top)
}

// SortFields are the fields of the top that an order looks at, each once.
func SortFields(keys []SortKey) []string {
	var names []string
	for _, key := range keys {
		names = addTop(names, key.Path)
	}
	return names
}
