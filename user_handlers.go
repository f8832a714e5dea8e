package main

import (
	"bytes"
	"io"
	"net/http"

	"user-manager/crud/document"
	"user-manager/users"
)

// creationParams reads the choices that every creation of users has.
func creationParams(r *http.Request) (users.CreateOptions, error) {
	postpone, err := flagParam(r, "postponeAuthUserCreation", false)
	if err != nil {
		return users.CreateOptions{}, err
	}
	mail, err := flagParam(r, "sendResetPwdEmail", true)
	return users.CreateOptions{PostponeAccount: postpone, SkipPasswordMail: !mail}, err
}

// createUser handles POST /users/.
func (a *api) createUser(w http.ResponseWriter, r *http.Request) error {
	opts, err := creationParams(r)
	if err != nil {
		return err
	}
	fields, err := decodeObject(r)
	if err != nil {
		return err
	}
	created, err := a.users.Create(r.Context(), fields, opts)
	if err != nil {
		return failed("creating user", passData, err)
	}
	return encode(w, http.StatusOK, created)
}

// createUserWithID handles POST /users/with-id.
func (a *api) createUserWithID(w http.ResponseWriter, r *http.Request) error {
	fields, err := decodeObject(r)
	if err != nil {
		return err
	}
	id, err := a.users.CreateWithID(r.Context(), fields)
	if err != nil {
		return failed("creating user", passData, err)
	}
	return encode(w, http.StatusOK, users.Created{ID: id})
}

// registerUser handles POST /users/register.
func (a *api) registerUser(w http.ResponseWriter, r *http.Request) error {
	type request struct {
		ID       string      `json:"_id" validate:"required"`
		Password secretField `json:"password"`
	}
	mail, err := flagParam(r, "sendResetPwdEmail", true)
	if err != nil {
		return err
	}
	in, err := decode[request](r)
	if err != nil {
		return err
	}
	if err := a.users.Register(r.Context(), in.ID, in.Password.Text, !mail); err != nil {
		return failed("registering user", passData, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// listUsers handles GET /users/.
func (a *api) listUsers(w http.ResponseWriter, r *http.Request) error {
	if a.enrichment != nil {
		return failed("reading users", passCredentials, a.listEnriched(w, r))
	}
	return failed("reading users", passCredentials, a.forward(w, r, "/"))
}

// countUsers handles GET /users/count.
func (a *api) countUsers(w http.ResponseWriter, r *http.Request) error {
	return failed("counting users", passCredentials, a.forward(w, r, "/count"))
}

// patchUser handles PATCH /users/:id.
func (a *api) patchUser(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeObject(r)
	if err != nil {
		return err
	}
	params, err := queryOf(r)
	if err != nil {
		return err
	}
	user, err := a.users.Patch(r.Context(), r.PathValue("id"), body, params)
	if err != nil {
		return failed("updating user", documented500, err)
	}
	return encode(w, http.StatusOK, user)
}

// deleteUser handles DELETE /users/:id.
func (a *api) deleteUser(w http.ResponseWriter, r *http.Request) error {
	params, err := selection(r, "_q", "_st")
	if err != nil {
		return err
	}
	if err := a.users.Delete(r.Context(), r.PathValue("id"), params); err != nil {
		return failed("deleting user", documented500, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// softDeleteUser handles POST /users/:id/soft-delete.
func (a *api) softDeleteUser(w http.ResponseWriter, r *http.Request) error {
	if err := a.users.SoftDelete(r.Context(), r.PathValue("id")); err != nil {
		return failed("soft deleting user", documented500, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// changeStates handles POST /users/state.
func (a *api) changeStates(w http.ResponseWriter, r *http.Request) error {
	type request struct {
		Filter  document.Document `json:"filter" validate:"required"`
		StateTo string            `json:"stateTo" validate:"required,oneof=PUBLIC DRAFT TRASH DELETED"`
	}
	in, err := decodeOneOrMore[request](r) // a page sends a single one by itself
	if err != nil {
		return err
	}
	if len(in) > a.bulkLimit { // each looks through all users
		return badRequest("body: must not have more than %d items; send them in several requests", a.bulkLimit)
	}
	changes := make([]users.StateChange, len(in))
	for i, change := range in {
		changes[i] = users.StateChange{Filter: change.Filter, To: change.StateTo}
	}
	n, err := a.users.ChangeStates(r.Context(), changes)
	if err != nil {
		return failed("changing the state of users", passData, err)
	}
	return encode(w, http.StatusOK, n)
}

// decodeOneOrMore is [decode] for an array of T, or a single one by itself.
func decodeOneOrMore[T any](r *http.Request) ([]T, error) {
	body, err := readJSON(r)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !bytes.HasPrefix(body, []byte("{")) {
		return decode[[]T](r)
	}
	one, err := decode[T](r)
	return []T{one}, err
}
