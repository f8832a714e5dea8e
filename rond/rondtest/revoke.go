package rondtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// revokeBody is the body of a revoke.
type revokeBody struct {
	Subjects    []string `json:"subjects"`
	Groups      []string `json:"groups"`
	ResourceIDs []string `json:"resourceIds"`
}

// names reports whether the body says whom to revoke from.
func (body revokeBody) names() bool { return len(body.Subjects)+len(body.Groups) > 0 }

// matches returns which bindings a revoke is about.
func (body revokeBody) matches(resourceType string) func(Binding) bool {
	return func(b Binding) bool {
		if resourceType != "" && (b.Resource == nil || b.Resource.Type != resourceType || !slices.Contains(body.ResourceIDs, b.Resource.ID)) {
			return false
		}
		return resourceType != "" && !body.names() || overlap(b.Subjects, body.Subjects) || overlap(b.Groups, body.Groups)
	}
}

// revoke works on the first page of the bindings that it is about.
func (r *Rond) revoke(w http.ResponseWriter, req *http.Request, resourceType string) {
	var body revokeBody
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		refuse(w, http.StatusInternalServerError, decoderWords(err))
		return
	}
	if !body.names() && (resourceType == "" || len(body.ResourceIDs) == 0) {
		refuse(w, http.StatusBadRequest, "empty subjects and groups lists or resource ids")
		return
	}
	found, ok := r.find(req.Context(), body.matches(resourceType))
	abandon(req)
	if !ok || resourceType != "" && body.ResourceIDs == nil { // which the CRUD Service does not take for a list
		refuse(w, http.StatusInternalServerError, "failed crud request for finding bindings")
		return
	}
	deleted, modified, reason := r.takeOut(req, found, body)
	abandon(req)
	if reason != "" {
		refuse(w, http.StatusInternalServerError, reason)
		return
	}
	succeed(w, map[string]any{"deletedBindings": deleted, "modifiedBindings": modified})
}

// takeOut deletes and updates the bindings that were found, and returns the counts, or why it
// stopped.
func (r *Rond) takeOut(req *http.Request, found []Binding, body revokeBody) (deleted, modified int, reason string) {
	unused, used := body.split(found)
	ok := true
	if len(unused) > 0 {
		if deleted, ok = r.remove(req.Context(), unused); !ok {
			return 0, 0, "failed crud request for deleting unused bindings"
		}
	}
	if len(used) > 0 {
		if modified, ok = r.update(req.Context(), used, authorOf(req)); !ok {
			return 0, 0, fmt.Sprintf("failed crud request to modify existing bindings. removed bindings: %d", deleted)
		}
	}
	return deleted, modified, ""
}

// split takes the names of the body out of bindings, and tells those that name nobody any
// more from those that do. Resources alone leave nobody in any of their bindings.
func (body revokeBody) split(found []Binding) (unused, used []Binding) {
	if !body.names() {
		return found, nil
	}
	for _, b := range found {
		b.Subjects, b.Groups = without(b.Subjects, body.Subjects), without(b.Groups, body.Groups)
		if len(b.Subjects)+len(b.Groups) == 0 {
			unused = append(unused, b)
		} else {
			used = append(used, b)
		}
	}
	return unused, used
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(item string) bool { return slices.Contains(b, item) })
}

// without returns list without some items; never nil.
func without(list, items []string) []string {
	rest := []string{}
	for _, item := range list {
		if !slices.Contains(items, item) {
			rest = append(rest, item)
		}
	}
	return rest
}
