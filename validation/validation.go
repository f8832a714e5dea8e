// Package validation says what is wrong with the fields of a value, in words for the
// caller and by the names that the fields have in JSON.
package validation

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-playground/validator/v10"
)

var validate = newValidator()

func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string { return f.Tag.Get("json") })
	return v
}

// RegisterText tells how the text of a field type is read that is a struct in Go and a
// string in JSON. Call it before any [Check], from an init function.
func RegisterText(read func(reflect.Value) any, types ...any) {
	validate.RegisterCustomTypeFunc(read, types...)
}

// Check checks v, a struct or a slice of structs, by its "validate" tags and returns
// what is wrong, a field each: "email: must be an email address; name: is required".
// It returns "" when nothing is.
func Check(v any) string {
	var err error
	isList := reflect.TypeOf(v).Kind() == reflect.Slice
	if isList {
		err = validate.Var(v, "dive")
	} else {
		err = validate.Struct(v)
	}
	if err == nil {
		return ""
	}
	invalid, ok := errors.AsType[validator.ValidationErrors](err)
	if !ok {
		return err.Error()
	}
	var found []string
	for _, field := range invalid {
		name := field.Namespace() // "[0].field", or "type.field"
		if !isList {
			_, name, _ = strings.Cut(name, ".")
		}
		found = append(found, name+": "+reason(field))
	}
	return strings.Join(found, "; ")
}

func reason(field validator.FieldError) string {
	switch field.Tag() {
	case "required":
		return "is required"
	case "email":
		return "must be an email address"
	case "min":
		return "must not be empty"
	case "max":
		return "must not be longer than " + field.Param() + " characters"
	case "oneof":
		return "must be one of " + strings.ReplaceAll(field.Param(), " ", ", ")
	}
	return "is not valid (" + field.Tag() + ")"
}

// WrongType says of a JSON value of another type than its field what would be right.
func WrongType(err *json.UnmarshalTypeError) string {
	field := err.Field
	if field == "" {
		field = "body"
	}
	if number, ok := strings.CutPrefix(err.Value, "number "); ok {
		return fmt.Sprintf("%s: the number %s is too large", field, number)
	}
	return fmt.Sprintf("%s: must be %s, not %s", field, kind(err.Type), err.Value)
}

// kind says in the words of JSON what a Go type takes.
func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "a boolean"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return "an array of strings"
		}
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	}
	return "a number"
}
