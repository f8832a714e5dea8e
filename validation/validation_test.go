package validation_test

import (
	"encoding/json"
	"testing"

	"user-manager/validation"
)

type person struct {
	Name  string   `json:"name" validate:"required,max=5"`
	Email *string  `json:"email" validate:"omitnil,email"`
	Kind  string   `json:"kind" validate:"omitempty,oneof=a b"`
	Roles []string `json:"roles" validate:"dive,min=1"`
}

func TestCheck(t *testing.T) {
	t.Parallel()
	mail := "nope"
	for what, test := range map[string]struct {
		value any
		want  string
	}{
		"nothing wrong":        {person{Name: "Ann", Roles: []string{"x"}}, ""},
		"missing":              {person{}, "name: is required"},
		"too long":             {person{Name: "Annabel"}, "name: must not be longer than 5 characters"},
		"several":              {person{Email: &mail, Kind: "c"}, "name: is required; email: must be an email address; kind: must be one of a, b"},
		"an item":              {person{Name: "Ann", Roles: []string{"x", ""}}, "roles[1]: must not be empty"},
		"a list":               {[]person{{Name: "Ann"}, {}}, "[1].name: is required"},
		"a list without items": {[]person{}, ""},
	} {
		if got := validation.Check(test.value); got != test.want {
			t.Errorf("%s: Check(%+v) = %q, want %q", what, test.value, got, test.want)
		}
	}
}

func TestWrongType(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"name":5}`:      "name: must be a string, not number",
		`{"roles":"x"}`:   "roles: must be an array of strings, not string",
		`[]`:              "body: must be an object, not array",
		`{"n":1e400}`:     "n: the number 1e400 is too large",
		`{"n":"x"}`:       "n: must be a number, not string",
		`{"flag":1}`:      "flag: must be a boolean, not number",
		`{"people":true}`: "people: must be an array, not bool",
	} {
		var to struct {
			Name   string   `json:"name"`
			Roles  []string `json:"roles"`
			N      float64  `json:"n"`
			Flag   bool     `json:"flag"`
			People []person `json:"people"`
		}
		err, ok := json.Unmarshal([]byte(body), &to).(*json.UnmarshalTypeError)
		if !ok {
			t.Errorf("decoding %s: no type is wrong", body)
			continue
		}
		if got := validation.WrongType(err); got != want {
			t.Errorf("WrongType of %s = %q, want %q", body, got, want)
		}
	}
}
