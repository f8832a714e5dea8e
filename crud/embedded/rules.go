package embedded

import (
	"fmt"
	"regexp"
	"strings"

	"user-manager/crud/document"
)

// rules are what a schema asks of a value beside its type.
type rules struct {
	enum    []any // nil: any
	pattern *regexp.Regexp
	format  string // date-time, date, or none
}

// newRules makes the rules, or nil where there are none. Formats that it does not know
// are not checked.
func newRules(enum []any, pattern, format string) (*rules, error) {
	r := &rules{enum: enum}
	if format == "date-time" || format == "date" {
		r.format = format
	}
	if pattern != "" {
		var err error
		if r.pattern, err = regexp.Compile(pattern); err != nil {
			return nil, fmt.Errorf("the pattern is invalid or not expressible in RE2: %w", err)
		}
	}
	if r.enum == nil && r.pattern == nil && r.format == "" {
		return nil, nil
	}
	return r, nil
}

// check says what is wrong with a value of the right type.
func (r *rules) check(v any, path string) *fault {
	text, isText := v.(string)
	switch {
	case isText && r.pattern != nil && !r.pattern.MatchString(text):
		return invalid(path, `must match pattern "`+r.pattern.String()+`"`)
	case isText && r.format != "" && !hasFormat(text, r.format):
		return invalid(path, `must match format "`+r.format+`"`)
	case r.enum != nil && !oneOf(v, r.enum):
		return invalid(path, mustBeAllowed)
	}
	return nil
}

// hasFormat reports whether a text is a date, or a date with a time.
func hasFormat(text, format string) bool {
	if !isDate(text) || strings.Contains(text, "T") != (format == "date-time") {
		return false
	}
	_, exists := parseDate(text)
	return exists
}

func oneOf(v any, allowed []any) bool {
	for _, a := range allowed {
		if document.Equal(v, a) {
			return true
		}
	}
	return false
}
