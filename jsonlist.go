package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"

	"user-manager/nesting"
	"user-manager/validation"
)

// A listBody is a JSON body with a list that may be long. It is read item by item while it
// arrives, so that its text is never held. It is for one goroutine.
type listBody struct {
	json   *json.Decoder
	name   string         // of the list's field
	kind   string         // what that has to be
	others map[string]any // where other fields go
	item   func(l *listBody, field string, i int) error
	wrong  error // the first thing that is wrong with what is JSON
}

// readList reads a body that is an object with a list in the field name, or the list itself
// where that may be. For each item it calls item, which takes it with [listBody.value]; a list
// that is there twice begins again with 0. A field that is neither name nor among others is
// refused. What is no JSON is a [requestError] of 400, and so is wrong, if it is JSON.
func readList(r *http.Request, l *listBody, bare bool) (wrong, err error) {
	if err := jsonMedia(r); err != nil {
		return nil, err
	}
	l.json = json.NewDecoder(transform.NewReader(&shallow{from: r.Body, most: levelsOf(r)}, encoding.UTF8Validator))
	l.json.DisallowUnknownFields()
	if err := l.read(bare); err != nil {
		return nil, bodyError(err)
	}
	switch _, err := l.json.Token(); {
	case errors.Is(err, io.EOF):
		return l.wrong, nil
	case err == nil || isSyntaxError(err):
		return nil, badRequest("body: something follows the JSON value")
	default:
		return nil, bodyError(err)
	}
}

func isSyntaxError(err error) bool {
	_, ok := errors.AsType[*json.SyntaxError](err)
	return ok
}

func (l *listBody) read(bare bool) error {
	first, err := l.json.Token()
	switch {
	case err != nil:
		return err
	case first == json.Delim('{'):
		return l.fields()
	case first == json.Delim('[') && bare:
		return l.items("")
	case first != nil:
		l.note(badRequest("body: must be an object, not %s", jsonKind(first)))
	}
	return l.skipRest(first)
}

// fields reads an object from its first field on.
func (l *listBody) fields() error {
	for l.json.More() {
		t, err := l.token()
		if err != nil {
			return err
		}
		key := t.(string) // or it were no JSON
		if err := l.field(key); err != nil {
			return err
		}
	}
	_, err := l.token()
	return err
}

func (l *listBody) field(key string) error {
	if strings.EqualFold(key, l.name) {
		return l.list()
	}
	for name, to := range l.others {
		if strings.EqualFold(key, name) {
			return l.value(name, to)
		}
	}
	l.note(badRequest("%s: is not a field of this request", key))
	return l.skip()
}

// list reads the value of the list's field.
func (l *listBody) list() error {
	first, err := l.token()
	switch {
	case err != nil:
		return err
	case first == json.Delim('['):
		return l.items(l.name)
	case first != nil:
		l.note(badRequest("%s: must be %s, not %s", l.name, l.kind, jsonKind(first)))
	}
	return l.skipRest(first)
}

func (l *listBody) items(field string) error {
	for i := 0; l.json.More(); i++ {
		if err := l.item(l, field, i); err != nil {
			return err
		}
	}
	_, err := l.token()
	return err
}

// value reads the next value, which is in a field, or in none. One of another type is noted.
func (l *listBody) value(field string, to any) error {
	err := l.json.Decode(to)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		wrong.Field = strings.Trim(field+"."+wrong.Field, ".")
		l.note(badRequest("%s", validation.WrongType(wrong)))
		return nil
	}
	if isUnknownField(err) {
		l.note(bodyError(err))
		return nil
	}
	return early(err)
}

// skip reads over the next value, skipRest over what is left of the one that begins with
// first.
func (l *listBody) skip() error {
	first, err := l.token()
	if err != nil {
		return err
	}
	return l.skipRest(first)
}

func (l *listBody) skipRest(first json.Token) error {
	for depth := step(first); depth > 0; {
		t, err := l.token()
		if err != nil {
			return err
		}
		depth += step(t)
	}
	return nil
}

// step is how much deeper a token leads.
func step(t json.Token) int {
	switch t {
	case json.Delim('['), json.Delim('{'):
		return 1
	case json.Delim(']'), json.Delim('}'):
		return -1
	}
	return 0
}

// token is the next one of a value that has begun.
func (l *listBody) token() (json.Token, error) {
	t, err := l.json.Token()
	return t, early(err)
}

// early makes the end of a body an unexpected one.
func early(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (l *listBody) note(wrong error) {
	if l.wrong == nil {
		l.wrong = wrong
	}
}

// jsonKind says in the words of JSON what begins with t.
func jsonKind(t json.Token) string {
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return "array"
		}
		return "object"
	case string:
		return "string"
	case bool:
		return "bool"
	}
	return "number"
}

// shallow is a JSON text that must not be nested deeper than it says.
type shallow struct {
	from  io.Reader
	most  int
	depth nesting.Scanner
}

// Read implements [io.Reader].
func (s *shallow) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if s.depth.Exceeds(p[:n], s.most) {
		return 0, tooDeep(s.most)
	}
	return n, err
}
