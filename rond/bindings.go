package rond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"user-manager/upstream"
)

// mostRounds bounds how often one revoke is asked for. Rönd takes 200 bindings at a time, so
// these are 10,000: more than anybody has, unless somebody makes them while we revoke.
const mostRounds = 50

// grant is the body of a grant.
type grant struct {
	Subjects   []string `json:"subjects"`
	Roles      []string `json:"roles"`
	ResourceID string   `json:"resourceId,omitempty"`
}

// revoke is the body of a revoke. Resource ids without subjects would revoke everybody's
// bindings on those resources, so both are made of the subject, in one place.
type revoke struct {
	Subjects    []string `json:"subjects"`
	ResourceIDs []string `json:"resourceIds,omitempty"`
}

// Grant gives a subject, the id of an account, roles by one new binding. Roles that the
// subject has already stay. An empty subject and an empty list are refused without a call:
// Rönd would make a binding of no effect.
//
// Every failure is an [*upstream.Error]. Unless it is refused (see [upstream.Refused]) the
// binding may have been made, or be yet. To grant once more would make a second one, so
// whoever has to know revokes first.
func (c *Client) Grant(ctx context.Context, subject string, roles []string) error {
	at, body := c.at("/grant/bindings"), grant{Subjects: []string{subject}, Roles: roles}
	if c.resourceType != "" {
		body.ResourceID = subject
	}
	switch {
	case subject == "":
		return c.peer.Impossible(at, errNoSubject)
	case len(roles) == 0:
		return c.peer.Impossible(at, errors.New("there are no roles to grant"))
	}
	at.Body = body
	var made struct {
		BindingID string `json:"bindingId"`
	}
	err := c.decode(ctx, at, &made)
	if err == nil && made.BindingID == "" {
		return c.peer.Unusable(at, errors.New("it names no binding"))
	}
	return err
}

// Revoke takes all roles from a subject: those of every binding that names it, or with a
// resource type those of the bindings that are ours. Bindings of groups stay. To revoke
// twice is to revoke once. An empty subject is refused without a call.
//
// Rönd takes one page of bindings at a time and does not say whether there are more, so it is
// asked until it found none. A sum below its 200 is not taken for the end: that would hold
// only for as long as pages have 200, and roles would be left in silence where they have
// fewer. One more request is the price, and it also finds what came in between, such as a
// subject that another revoke of a shared binding has written back.
//
// Every failure is an [*upstream.Error]. Unless it is refused some of the roles may be gone. A
// success may have had a try whose answer was lost (see [upstream.WithDoubt]); such a one
// that comes late takes what was granted since.
func (c *Client) Revoke(ctx context.Context, subject string) error {
	at, body := c.at("/revoke/bindings"), revoke{Subjects: []string{subject}}
	if c.resourceType != "" {
		body.ResourceIDs = []string{subject}
	}
	if subject == "" { // of nobody, or of a resource of everybody's
		return c.peer.Impossible(at, errNoSubject)
	}
	at.Body = body
	inner, doubt := upstream.WithDoubt(upstream.Repeatable(ctx))
	err := c.revokeAll(inner, at)
	if doubt.Raised() {
		upstream.RaiseDoubt(ctx)
		return upstream.Partly(err)
	}
	return err
}

// revokeAll revokes until nothing is found.
func (c *Client) revokeAll(ctx context.Context, at upstream.Request) error {
	for round := range mostRounds {
		switch found, err := c.revokePage(ctx, at); {
		case err != nil && round > 0:
			return upstream.Partly(err)
		case err != nil || !found:
			return err
		}
	}
	return upstream.Partly(c.peer.Unusable(at, fmt.Errorf("there are bindings after %d revokes", mostRounds)))
}

// revokePage revokes once, and reports whether there was anything to revoke.
func (c *Client) revokePage(ctx context.Context, at upstream.Request) (found bool, err error) {
	var counts struct {
		Deleted  *int64 `json:"deletedBindings"`
		Modified *int64 `json:"modifiedBindings"`
	}
	if err := c.decode(ctx, at, &counts); err != nil {
		return false, err
	}
	if counts.Deleted == nil || counts.Modified == nil {
		return false, c.peer.Unusable(at, errors.New("it has no counts"))
	}
	return *counts.Deleted != 0 || *counts.Modified != 0, nil
}

var errNoSubject = errors.New("there is no subject")

// at returns a call of a route, or of its variant for our resource type.
func (c *Client) at(route string) upstream.Request {
	if c.resourceType == "" {
		return upstream.Request{Method: http.MethodPost, Path: route}
	}
	route += "/resource/"
	return upstream.Request{Method: http.MethodPost, Path: route + url.PathEscape(c.resourceType), Route: route + ":resourceType"}
}

// decode makes a call and reads its answer. That is JSON, though Rönd calls it text/plain.
func (c *Client) decode(ctx context.Context, at upstream.Request, answer any) error {
	encoded, err := c.peer.Do(ctx, at)
	if err != nil {
		return didNothing(err)
	}
	if err := json.Unmarshal(encoded, answer); err != nil {
		return c.peer.Unusable(at, err)
	}
	return nil
}
