package auth0test

import (
	"net/http"
	"strings"
	"unicode"
)

// errQuery refuses what is no query.
var errQuery = refuse(http.StatusBadRequest, "invalid_query_string", "The query could not be parsed. Please check the query syntax.")

// parseLucene reads a query; its error is the refusal.
func parseLucene(text string) (query, error) {
	p := &luceneParser{rest: text}
	q, err := p.any("")
	if err == nil && p.peek() != "" {
		err = errQuery
	}
	return q, err
}

// A luceneParser reads a query from left to right.
type luceneParser struct{ rest string }

// special are the signs that end a word.
const special = `()[]{}":`

// peek returns the next sign or word as written, "" at the end.
func (p *luceneParser) peek() string {
	p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace)
	if p.rest == "" {
		return ""
	}
	if strings.ContainsRune(special, rune(p.rest[0])) {
		return p.rest[:1]
	}
	end := 0
	for end < len(p.rest) && !strings.ContainsRune(special+" \t\n\r", rune(p.rest[end])) {
		if p.rest[end] == '\\' {
			end++
		}
		end++
	}
	return p.rest[:min(end, len(p.rest))]
}

func (p *luceneParser) next() string {
	word := p.peek()
	p.rest = p.rest[len(word):]
	return word
}

// accept takes the next word if it is one of these.
func (p *luceneParser) accept(words ...string) bool {
	for _, word := range words {
		if p.peek() == word {
			p.next()
			return true
		}
	}
	return false
}

// any reads a disjunction. Within field, bare values are values of it.
func (p *luceneParser) any(field string) (query, error) {
	var parts []query
	for {
		part, err := p.all(field)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
		if next := p.peek(); !p.accept("OR", "||") && (next == "" || next == ")") {
			return disjunction(parts), nil
		}
	}
}

// all reads a conjunction.
func (p *luceneParser) all(field string) (query, error) {
	var parts allOf
	for {
		part, err := p.one(field)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
		if !p.accept("AND", "&&") {
			if next := p.peek(); next == "NOT" || next == "!" {
				continue // a AND NOT b, with the AND left out
			}
			break
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return parts, nil
}

// one reads a condition.
func (p *luceneParser) one(field string) (query, error) {
	switch next := p.peek(); {
	case next == "NOT" || next == "!":
		p.next()
		q, err := p.one(field)
		return not{q}, err
	case strings.HasPrefix(next, "-") && len(next) > 1:
		p.rest = p.rest[1:]
		q, err := p.one(field)
		return not{q}, err
	case next == "(":
		p.next()
		q, err := p.any(field)
		if err == nil && !p.accept(")") {
			err = errQuery
		}
		return q, err
	case field == "":
		return p.fielded()
	}
	return p.value(field)
}

// fielded reads field:value.
func (p *luceneParser) fielded() (query, error) {
	field := unescape(p.next())
	if field == "" || strings.ContainsAny(field, special) || !p.accept(":") {
		return nil, errQuery
	}
	if field == "_exists_" {
		wanted := unescape(p.next())
		if wanted == "" || strings.ContainsAny(wanted, special) {
			return nil, errQuery
		}
		return exists{strings.Split(wanted, ".")}, nil
	}
	if p.accept("(") {
		q, err := p.any(field)
		if err == nil && !p.accept(")") {
			err = errQuery
		}
		return q, err
	}
	return p.value(field)
}
