package main

import "net/http"

// forward answers with the store's own answer, as it comes.
func (a *api) forward(w http.ResponseWriter, r *http.Request, below string) error {
	return a.store.users.Forward(w, r, below)
}
