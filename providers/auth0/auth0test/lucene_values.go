package auth0test

import (
	"strings"
)

// value reads a value of field: a word, words in quotes, or a range.
func (p *luceneParser) value(field string) (query, error) {
	path := strings.Split(field, ".")
	switch next := p.peek(); next {
	case `"`:
		text, err := p.quoted()
		return term{path: path, value: text}, err
	case "[", "{":
		if path[0] == "user_metadata" {
			return nil, errQuery
		}
		return p.span(path)
	case "", "(", ")", "]", "}", ":", "AND", "OR":
		return nil, errQuery
	}
	return p.word(path)
}

// word reads a word, in which a * at the end stands for anything.
func (p *luceneParser) word(path []string) (query, error) {
	word := p.next()
	for strings.HasPrefix(p.rest, ":") { // as in a time
		word += ":" + p.afterColon()
	}
	word = keepStars(word)
	if !strings.Contains(word, "*") {
		return term{path: path, value: unescape(word)}, nil
	}
	head, isPrefix := strings.CutSuffix(word, "*")
	switch {
	case path[0] == "user_metadata":
		return nil, errQuery
	case isPrefix && head == "":
		return exists{path}, nil
	case isPrefix && !strings.Contains(head, "*"):
		return term{path: path, value: unescape(head), prefix: true}, nil
	case strings.HasPrefix(word, "*") && len(strings.Trim(word, "*")) >= 3 && !strings.Contains(strings.Trim(word, "*"), "*"):
		return containing{path, unescape(strings.Trim(word, "*")), !isPrefix}, nil
	}
	return nil, errQuery
}

// literalStar is a * that stands for itself, as long as a word is looked at.
const literalStar = "\ue000"

// keepStars puts literalStar for each * after a backslash.
func keepStars(word string) string {
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		switch {
		case strings.HasPrefix(word[i:], `\*`):
			b.WriteString(literalStar)
			i++
		case word[i] == '\\' && i+1 < len(word):
			b.WriteString(word[i : i+2])
			i++
		default:
			b.WriteByte(word[i])
		}
	}
	return b.String()
}

// containing is field:*value or field:*value*.
type containing struct {
	path  []string
	value string
	atEnd bool
}

func (q containing) matches(doc map[string]any) bool {
	return matching(doc, q.path, q.value, func(text, wanted string) bool {
		return strings.HasSuffix(text, wanted) || !q.atEnd && strings.Contains(text, wanted)
	})
}

func (p *luceneParser) afterColon() string {
	p.rest = p.rest[1:]
	if p.rest == "" || strings.ContainsRune(special+" ", rune(p.rest[0])) {
		return ""
	}
	return p.next()
}

// quoted reads words in quotes, where a backslash takes the next sign as it is.
func (p *luceneParser) quoted() (string, error) {
	p.next()
	for i := 0; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '\\':
			i++
		case '"':
			text := p.rest[:i]
			p.rest = p.rest[i+1:]
			return unescape(text), nil
		}
	}
	return "", errQuery
}

// span reads a range.
func (p *luceneParser) span(path []string) (query, error) {
	q := span{path: path, openLow: p.next() == "{"}
	var err error
	if q.low, err = p.end(); err != nil {
		return nil, err
	}
	if !p.accept("TO") {
		return nil, errQuery
	}
	if q.high, err = p.end(); err != nil {
		return nil, err
	}
	switch p.next() {
	case "]":
	case "}":
		q.openHigh = true
	default:
		return nil, errQuery
	}
	return q, nil
}

// end reads one end of a range.
func (p *luceneParser) end() (string, error) {
	if p.peek() == `"` {
		return p.quoted()
	}
	word := p.next()
	for strings.HasPrefix(p.rest, ":") {
		word += ":" + p.afterColon()
	}
	if word == "" || strings.ContainsAny(word, "()[]{}") {
		return "", errQuery
	}
	return unescape(word), nil
}

// unescape takes the backslashes out.
func unescape(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b.WriteByte(text[i])
	}
	return strings.ReplaceAll(b.String(), literalStar, "*")
}
