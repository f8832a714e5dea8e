package users

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/crud/document"
	"user-manager/upstream"
)

// A Change is what is to become of the first user that Filter matches: Update is the body
// of a [Service.Patch]. Filter is equality on fields and "_id", with "_st", states in the
// store's form (unset: PUBLIC), and "_q", a query as a JSON text.
type Change struct {
	Filter, Update crud.Document
}

// PatchAll carries out changes, each as [Service.Patch] does: one after the other or, when
// every filter names another "_id", a few at a time. Their form is checked first: when one
// is wrong that is the error, with its place ("body/1/update"), and nothing was done.
// Otherwise there is an outcome for each.
func (s *Service) PatchAll(ctx context.Context, changes []Change) ([]Outcome, error) {
	parsed := make([]selectedChange, len(changes))
	for i, change := range changes {
		var err error
		if parsed[i], err = parseChange(change); err != nil {
			return nil, inItem(item(i), err)
		}
	}
	caller := upstream.CallerFrom(ctx) // whose encoding is that of its URL, not of a body
	caller.ACL = caller.StoreHeader(upstream.ACLRowsHeader, upstream.ACLReadColumnsHeader, upstream.ACLWriteColumnsHeader)
	ctx = upstream.WithCaller(ctx, caller)
	return s.severally(ctx, len(parsed), orderOfChanges(parsed), func(ctx context.Context, i int) (Outcome, error) {
		return s.patchFirst(ctx, parsed[i])
	}), nil
}

// A selectedChange is a Change whose form was checked.
type selectedChange struct {
	id     string         // in the store's form; "": the filter names none
	filter map[string]any // beside the id, a query; nil: none
	states []string       // nil: PUBLIC
	params url.Values     // filter and states, for a [Service.Patch]
	update crud.Document
	names  bool // it concerns a field that must be unique
}

func parseChange(change Change) (selectedChange, error) {
	c := selectedChange{update: change.Update, params: url.Values{}}
	if err := c.parseFilter(change.Filter); err != nil {
		return c, under("filter", err)
	}
	operators, err := asOperators(change.Update)
	if err != nil {
		return c, under("update", err)
	}
	update, err := parseUpdate(operators)
	if err != nil {
		return c, under("update", err)
	}
	touchesName := func(t document.Touch) bool { return t.Path == "username" || t.Path == "email" }
	c.names = slices.ContainsFunc(update.Touches(), touchesName)
	return c, nil
}

// under says in which part of an item a refusal is.
func under(part string, err error) error {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		return err
	}
	return refuse(refusal.Kind, "%s: %s", part, strings.TrimPrefix(refusal.Message, "body: "))
}

// orderOfChanges says for each change which earlier ones it has to wait for: each for the
// one before it unless they are of distinct users; then only those that may hand a name or
// an address over to each other.
func orderOfChanges(changes []selectedChange) [][]int {
	distinct, seen := true, map[string]bool{}
	for _, c := range changes {
		distinct = distinct && c.id != "" && !seen[c.id]
		seen[c.id] = true
	}
	after := make([][]int, len(changes))
	last := -1
	for i, c := range changes {
		if distinct && !c.names {
			continue
		}
		if last >= 0 {
			after[i] = []int{last}
		}
		last = i
	}
	return after
}

// findAgain is how many times the first match of a filter is looked for, when others
// change it before its turn comes.
const findAgain = 3

// patchFirst changes the first user that matches, if there is one.
func (s *Service) patchFirst(ctx context.Context, c selectedChange) (Outcome, error) {
	for range findAgain {
		id, err := s.firstMatch(ctx, c)
		if errors.Is(err, crud.ErrNotFound) {
			return Outcome{}, nil
		}
		if err != nil {
			return Outcome{}, err
		}
		_, err = s.Patch(ctx, id, c.update, c.params)
		switch {
		case !errors.Is(err, crud.ErrNotFound):
			return Outcome{ID: id, Changed: err == nil}, err
		case c.id != "":
			return Outcome{ID: id}, nil
		}
	}
	return Outcome{}, refuse(ErrConflict, "the users that match are being changed by others; try again")
}

// firstMatch returns the id of the first user that the caller can see and c selects.
func (s *Service) firstMatch(ctx context.Context, c selectedChange) (string, error) {
	if c.id != "" { // looked at when its turn comes
		return c.id, nil
	}
	visible := s.Users.With(upstream.CallerFrom(ctx).StoreHeader(upstream.ACLRowsHeader))
	user, err := visible.First(ctx, crud.Query{Filter: c.filter, States: c.states, Fields: []string{"_id"}})
	return text(user, "_id"), err
}
