package document

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may be nested in a text that [Parse] reads.
const MaxDepth = 200

// ErrForbiddenKey says that an object has a key that JavaScript services refuse:
// __proto__, or prototype below constructor.
var ErrForbiddenKey = errors.New("Object contains forbidden prototype property") //lint:ignore ST1005 the wording is the contract's

// Raw is the text of each field of one object, as it was read.
type Raw map[string]string

// Parse reads one JSON value and nothing after it. Of a key given twice the last
// counts. Bytes that are not UTF-8 become U+FFFD.
func Parse(text string) (any, error) {
	p := parser{text: text, rawDepth: -1}
	return p.document()
}

// ParseRaw is [Parse], and also gives the texts of the fields of each object at the
// given depth (0: the value itself, 1: the items of an array), in order. A field
// that holds a key twice has none.
func ParseRaw(text string, depth int) (any, []Raw, error) {
	p := parser{text: text, rawDepth: depth}
	v, err := p.document()
	return v, p.raws, err
}

// parser reads text from pos on.
type parser struct {
	text     string
	pos      int
	rawDepth int
	raws     []Raw
	repeated int // keys given twice so far
}

func (p *parser) document() (any, error) {
	v, err := p.value(0, "")
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos < len(p.text) {
		return nil, p.fail("unexpected character after the JSON value")
	}
	return v, nil
}

func (p *parser) fail(what string) error {
	if p.pos >= len(p.text) {
		return errors.New("unexpected end of JSON input")
	}
	return fmt.Errorf("%s at position %d", what, p.pos)
}

func (p *parser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// take consumes c if it is next.
func (p *parser) take(c byte) bool {
	if p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// value reads a value; under is the key it stands under.
func (p *parser) value(depth int, under string) (any, error) {
	p.space()
	if p.pos >= len(p.text) {
		return nil, p.fail("")
	}
	switch c := p.text[p.pos]; {
	case c == '{':
		return p.object(depth, under)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.quoted()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for word, v := range words {
		if strings.HasPrefix(p.text[p.pos:], word) {
			p.pos += len(word)
			return v, nil
		}
	}
	return nil, p.fail("unexpected character")
}

var words = map[string]any{"null": nil, "true": true, "false": false}

func (p *parser) array(depth int) (any, error) {
	if depth >= MaxDepth {
		return nil, errors.New("too many levels of arrays and objects")
	}
	p.pos++
	out := []any{}
	p.space()
	if p.take(']') {
		return out, nil
	}
	for {
		v, err := p.value(depth+1, "")
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		p.space()
		if p.take(']') {
			return out, nil
		}
		if !p.take(',') {
			return nil, p.fail("expected ',' or ']'")
		}
	}
}

func (p *parser) object(depth int, under string) (any, error) {
	if depth >= MaxDepth {
		return nil, errors.New("too many levels of arrays and objects")
	}
	p.pos++
	out := map[string]any{}
	var raw Raw
	if depth == p.rawDepth {
		raw = Raw{}
		p.raws = append(p.raws, raw)
	}
	p.space()
	if p.take('}') {
		return out, nil
	}
	for {
		if err := p.field(depth, under, out, raw); err != nil {
			return nil, err
		}
		p.space()
		if p.take('}') {
			return out, nil
		}
		if !p.take(',') {
			return nil, p.fail("expected ',' or '}'")
		}
	}
}

// field reads one key and its value into out and raw.
func (p *parser) field(depth int, under string, out map[string]any, raw Raw) error {
	p.space()
	if p.pos >= len(p.text) || p.text[p.pos] != '"' {
		return p.fail("expected a key in double quotes")
	}
	key, err := p.quoted()
	if err != nil {
		return err
	}
	if key == "__proto__" || key == "prototype" && under == "constructor" {
		return ErrForbiddenKey
	}
	p.space()
	if !p.take(':') {
		return p.fail("expected ':'")
	}
	p.space()
	start, repeated := p.pos, p.repeated
	v, err := p.value(depth+1, key)
	if err != nil {
		return err
	}
	if _, twice := out[key]; twice {
		p.repeated++
	}
	out[key] = v
	if raw != nil {
		raw[key] = p.text[start:p.pos]
		if p.repeated != repeated && v != nil {
			delete(raw, key)
		}
	}
	return nil
}

// number reads a number; one beyond the range of a float64 is an error.
func (p *parser) number() (any, error) {
	start := p.pos
	p.take('-')
	if !p.take('0') && p.digits() == 0 {
		return nil, p.fail("expected a digit")
	}
	if p.take('.') && p.digits() == 0 {
		return nil, p.fail("expected a digit")
	}
	if p.take('e') || p.take('E') {
		if !p.take('-') {
			p.take('+')
		}
		if p.digits() == 0 {
			return nil, p.fail("expected a digit")
		}
	}
	f, err := strconv.ParseFloat(p.text[start:p.pos], 64)
	if err != nil {
		p.pos = start
		return nil, p.fail("number out of range")
	}
	return f, nil
}

func (p *parser) digits() int {
	start := p.pos
	for p.pos < len(p.text) && p.text[p.pos] >= '0' && p.text[p.pos] <= '9' {
		p.pos++
	}
	return p.pos - start
}

// quoted reads a text. One without escapes is a part of the input, not a copy.
func (p *parser) quoted() (string, error) {
	p.pos++
	start := p.pos
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == '"':
			s := p.text[start:p.pos]
			p.pos++
			return valid(s), nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", p.fail("control character in a text")
		}
		p.pos++
	}
	return "", p.fail("")
}

// escaped goes on with a text at its first escape.
func (p *parser) escaped(start int) (string, error) {
	out := []byte(p.text[start:p.pos])
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == '"':
			p.pos++
			return valid(string(out)), nil
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		case c < 0x20:
			return "", p.fail("control character in a text")
		default:
			out = append(out, c)
			p.pos++
		}
	}
	return "", p.fail("")
}

// valid puts U+FFFD in place of each byte that is not UTF-8.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

const escapes = `"\/bfnrt`
const escapeRunes = "\"\\/\b\f\n\r\t"

func (p *parser) escape() (rune, error) {
	if p.pos+1 >= len(p.text) {
		p.pos = len(p.text)
		return 0, p.fail("")
	}
	if i := strings.IndexByte(escapes, p.text[p.pos+1]); i >= 0 {
		p.pos += 2
		return rune(escapeRunes[i]), nil
	}
	r, ok := p.unit()
	if !ok {
		return 0, p.fail("bad escape")
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	back := p.pos
	if low, ok := p.unit(); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, nil
		}
	}
	p.pos = back
	return utf8.RuneError, nil
}

// unit reads \uXXXX.
func (p *parser) unit() (rune, bool) {
	if p.pos+6 > len(p.text) || p.text[p.pos:p.pos+2] != `\u` {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.text[p.pos+2 : p.pos+6]) {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if c < '0' || c > '9' && c < 'A' || digit < 0 {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	p.pos += 6
	return r, true
}
