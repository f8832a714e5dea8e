package rondtest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A matcher compares answers with recorded ones, in which placeholders stand for values that a
// service makes up. It remembers what those with a name stand for.
type matcher struct {
	known map[string]string // by placeholder
	found []string
}

func newMatcher() *matcher { return &matcher{known: map[string]string{}} }

func (m *matcher) clone() *matcher { return &matcher{known: maps.Clone(m.known)} }

// translate puts known values in place of their placeholders.
func (m *matcher) translate(text string) string {
	for placeholder, value := range m.known {
		text = strings.ReplaceAll(text, placeholder, value)
	}
	return text
}

func (m *matcher) differ(format string, args ...any) {
	m.found = append(m.found, fmt.Sprintf(format, args...))
}

// differences says where an answer differs from the recorded one. Names in capture are learned
// from it.
func (m *matcher) differences(x exchange, capture map[string]string, got answer) []string {
	m.found = nil
	if got.status != x.Response.Status {
		m.differ("status: want %d, got %d", x.Response.Status, got.status)
	}
	if got.contentType != x.Response.ContentType {
		m.differ("content type: want %q, got %q", x.Response.ContentType, got.contentType)
	}
	var value any
	switch want := x.Response.Body.(type) {
	case nil:
		if len(got.body) > 0 {
			m.differ("body: want none")
		}
		return m.found
	case string:
		if want == "{{any}}" {
			return m.found
		}
		value = string(got.body)
	default:
		if json.Unmarshal(got.body, &value) != nil {
			m.differ("body: want JSON")
			return m.found
		}
	}
	for name, at := range capture {
		m.learn("{{"+name+"}}", strings.TrimPrefix(at, "$."), value)
	}
	if !m.same(x.Response.Body, value) {
		m.differ("body: want %v", x.Response.Body)
	}
	return m.found
}

// learn takes a placeholder for what stands at a place, which is an id of its own.
func (m *matcher) learn(placeholder, at string, in any) {
	object, _ := in.(map[string]any)
	id, _ := object[at].(string)
	taken := slices.Contains(slices.Collect(maps.Values(m.known)), id)
	if taken || !shapes["{{any:uuid}}"].MatchString(id) && !shapes["{{any:objectId}}"].MatchString(id) {
		m.differ("%s: want a new id, got %q", at, id)
	}
	m.known[placeholder] = id
}

var shapes = map[string]*regexp.Regexp{
	"{{any:uuid}}":     regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`),
	"{{any:objectId}}": regexp.MustCompile(`^[0-9a-f]{24}$`),
	"{{any:date}}":     regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`),
}

// same reports whether a value is as recorded.
func (m *matcher) same(want, got any) bool {
	switch want := want.(type) {
	case string:
		text, isText := got.(string)
		if shape := shapes[want]; shape != nil {
			return isText && shape.MatchString(text)
		}
		return isText && m.translate(want) == text
	case []any:
		items, isList := got.([]any)
		return isList && m.sameItems(want, items)
	case map[string]any:
		object, isObject := got.(map[string]any)
		return isObject && maps.EqualFunc(want, object, m.same)
	}
	return want == got
}

// sameItems compares lists. The order counts in those of texts, not in those of documents.
func (m *matcher) sameItems(want, got []any) bool {
	if len(want) == 0 || len(want) != len(got) {
		return len(want) == len(got)
	}
	if _, documents := want[0].(map[string]any); !documents {
		return slices.EqualFunc(want, got, m.same)
	}
	rest := slices.Clone(got)
	for _, item := range want {
		at := slices.IndexFunc(rest, func(other any) bool { return m.same(item, other) })
		if at < 0 {
			return false
		}
		rest = slices.Delete(rest, at, at+1)
	}
	return true
}

// mutants are an answer with one mistake each, by the mistake.
func mutants(x exchange, fits answer) map[string]answer {
	all := map[string]answer{
		"another status":       {fits.status + 1, fits.contentType, fits.body},
		"another content type": {fits.status, fits.contentType + "x", fits.body},
	}
	if x.Response.Body == "{{any}}" {
		return all
	}
	all["more in the body"] = answer{fits.status, fits.contentType, append(slices.Clone(fits.body), 'x')}
	var value any
	if len(fits.body) > 8<<10 || json.Unmarshal(fits.body, &value) != nil { // hundreds of places in one answer
		return all
	}
	for mistake, wrong := range variants("", value) {
		text, err := json.Marshal(wrong)
		if err != nil {
			panic(err) // it came out of JSON
		}
		all[mistake] = answer{fits.status, fits.contentType, text}
	}
	return all
}

// variants are JSON values that differ from v in one place each, by the difference.
func variants(at string, v any) map[string]any {
	all := map[string]any{}
	switch v := v.(type) {
	case map[string]any:
		all[at+"/more added"] = with(v, "more", true)
		for key, value := range v {
			less := maps.Clone(v)
			delete(less, key)
			all[at+"/"+key+" left out"] = less
			for mistake, wrong := range variants(at+"/"+key, value) {
				all[mistake] = with(v, key, wrong)
			}
		}
	case []any:
		all[at+" longer"] = append(slices.Clone(v), "more")
		for i, value := range v {
			for mistake, wrong := range variants(fmt.Sprint(at, "/", i), value) {
				changed := slices.Clone(v)
				changed[i] = wrong
				all[mistake] = changed
			}
		}
	case string:
		all[at+" another text"] = v + "x"
	case float64:
		all[at+" another number"] = v + 1
	case bool:
		all[at+" the contrary"] = !v
	}
	return all
}

func with(object map[string]any, key string, value any) map[string]any {
	object = maps.Clone(object)
	object[key] = value
	return object
}
