package providers_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
	"user-manager/upstream"
)

func TestTakenIsConflict(t *testing.T) {
	err := providers.Refuse("POST /users", providers.Taken{Property: "email"}, "ada@example.com is taken")
	if !errors.Is(err, providers.ErrConflict) || upstream.Status(err) != 409 {
		t.Errorf("%v, status %d; want a conflict, 409", err, upstream.Status(err))
	}
	taken, ok := errors.AsType[providers.Taken](err)
	if !ok || taken.Property != "email" || taken.Error() != "account already exists: its email is taken" {
		t.Errorf("cause %v, want that the email is taken", taken)
	}
}

func TestRefusalOf(t *testing.T) {
	const route = "POST /users"
	invalid := func(message string) error { return providers.Refuse(route, providers.ErrInvalid, message) }
	type refusal = providers.ImportRefusal
	tests := map[string]struct {
		err             error
		username, email string
		want            *refusal
	}{
		"no error":      {nil, "mario", "mario@example.com", nil},
		"another error": {errors.New("something else"), "mario", "mario@example.com", nil},
		"no answer":     {&upstream.Error{Err: context.DeadlineExceeded}, "mario", "mario@example.com", nil},
		"server error":  {&upstream.Error{Status: 500}, "mario", "mario@example.com", nil},
		"taken username": {providers.Refuse(route, providers.Taken{Property: "username"}, "taken"), "mario", "mario@example.com",
			&refusal{"NON_UNIQUE_PROPERTY_VALUE", `Property "username" has non-unique value: mario`}},
		"taken email": {providers.Refuse(route, providers.Taken{Property: "email"}, "taken"), "mario", "mario@example.com",
			&refusal{"NON_UNIQUE_PROPERTY_VALUE", `Property "email" has non-unique value: mario@example.com`}},
		"wrapped": {fmt.Errorf("create: %w", providers.Refuse(route, providers.Taken{Property: "email"}, "")), "", "mario@example.com",
			&refusal{"NON_UNIQUE_PROPERTY_VALUE", `Property "email" has non-unique value: mario@example.com`}},
		"taken, of a property that was not given": {providers.Refuse(route, providers.Taken{Property: "username"}, ""), "", "mario@example.com",
			&refusal{"NON_UNIQUE_PROPERTY_VALUE", "A property has a non-unique value"}},
		"taken, of a property that is unknown here": {providers.Refuse(route, providers.Taken{Property: "phone"}, ""), "mario", "mario@example.com",
			&refusal{"NON_UNIQUE_PROPERTY_VALUE", "A property has a non-unique value"}},
		"taken, it is not said what": {providers.Refuse(route, providers.ErrConflict, "mario@example.com exists"), "mario", "mario@example.com",
			&refusal{"NON_UNIQUE_PROPERTY_VALUE", "A property has a non-unique value"}},
		"invalid": {invalid("The address does not look like one."), "mario", "mario@",
			&refusal{"INVALID_FORMAT", "The address does not look like one."}},
		"invalid, with the values": {invalid("No format email: MARIO@Example.com (mario)"), "mario", "mario@example.com",
			&refusal{"INVALID_FORMAT", "No format email: *** (***)"}},
		"invalid, with values within others": {invalid("xmariox"), "mario", "xmario",
			&refusal{"INVALID_FORMAT", "***x"}},
		"invalid, with a value like a pattern": {invalid("No format: a.b+c[@x aXb+c"), "a.b+c[", "",
			&refusal{"INVALID_FORMAT", "No format: ***@x aXb+c"}},
		"invalid, with a value that is no text": {invalid("No format: \xff!"), "\xff", "",
			&refusal{"INVALID_FORMAT", "No format: ***!"}},
		"invalid, without names": {invalid("An account needs a username or an email address."), "", "",
			&refusal{"INVALID_FORMAT", "An account needs a username or an email address."}},
		"invalid, without words": {invalid(""), "mario", "mario@example.com",
			&refusal{"INVALID_FORMAT", "Auth POST /users responded with a 400 status code"}},
		"not found": {providers.Refuse("PATCH /users/:id", providers.ErrNotFound, "No mario."), "mario", "mario@example.com",
			&refusal{"USER_NOT_FOUND", "The account does not exist"}},
		"forbidden": {&upstream.Error{Service: providers.Service, Route: route, Status: 403, Message: "no scope for mario"}, "mario", "",
			&refusal{"PROVIDER_REFUSED", "Auth POST /users responded with a 403 status code"}},
		"a route that is not there": {&upstream.Error{Service: providers.Service, Route: route, Status: 404, Message: "mario"}, "mario", "",
			&refusal{"PROVIDER_REFUSED", "Auth POST /users responded with a 404 status code"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, providers.RefusalOf(test.err, test.username, test.email)); diff != "" {
				t.Errorf("refusal (-want +got):\n%s", diff)
			}
		})
	}
}
