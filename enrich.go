package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/crud/document"
	"user-manager/providers"
	"user-manager/upstream"
)

// listEnriched answers GET /users/ with the store's list, each user with the
// configured properties of its account. Refusals of the store are passed on as they
// are. It buffers a page, so that a failing provider is an error and not half a list.
func (a *api) listEnriched(w http.ResponseWriter, r *http.Request) error {
	params, hide := a.withUserID(r.URL.Query())
	res, err := a.store.users.Open(r, "/", params)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		maps.Copy(w.Header(), res.Header)
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body) // a client that is gone
		blameStore(w, true)
		return nil
	}
	var list []document.Document
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		return &upstream.Error{Service: crud.Service, Route: a.store.users.Route(r.Method, "/"), Err: fmt.Errorf("decode answer: %w", err)}
	}
	if err := a.enrich(r, list); err != nil {
		return err
	}
	if hide {
		for _, user := range list {
			delete(user, a.enrichment.UserID)
		}
	}
	if list == nil {
		list = []document.Document{}
	}
	return encode(w, http.StatusOK, list)
}

// withUserID returns the query with the account's id among the fields of a
// projection, and whether it has to be taken out of the answer again.
func (a *api) withUserID(params url.Values) (url.Values, bool) {
	projection := params.Get("_p")
	named := func(field string) bool { return strings.TrimSpace(field) == a.enrichment.UserID }
	if projection == "" || slices.ContainsFunc(strings.Split(projection, ","), named) {
		return params, false
	}
	params.Set("_p", projection+","+a.enrichment.UserID)
	return params, true
}

// enrich adds the configured properties of its account to each user that has one.
func (a *api) enrich(r *http.Request, list []document.Document) error {
	var ids []string
	for _, user := range list {
		if id, _ := user[a.enrichment.UserID].(string); id != "" {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.timeout)
	defer cancel()
	accounts, err := providers.Accounts(ctx, a.provider, ids, a.users.FanOut)
	if err != nil {
		return err
	}
	for _, user := range list {
		id, _ := user[a.enrichment.UserID].(string)
		for _, name := range a.enrichment.Properties {
			if value, ok := accounts[id].Properties[name]; ok {
				user[name] = value
			}
		}
	}
	return nil
}
