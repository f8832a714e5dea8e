package rondtest

import (
	"cmp"
	"encoding/json"
	"net/http"
)

// grantBody is the body of a grant.
type grantBody struct {
	ResourceID  string   `json:"resourceId"`
	Subjects    []string `json:"subjects"`
	Groups      []string `json:"groups"`
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
}

// grant makes a binding of whatever it is given.
func (r *Rond) grant(w http.ResponseWriter, req *http.Request, resourceType string) {
	var body grantBody
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		refuse(w, http.StatusInternalServerError, decoderWords(err))
		return
	}
	b := Binding{BindingID: uuid(), Subjects: body.Subjects, Groups: body.Groups, Roles: body.Roles, Permissions: body.Permissions}
	if resourceType != "" {
		b.Resource = &Resource{Type: resourceType, ID: body.ResourceID}
	}
	switch {
	case resourceType != "" && body.ResourceID == "":
		refuse(w, http.StatusBadRequest, "missing resource id")
	case len(body.Subjects)+len(body.Groups)+len(body.Roles)+len(body.Permissions) == 0:
		refuse(w, http.StatusBadRequest, "missing body fields, one of groups, permissions, subjects or roles is required")
	case !r.create(req.Context(), b, authorOf(req)):
		abandon(req)
		refuse(w, http.StatusInternalServerError, "failed crud request for creating bindings")
	default:
		abandon(req)
		succeed(w, map[string]any{"bindingId": b.BindingID})
	}
}

// authorOf returns who the CRUD Service takes for the author of a change.
func authorOf(req *http.Request) string { return cmp.Or(req.Header.Get("miauserid"), "public") }

// abandon ends the answer to a caller that has gone away.
func abandon(req *http.Request) {
	if req.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
}
