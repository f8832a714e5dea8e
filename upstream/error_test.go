package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"user-manager/upstream"
)

func TestErrorText(t *testing.T) {
	tests := map[string]struct {
		err  upstream.Error
		want string
	}{
		"an answer": {upstream.Error{Service: "CRUD", Route: "PATCH /users/:id", Status: 404},
			"CRUD PATCH /users/:id responded with a 404 status code"},
		"an answer of no use": {upstream.Error{Service: "CRUD", Route: "GET /users/", Err: fmt.Errorf("%w: it is empty", upstream.ErrAnswer)},
			"CRUD GET /users/ gave an answer that cannot be used"},
		"no answer": {upstream.Error{Service: "Auth", Route: "GET /users/:id"},
			"Auth GET /users/:id could not be reached"},
		"the upstream's words and the cause stay out of it": {
			upstream.Error{Service: "Auth", Route: "POST /users", Status: 409, Message: "ada@example.com is taken", Err: errors.New("ada@example.com")},
			"Auth POST /users responded with a 409 status code"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.err.Error(); got != test.want {
				t.Errorf("text: %q, want %q", got, test.want)
			}
		})
	}
}

func TestRefusedAndStatus(t *testing.T) {
	tests := map[string]struct {
		err     error
		refused bool
		status  int
	}{
		"no error":             {nil, false, 0},
		"another error":        {errors.New("something else"), false, 0},
		"bad request":          {&upstream.Error{Status: 400}, true, 400},
		"not found":            {&upstream.Error{Status: 404}, true, 404},
		"too many requests":    {&upstream.Error{Status: 429}, true, 429},
		"the last refusal":     {&upstream.Error{Status: 499}, true, 499},
		"server error":         {&upstream.Error{Status: 500}, false, 500},
		"a redirect":           {&upstream.Error{Status: 302}, false, 302},
		"no answer":            {&upstream.Error{Err: context.DeadlineExceeded}, false, 0},
		"wrapped":              {fmt.Errorf("delete user: %w", &upstream.Error{Status: 404}), true, 404},
		"joined":               {errors.Join(errors.New("first"), &upstream.Error{Status: 409}), true, 409},
		"the outer of two":     {&upstream.Error{Status: 500, Err: &upstream.Error{Status: 404}}, false, 500},
		"no answer around one": {&upstream.Error{Err: &upstream.Error{Status: 404}}, false, 0},
		"nothing was sent":     {&upstream.Error{NotDone: true}, true, 0},
		"surely nothing done":  {&upstream.Error{Status: 500, NotDone: true}, true, 500},
		"after others":         {&upstream.Error{Status: 400, Partial: true}, false, 400},
		"not sent, but others": {&upstream.Error{NotDone: true, Partial: true}, false, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := upstream.Refused(test.err); got != test.refused {
				t.Errorf("Refused: %v, want %v", got, test.refused)
			}
			if got := upstream.Status(test.err); got != test.status {
				t.Errorf("Status: %d, want %d", got, test.status)
			}
		})
	}
}

func TestUnreachedAndRefusedForGood(t *testing.T) {
	tests := map[string]struct {
		err     error
		want    bool
		forGood bool
	}{
		"no error":          {nil, false, false},
		"another error":     {errors.New("something else"), false, false},
		"nothing was sent":  {&upstream.Error{NotDone: true}, true, false},
		"wrapped":           {fmt.Errorf("delete user: %w", &upstream.Error{NotDone: true}), true, false},
		"no answer":         {&upstream.Error{}, false, false},
		"a refusal":         {&upstream.Error{Status: 404}, false, true},
		"a refusal for now": {&upstream.Error{Status: 429}, false, false},
		"not done":          {&upstream.Error{Status: 500, NotDone: true}, false, true},
		"done in part":      {&upstream.Error{Status: 404, Partial: true}, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := upstream.Unreached(test.err); got != test.want {
				t.Errorf("Unreached: %v, want %v", got, test.want)
			}
			if got := upstream.RefusedForGood(test.err); got != test.forGood {
				t.Errorf("RefusedForGood: %v, want %v", got, test.forGood)
			}
		})
	}
}

// TestPartly: what was refused, or never sent, after others were carried out has done
// something; the error given stays as it is.
func TestPartly(t *testing.T) {
	for name, e := range map[string]upstream.Error{
		"a refusal":   {Service: "Auth", Status: 409, Err: context.Canceled},
		"not sent":    {Service: "Auth", NotDone: true, Err: context.Canceled},
		"no answer":   {Service: "Auth", Err: context.Canceled},
		"done partly": {Service: "Auth", Status: 409, Partial: true, Err: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			given := e
			err := upstream.Partly(fmt.Errorf("create user: %w", &given))
			if upstream.Refused(err) || upstream.Unreached(err) || upstream.Status(err) != e.Status || !errors.Is(err, context.Canceled) {
				t.Errorf("%#v", err)
			}
			if given != e {
				t.Errorf("the error given is %#v, was %#v", given, e)
			}
		})
	}
	if other := errors.New("something else"); upstream.Partly(other) != other || upstream.Partly(nil) != nil {
		t.Error("an error that is no upstream's is not left as it is")
	}
}

func TestErrorLeadsToItsCause(t *testing.T) {
	err := fmt.Errorf("create user: %w", &upstream.Error{Service: "CRUD", Route: "POST /users/", Err: context.Canceled})
	if !errors.Is(err, context.Canceled) {
		t.Error("errors.Is does not find the cause")
	}
}
