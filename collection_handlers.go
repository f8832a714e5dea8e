package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"user-manager/crud"
)

// showUser handles GET /users/:id. Nothing but an id comes into the store's path: any
// other word is a route of its own there, or nothing.
func (a *api) showUser(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if !crud.IsID(id) {
		return encode(w, http.StatusNotFound, map[string]string{"error": "not found"}) // as the store says it
	}
	return failed("reading user", passCredentials, a.forward(w, r, "/"+id))
}

// exportUsers handles GET /users/export.
func (a *api) exportUsers(w http.ResponseWriter, r *http.Request) error {
	return failed("exporting users", passCredentials, a.forward(w, r, "/export"))
}

// userSchema handles GET /users/schema.
func (a *api) userSchema(w http.ResponseWriter, r *http.Request) error {
	return failed("reading the schema of users", passCredentials, a.forward(w, r, "/schema"))
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

// queryOf reads a query string. net/http passes over what it cannot read; here a condition
// would be gone.
func queryOf(r *http.Request) (url.Values, error) {
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("querystring: cannot be read: %v", err)
	}
	return params, nil
}

// selection reads a query string that says which users are meant: by fields, and by those
// of the store's own parameters that are named. What cannot be read is refused, since
// without it more users would be meant.
func selection(r *http.Request, own ...string) (url.Values, error) {
	params, err := queryOf(r)
	if err != nil {
		return nil, err
	}
	for name := range params {
		if strings.HasPrefix(name, "_") && !slices.Contains(own, name) {
			return nil, badRequest("querystring must NOT have additional properties. Property %q is not defined in validation schema", name)
		}
	}
	return params, nil
}
