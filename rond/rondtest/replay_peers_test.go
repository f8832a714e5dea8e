package rondtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"user-manager/rond/rondtest"
)

// evaluation is a Rönd that evaluates too, by the policies of the recordings.
type evaluation struct {
	http.Handler
	bindings        func() []rondtest.Binding
	roles           *roles
	starting, blind bool
}

// policies are by method and path: whether the bindings that concern a user with an id allow
// it.
var policies = map[string]func(e *evaluation, id string, bindings []rondtest.Binding) bool{
	"GET /reports": func(e *evaluation, _ string, bindings []rondtest.Binding) bool {
		return slices.ContainsFunc(bindings, func(b rondtest.Binding) bool { return e.roles.permit(b.Roles, "reports.read") })
	},
	"PUT /reports": func(_ *evaluation, _ string, bindings []rondtest.Binding) bool {
		return slices.ContainsFunc(bindings, func(b rondtest.Binding) bool { return slices.Contains(b.Roles, "editor") })
	},
	"POST /reports/approve": func(_ *evaluation, _ string, bindings []rondtest.Binding) bool {
		return slices.ContainsFunc(bindings, func(b rondtest.Binding) bool { return slices.Contains(b.Permissions, "reports.approve") })
	},
	"GET /whoami": func(_ *evaluation, id string, _ []rondtest.Binding) bool { return id != "" },
}

func (e *evaluation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ours := strings.CutPrefix(r.URL.Path, "/eval")
	policy := policies[r.Method+" "+path]
	switch {
	case !ours:
		e.Handler.ServeHTTP(w, r)
	case e.starting:
		refuse(w, 503, "service not ready to work yet", "the service is not ready to work yet, try again in a few moments")
	case policy == nil:
		refuse(w, 404, "not found oas definition: "+r.Method+" "+path, "The request doesn't match any known API")
	case !policy(e, r.Header.Get("miauserid"), e.concerning(r.Header)):
		refuse(w, 403, "RBAC policy evaluation failed", "You do not have permissions to access this feature, contact the administrator for more information.")
	}
}

// concerning returns the bindings that concern who calls.
func (e *evaluation) concerning(h http.Header) []rondtest.Binding {
	id := h.Get("miauserid")
	if id == "" || e.blind {
		return nil
	}
	groups := strings.Split(h.Get("miausergroups"), ",")
	return slices.DeleteFunc(e.bindings(), func(b rondtest.Binding) bool {
		inGroup := slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(b.Groups, g) })
		return b.State != "PUBLIC" || !slices.Contains(b.Subjects, id) && !inGroup
	})
}

func refuse(w http.ResponseWriter, status int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": reason, "message": message, "statusCode": status})
}

// roles are the collection of what roles permit.
type roles struct {
	mu   sync.Mutex
	byID map[string]*role // guarded by mu
}

type role struct {
	RoleID      string   `json:"roleId"`
	Permissions []string `json:"permissions"`
	draft       bool
}

func (rs *roles) permit(names []string, permission string) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, r := range rs.byID {
		if !r.draft && slices.Contains(names, r.RoleID) && slices.Contains(r.Permissions, permission) {
			return true
		}
	}
	return false
}

func (rs *roles) add(r *role) (id string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	id = fmt.Sprintf("%024x", len(rs.byID)+1)
	rs.byID[id] = r
	return id
}

func (rs *roles) setDraft(id string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.byID[id].draft = true
}

// crudService answers what the recordings ask the CRUD Service.
type crudService struct {
	bindings func() []rondtest.Binding
	roles    *roles
}

func (c *crudService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	states := []string{"PUBLIC"}
	if asked := r.FormValue("_st"); asked != "" {
		states = strings.Split(asked, ",")
	}
	found := slices.DeleteFunc(c.bindings(), func(b rondtest.Binding) bool { return !slices.Contains(states, b.State) })
	switch path := r.URL.Path; {
	case path == "/bindings/":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(append([]rondtest.Binding{}, found...))
	case path == "/bindings/count":
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprint(w, len(found))
	case path == "/roles/":
		described := new(role)
		_ = json.NewDecoder(r.Body).Decode(described)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprintf(w, `{"_id":%q}`, c.roles.add(described))
	case strings.HasSuffix(path, "/state"):
		c.roles.setDraft(strings.Split(path, "/")[2])
		w.WriteHeader(http.StatusNoContent)
	default:
		http.NotFound(w, r)
	}
}
