package main

import (
	"net/http"

	"user-manager/crud/document"
	"user-manager/upstream"
	"user-manager/users"
)

// createUsers handles POST /users/bulk.
func (a *api) createUsers(w http.ResponseWriter, r *http.Request) error {
	opts, err := creationParams(r)
	if err != nil {
		return err
	}
	list, err := a.decodeList(r, "see PATCH /users/import, which takes any number")
	if err != nil {
		return err
	}
	ctx, end := a.untilStop(r.Context(), func() {})
	defer end()
	outcomes, err := a.users.CreateAll(ctx, list, opts)
	if err != nil {
		return failed("creating users", passData, err)
	}
	if users.FirstFailure(outcomes) >= 0 {
		return a.failSeveral(w, "creating user", "created", outcomes)
	}
	created := make([]users.Created, len(outcomes))
	for i, o := range outcomes {
		created[i] = users.Created{ID: o.ID, Warnings: o.Warnings}
	}
	return encode(w, http.StatusOK, created)
}

// patchUsers handles PATCH /users/bulk.
func (a *api) patchUsers(w http.ResponseWriter, r *http.Request) error {
	list, err := a.decodeList(r, "send them in several requests")
	if err != nil {
		return err
	}
	changes := make([]users.Change, len(list))
	for i, item := range list {
		if changes[i], err = asChange(i, item); err != nil {
			return err
		}
	}
	ctx, end := a.untilStop(r.Context(), func() {})
	defer end()
	outcomes, err := a.users.PatchAll(ctx, changes)
	if err != nil {
		return failed("updating users", passData, err)
	}
	return a.answerCount(w, "updating user", "changed", outcomes)
}

// asChange reads the ith item of a list of changes. Further keys are passed over, as the
// store does.
func asChange(i int, item document.Document) (users.Change, error) {
	filter, ok := item["filter"].(map[string]any)
	if !ok {
		return users.Change{}, badRequest("body/%d: filter: is required and must be an object", i)
	}
	update, ok := item["update"].(map[string]any)
	if !ok {
		return users.Change{}, badRequest("body/%d: update: is required and must be an object", i)
	}
	return users.Change{Filter: filter, Update: update}, nil
}

// deleteUsers handles DELETE /users/.
func (a *api) deleteUsers(w http.ResponseWriter, r *http.Request) error {
	params, err := selection(r, "_q", "_st")
	if err != nil {
		return err
	}
	if len(params) == 0 || params.Has("_q") && params.Get("_q") == "" {
		return badRequest("querystring: must say which users, by _q, _st or fields; _q={} means every one that is PUBLIC")
	}
	ctx, end := a.untilStop(r.Context(), func() {})
	defer end()
	outcomes, err := a.users.DeleteAll(ctx, params, a.bulkLimit)
	switch upstream.Status(err) {
	case http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge:
		return &requestError{http.StatusRequestURITooLong, "querystring: is too long for the store"}
	}
	if err != nil {
		return failed("deleting users", passData, err)
	}
	return a.answerCount(w, "deleting user", "deleted", outcomes)
}

// decodeList reads a body that is an array of objects, as many as are taken at once;
// otherwise says what to do with more.
func (a *api) decodeList(r *http.Request, otherwise string) ([]document.Document, error) {
	var items []any
	if err := decodeJSON(r, &items, false); err != nil {
		return nil, err
	}
	switch n := len(items); {
	case items == nil:
		return nil, badRequest("body: must be an array, not null")
	case n == 0:
		return nil, badRequest("body: must have at least one item")
	case n > a.bulkLimit:
		return nil, badRequest("body: must not have more than %d items; %s", a.bulkLimit, otherwise)
	}
	list := make([]document.Document, len(items))
	for i, item := range items {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, badRequest("body/%d: must be an object", i)
		}
		list[i] = object
	}
	return list, nil
}
