package rondtest

import (
	"net/http"
	"strings"

	"user-manager/rond"
	"user-manager/upstream/faults"
)

// NewFaulty returns a transport of a [rond.Client] that hands requests to next, except for
// what the plan says:
//
//	plan := faults.NewPlan()
//	transport := rondtest.NewFaulty(crud.InProcess(rondtest.New(rondtest.Config{})), plan)
//
// In [faults.Plan.Calls] a call reads "Rond POST /grant/bindings", or, with a resource type,
// "Rond POST /grant/bindings/resource/:resourceType".
func NewFaulty(next http.RoundTripper, plan *faults.Plan) *faults.Transport {
	body := func(status int) any { return refusalBody(status, "planned fault") }
	return &faults.Transport{Next: next, Plan: plan, Name: callName, Body: body}
}

func callName(req *http.Request) string {
	path := req.URL.Path
	if route, _, typed := strings.Cut(path, "/resource/"); typed {
		path = route + "/resource/:resourceType"
	}
	return rond.Service + " " + req.Method + " " + path
}
