// Package crudtest lets the store fail on purpose, for tests.
package crudtest

import (
	"net/http"
	"regexp"

	"user-manager/crud"
	"user-manager/upstream/faults"
)

// NewFaulty returns a transport of a [crud.Client] that hands requests to next, except for
// what the plan says:
//
//	plan := faults.NewPlan()
//	client, err := crud.New("http://embedded", crudtest.NewFaulty(crud.InProcess(store), plan), timeout)
//
// In [faults.Plan.Calls] a call reads "CRUD PATCH /users/:id": ids are not told apart, and
// the query is left out.
//
// A provider that keeps its accounts in the same store should be given another
// client, or its calls count twice.
func NewFaulty(next http.RoundTripper, plan *faults.Plan) *faults.Transport {
	return &faults.Transport{Next: next, Plan: plan, Name: callName}
}

// id is how a document's id looks in a path.
var id = regexp.MustCompile(`/[0-9a-fA-F]{24}(/|$)`)

func callName(req *http.Request) string {
	return crud.Service + " " + req.Method + " " + id.ReplaceAllString(req.URL.Path, "/:id$1")
}
