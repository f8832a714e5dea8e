package conform

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/kaptinlin/jsonschema"
)

// schema validates the bodies of one answer. It is not safe for concurrent use.
type schema struct {
	compiled *jsonschema.Schema
}

// compile takes a schema without references. Its formats are asserted.
func compile(node any) (*schema, error) {
	if node == nil {
		return nil, errors.New("the content has no schema")
	}
	text, err := json.Marshal(node)
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler().SetAssertFormat(true)
	for _, hint := range []string{"password", "binary"} { // OpenAPI's own, for pages
		compiler.RegisterFormat(hint, func(any) bool { return true })
	}
	compiled, err := compiler.Compile(text)
	if err != nil {
		return nil, err
	}
	return &schema{compiled: compiled}, nil
}

// check returns every reason why body is not as the schema says, each after its place as a JSON pointer.
func (s *schema) check(body []byte) error {
	if !json.Valid(body) {
		return errors.New("the body is not JSON")
	}
	result := s.compiled.ValidateJSON(body)
	if result.IsValid() {
		return nil
	}
	var instance any
	if err := json.Unmarshal(body, &instance); err != nil {
		return err
	}
	reasons := reasons(result, instance, "")
	slices.Sort(reasons)
	return errors.New("the body does not match: " + strings.Join(slices.Compact(reasons), "; "))
}

// checkText is check for a body that is a text of its own kind.
func (s *schema) checkText(body []byte) error {
	text, err := json.Marshal(string(body))
	if err != nil {
		return err
	}
	return s.check(text)
}

// summaries are the keywords whose errors only say that there are others further down.
var summaries = []string{
	"$ref", "allOf", "anyOf", "oneOf", "then", "else", "properties", "patternProperties", "additionalProperties",
	"propertyNames", "unevaluatedProperties", "items", "prefixItems", "unevaluatedItems",
}

// reasons collects what is wrong with instance, which is at place.
func reasons(result *jsonschema.EvaluationResult, instance any, place string) []string {
	var found []string
	for _, detail := range result.Details {
		child, there := at(instance, detail.InstanceLocation)
		if there && !detail.IsValid() { // a missing property is evaluated as if it were null: "required" says it better
			found = append(found, reasons(detail, child, place+detail.InstanceLocation)...)
		}
	}
	for keyword, err := range result.Errors {
		if !slices.Contains(summaries, keyword) {
			found = append(found, reason(place, err))
		}
	}
	if len(found) > 0 {
		return found
	}
	for _, err := range result.Errors {
		found = append(found, reason(place, err))
	}
	return found
}

func reason(place string, err *jsonschema.EvaluationError) string {
	if err.Code == "false_schema_mismatch" {
		return place + ": the description does not have this property"
	}
	return fmt.Sprintf("%s: %v", cmp.Or(place, "/"), err)
}

// at returns what is one step below instance, or instance itself for no step.
func at(instance any, step string) (any, bool) {
	key := strings.TrimPrefix(step, "/")
	switch instance := instance.(type) {
	case object:
		if step != "" {
			child, ok := instance[key]
			return child, ok
		}
	case []any:
		if i, err := strconv.Atoi(key); err == nil && i < len(instance) {
			return instance[i], true
		}
	}
	return instance, true
}

// sameStatus returns an error if the body of an error names another status than the answer has.
func sameStatus(status int, body []byte) error {
	var named struct {
		StatusCode *int `json:"statusCode"`
	}
	if status < http.StatusBadRequest || json.Unmarshal(body, &named) != nil || named.StatusCode == nil {
		return nil
	}
	if *named.StatusCode != status {
		return fmt.Errorf("the body does not match: /statusCode: is %d", *named.StatusCode)
	}
	return nil
}
