package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

// manage makes a call of the Management API. An answer that is no 2xx is an error as
// [management.Refusal] makes it, with the given values masked. A token that the tenant
// refuses is given up, and the call made once more.
func (p *Provider) manage(ctx context.Context, r *request, values ...string) (*answer, error) {
	r.kind = manages
	if r.lane == urgent && upstream.IsBackground(ctx) {
		r.lane = background
	}
	for try := 1; ; try++ {
		token, err := p.tokens.get(ctx)
		if err != nil {
			return nil, inDoubt(r, try, err)
		}
		r.authorize = func() string {
			if held := p.tokens.held(); held.valid(time.Now()) { // it may have waited for long
				token = held
			}
			return "Bearer " + token.value.Reveal()
		}
		a, err := p.transport.do(ctx, r)
		switch {
		case err != nil:
			return nil, inDoubt(r, try, err)
		case a.status == http.StatusUnauthorized && p.tokens.drop(token.value) && try == 1:
		case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
			return nil, inDoubt(r, try, refusal(r, a, values))
		case a.status < 200 || a.status > 299:
			return nil, refusal(r, a, values)
		default:
			return a, nil
		}
	}
}

// inDoubt returns the error of a try that did nothing. When it is not the first, a change
// that the network may repeat can have been carried out before the first was refused.
func inDoubt(r *request, try int, err error) error {
	if try == 1 || !r.repeatable {
		return err
	}
	return upstream.Partly(err)
}

// refusal returns the error of an answer of the Management API.
func refusal(r *request, a *answer, values []string) error {
	err := management.Refusal(r.route, a.status, a.body)
	if failed, ok := errors.AsType[*upstream.Error](err); ok {
		failed.RetryAfter = retryAfter(a)
		failed.Message = management.Mask(failed.Message, values...)
		if isUnknownID(r, failed) {
			failed.Err = providers.ErrNotFound
		}
	}
	return err
}

// isUnknownID reports whether a refusal is about the form of an account's id: there is no
// account with such a one.
func isUnknownID(r *request, failed *upstream.Error) bool {
	return failed.Status == http.StatusBadRequest && strings.Contains(r.route, "/users/:id") &&
		strings.HasPrefix(failed.Message, "Path validation error:")
}

// decode reads an answer's JSON into to.
func decode(r *request, a *answer, to any) error {
	if err := json.Unmarshal(a.body, to); err != nil {
		return unusable(r)
	}
	return nil
}

// unusable returns the error of an answer that is not what it should be. It does not show
// the answer.
func unusable(r *request) error {
	return upstream.Unanswered(providers.Service, r.route, fmt.Errorf("%w: it has another form than documented", upstream.ErrAnswer))
}

// encode returns v, of texts and truths, as JSON.
func encode(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of texts and truths can be encoded
	}
	return body
}
