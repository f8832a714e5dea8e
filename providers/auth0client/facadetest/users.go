package facadetest

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"user-manager/providers/auth0/auth0test"
)

const jsonType = "application/json"

// searchUsers handles GET /users.
func (f *Facade) searchUsers(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	connections := slices.DeleteFunc(query["connection"], func(name string) bool { return name != auth0test.Connection })
	if len(connections) == 0 {
		connections = []string{auth0test.Connection}
	}
	var terms []string
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if slices.Contains([]string{"email", "nickname", "username"}, name) || strings.HasPrefix(name, "app_metadata.") {
			terms = append(terms, name+":"+query.Get(name))
		}
	}
	if q := query.Get("q"); q != "" && f.cfg.ForwardsQuery {
		terms = append(terms, q)
	}
	where := `identities.connection:"` + strings.Join(connections, `" OR identities.connection:"`) + `"`
	if len(terms) > 0 {
		where = "(" + strings.Join(terms, " AND ") + ") AND (" + where + ")"
	}
	page := url.Values{"per_page": {cmp.Or(query.Get("_l"), "25")}, "page": {cmp.Or(query.Get("_sk"), "0")}, "q": {where}, "search_engine": {"v3"}}
	f.pass(w, f.tenant.manage(r.Context(), http.MethodGet, "/users?"+page.Encode(), "", nil))
}

// createUser handles POST /users.
func (f *Facade) createUser(w http.ResponseWriter, r *http.Request) {
	var user map[string]any
	if err := json.NewDecoder(r.Body).Decode(&user); err != nil {
		say(w, http.StatusBadRequest, "the body is not JSON")
		return
	}
	if _, given := user["connection"]; !given {
		user["connection"] = auth0test.Connection
	}
	if user["connection"] != auth0test.Connection {
		say(w, http.StatusBadRequest, "the connection is not supported")
		return
	}
	body, err := json.Marshal(user)
	if err != nil {
		say(w, http.StatusInternalServerError, err.Error())
		return
	}
	made := f.tenant.manage(r.Context(), http.MethodPost, "/users", jsonType, body)
	if made.ok() && f.cfg.Silent {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	f.pass(w, made)
}

// user is the path of the tenant's user that a request is about.
func user(r *http.Request) string { return "/users/" + url.PathEscape(r.PathValue("id")) }

// patchUser handles PATCH /users/{id}.
func (f *Facade) patchUser(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		hangUp()
	}
	f.pass(w, f.tenant.manage(r.Context(), http.MethodPatch, user(r), jsonType, body))
}

// deleteUser handles DELETE /users/{id}.
func (f *Facade) deleteUser(w http.ResponseWriter, r *http.Request) {
	f.pass(w, f.tenant.manage(r.Context(), http.MethodDelete, user(r), "", nil))
}

// changePassword handles POST /change-password.
func (f *Facade) changePassword(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ID string `json:"authUserId"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.ID == "" {
		say(w, http.StatusBadRequest, "authUserId is required")
		return
	}
	found := f.tenant.manage(r.Context(), http.MethodGet, "/users/"+url.PathEscape(in.ID), "", nil)
	var account struct {
		Email string `json:"email"`
	}
	if !found.ok() || json.Unmarshal(found.body, &account) != nil {
		f.pass(w, found)
		return
	}
	asked, err := json.Marshal(map[string]string{"email": account.Email, "connection": auth0test.Connection})
	if err != nil {
		hangUp()
	}
	sent := f.tenant.call(r.Context(), http.MethodPost, "/dbconnections/change_password", http.Header{"Content-Type": {jsonType}}, asked)
	if !sent.ok() {
		f.pass(w, sent)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
