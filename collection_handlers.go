package main

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/crud/document"
	"user-manager/upstream"
	"user-manager/users"
)

// showUser handles GET /users/:id. Nothing but an id comes into the store's path: any
// other word is a route of its own there, or nothing.
func (a *api) showUser(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if !crud.IsID(id) {
		return encode(w, http.StatusNotFound, map[string]string{"error": "not found"}) // as the store says it
	}
	return failed("reading user", passCredentials, a.store.users.Forward(w, r, "/"+id))
}

// exportUsers handles GET /users/export.
func (a *api) exportUsers(w http.ResponseWriter, r *http.Request) error {
	return failed("exporting users", passCredentials, a.store.users.Forward(w, r, "/export"))
}

// userSchema handles GET /users/schema.
func (a *api) userSchema(w http.ResponseWriter, r *http.Request) error {
	return failed("reading the schema of users", passCredentials, a.store.users.Forward(w, r, "/schema"))
}

// creationParams reads the choices that every creation of users has.
func creationParams(r *http.Request) (users.CreateOptions, error) {
	postpone, err := flagParam(r, "postponeAuthUserCreation", false)
	if err != nil {
		return users.CreateOptions{}, err
	}
	mail, err := flagParam(r, "sendResetPwdEmail", true)
	return users.CreateOptions{PostponeAccount: postpone, SkipPasswordMail: !mail}, err
}

// validateUser handles POST /users/validate.
func (a *api) validateUser(w http.ResponseWriter, r *http.Request) error {
	opts, err := creationParams(r)
	if err != nil {
		return err
	}
	fields, err := decodeObject(r)
	if err != nil {
		return err
	}
	if err := a.users.Validate(r.Context(), fields, opts); err != nil {
		return failed("validating user", passData, err)
	}
	return encode(w, http.StatusOK, map[string]string{"result": "ok"})
}

// moveUser handles POST /users/:id/state.
func (a *api) moveUser(w http.ResponseWriter, r *http.Request) error {
	type request struct {
		StateTo string `json:"stateTo" validate:"required,oneof=PUBLIC DRAFT TRASH DELETED"`
	}
	var in request
	if err := decodeJSON(r, &in, false); err != nil { // the store does not mind further fields
		return err
	}
	if err := validateRequest(in); err != nil {
		return err
	}
	params, err := selection(r, "_q")
	if err != nil {
		return err
	}
	if err := a.users.ChangeState(r.Context(), r.PathValue("id"), in.StateTo, params); err != nil {
		return failed("changing the state of user", passData, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

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
		return a.failSeveral(w, r, "creating user", "created", outcomes)
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
		var okay [2]bool // further keys are passed over, as the store does
		changes[i].Filter, okay[0] = item["filter"].(map[string]any)
		changes[i].Update, okay[1] = item["update"].(map[string]any)
		for j, name := range []string{"filter", "update"} {
			if !okay[j] {
				return badRequest("body/%d: %s: is required and must be an object", i, name)
			}
		}
	}
	ctx, end := a.untilStop(r.Context(), func() {})
	defer end()
	outcomes, err := a.users.PatchAll(ctx, changes)
	if err != nil {
		return failed("updating users", passData, err)
	}
	return a.answerCount(w, r, "updating user", "changed", outcomes)
}

// deleteUsers handles DELETE /users/.
func (a *api) deleteUsers(w http.ResponseWriter, r *http.Request) error {
	params, err := selection(r, "_q", "_st")
	if err != nil {
		return err
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
	return a.answerCount(w, r, "deleting user", "deleted", outcomes)
}

// selection reads a query string that says which users are meant: by fields, and by those
// of the store's own parameters that are named. What cannot be read is refused, since
// without it more users would be meant.
func selection(r *http.Request, own ...string) (url.Values, error) {
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("querystring: cannot be read: %v", err)
	}
	for name := range params {
		if strings.HasPrefix(name, "_") && !slices.Contains(own, name) {
			return nil, badRequest("querystring must NOT have additional properties. Property %q is not defined in validation schema", name)
		}
	}
	return params, nil
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

// decodeOneOrMore reads a body that is an array of T, or a single one by itself, and
// validates it.
func decodeOneOrMore[T any](r *http.Request) ([]T, error) {
	body, err := readJSON(r)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(body, []byte("{")) {
		var list []T
		if err := decodeStrict(body, &list); err != nil {
			return nil, err
		}
		if list == nil {
			return nil, badRequest("body: must be an array, not null")
		}
		return list, validateRequest(list)
	}
	list := make([]T, 1)
	if err := decodeStrict(body, &list[0]); err != nil {
		return nil, err
	}
	return list, validateRequest(list[0])
}
