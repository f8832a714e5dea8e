package users

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/kaptinlin/jsonschema"

	"user-manager/crud"
)

// maxProblems bounds how many problems of a user are told at once.
const maxProblems = 10

// check refuses a user that does not match the group's schema. The message names the
// fields.
func (g *group) check(user crud.Document) error {
	found := g.problems(user)
	if len(found) == 0 {
		return nil
	}
	message := fmt.Sprintf("the user does not match the schema of group %q: %s", g.name, strings.Join(found, "; "))
	return &Refusal{ErrInvalid, message, found}
}

// problems says how the user does not match the group's schema, field by field and
// without the values.
func (g *group) problems(user crud.Document) []string {
	own := withoutOwn(user)
	result := g.validate(own)
	if result.IsValid() {
		return nil
	}
	var found []string
	collect(result, own, "", &found)
	sort.Strings(found)
	found = slices.Compact(found)
	if more := len(found) - maxProblems; more > 0 {
		found = append(found[:maxProblems], fmt.Sprintf("and %d more", more))
	}
	return found
}

func (g *group) validate(own map[string]any) *jsonschema.EvaluationResult {
	if g.hasPatterns {
		g.alone.Lock()
		defer g.alone.Unlock()
	}
	return g.schema.ValidateMap(own)
}

// hasPatterns reports whether a schema, or a part of it, may have one of the keywords pattern
// and patternProperties.
func hasPatterns(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for name, below := range value {
			if name == "pattern" || name == "patternProperties" || hasPatterns(below) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(value, hasPatterns)
	}
	return false
}

// collect appends to found what the leaves of result say, each with its field: what
// stands above a leaf only repeats that something below is wrong. Leaves of fields
// that value lacks are passed over: "required" speaks of them.
func collect(result *jsonschema.EvaluationResult, value any, above string, found *[]string) {
	path := above + strings.ReplaceAll(result.InstanceLocation, "/", ".")
	before := len(*found)
	for _, detail := range result.Details {
		if detail.IsValid() {
			continue
		}
		if below, ok := at(value, detail.InstanceLocation); ok {
			collect(detail, below, path, found)
		}
	}
	for _, keyword := range slices.Sorted(maps.Keys(result.Errors)) {
		if keyword == "required" || len(*found) == before && result.Errors["required"] == nil {
			*found = append(*found, problem(strings.TrimPrefix(path, "."), result.Errors[keyword]))
		}
	}
}

// at returns the part of value that location, "" or "/" and one name or index, is
// about.
func at(value any, location string) (any, bool) {
	if location == "" {
		return value, true
	}
	name := strings.NewReplacer("~1", "/", "~0", "~").Replace(location[1:])
	switch value := value.(type) {
	case map[string]any:
		below, ok := value[name]
		return below, ok
	case []any:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(value) {
			return value[i], true
		}
	}
	return nil, false
}

func problem(field string, err *jsonschema.EvaluationError) string {
	message := withoutValue(err).Error()
	if err.Keyword == "schema" {
		message = "is not declared by the schema"
	}
	if field == "" {
		return message
	}
	return field + ": " + message
}

// withoutValue returns the error with the word "Value" in the place of the value that
// is wrong.
func withoutValue(err *jsonschema.EvaluationError) *jsonschema.EvaluationError {
	masked := *err
	masked.Message = strings.NewReplacer("Value {received}", "Value", "{value}", "Value").Replace(err.Message)
	return &masked
}
