package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestConditionsOfTheCaller: a condition that a caller sets holds, and one that cannot be
// read is no change at all.
func TestConditionsOfTheCaller(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		method, query, body string
		status              int
		stays               bool // the user, as it is
	}{
		"delete, another name":           {"DELETE", "?name=Other", "", 500, true},
		"delete, another state":          {"DELETE", "?_st=TRASH", "", 500, true},
		"delete, a query":                {"DELETE", `?_q={"name":"Other"}`, "", 500, true},
		"delete, what the store has not": {"DELETE", "?_nope=1", "", 400, true},
		"delete, unreadable":             {"DELETE", "?name=%zz", "", 400, true},
		"delete, its name":               {"DELETE", "?name=Ann", "", 204, false},
		"patch, another name":            {"PATCH", "?name=Other", `{"name":"Zed"}`, 500, true},
		"patch, unreadable":              {"PATCH", "?name=%zz", `{"name":"Zed"}`, 400, true},
		"patch, a semicolon":             {"PATCH", "?name=Other;x", `{"name":"Zed"}`, 400, true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			withAnn(h)
			before := h.world()
			if got := h.call(test.method, "/users/<id1>"+test.query, test.body); got.status != test.status {
				t.Errorf("%d %s, want %d", got.status, got.body, test.status)
			}
			after := h.world()
			stays := len(after.Users) == len(before.Users) && len(after.Accounts) == len(before.Accounts) && after.Users[0]["name"] == "Ann"
			if stays != test.stays {
				t.Errorf("users %v, accounts %v", after.Users, after.Accounts)
			}
		})
	}
}

// TestUncleanPathsRunNothing: a path that is not found does nothing, whatever route it
// looks like.
func TestUncleanPathsRunNothing(t *testing.T) {
	t.Parallel()
	ran := false
	mux := http.NewServeMux()
	mux.HandleFunc("DELETE /users/{id}", func(http.ResponseWriter, *http.Request) { ran = true })
	w := httptest.NewRecorder()
	jsonErrors(mux).ServeHTTP(w, httptest.NewRequest("DELETE", "/users/..%2froles", nil))
	if w.Code != http.StatusNotFound || ran {
		t.Errorf("%d, and the route ran: %v", w.Code, ran)
	}
}

// TestStoreWithoutJournal: what every operation needs is part of being ready.
func TestStoreWithoutJournal(t *testing.T) {
	t.Parallel()
	h, _ := remoteHarness(t, map[string]string{"JOURNAL_CRUD_ENDPOINT": "/ums-journal"})
	for _, path := range []string{"/-/ready", "/-/check-up"} {
		got := h.call("GET", path, "")
		if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "/ums-journal/") {
			t.Errorf("%s without a journal = %d %s", path, got.status, got.body)
		}
	}
}

// TestStoreGoneTellsNoIDs: errors name routes, not users.
func TestStoreGoneTellsNoIDs(t *testing.T) {
	t.Parallel()
	store := httptest.NewServer(http.NotFoundHandler())
	store.Close()
	const id = "66e19957f72ba7349eb7b7b2"
	res, err := http.Get(wholeService(t, store.URL) + "/users/" + id)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(body); res.StatusCode != http.StatusInternalServerError || strings.Contains(text, id) || !strings.Contains(text, "GET /users/:id") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}
