package main

import "net/http"

// forward answers with the store's own answer, as it comes.
func (a *api) forward(w http.ResponseWriter, r *http.Request, below string) error {
	whole := false
	defer func() { blameStore(w, whole) }() // also when it panics, to break the answer off
	err := a.store.users.Forward(w, r, below)
	whole = true
	return err
}
