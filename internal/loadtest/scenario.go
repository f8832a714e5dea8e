package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A scenario is one kind of request. Its next returns what a worker asks, or false
// when there is nothing left to ask for; it is called by several workers at once.
type scenario struct {
	name, title string
	next        func(*target, *rand.Rand) (request, bool)
	creates     bool // the answer has the id of a new document
	removes     bool // uses up what was created
}

// pageSkip is how deep the deep page is.
const pageSkip = 9000

// scenarios are in the order they are run in: reads first, on the documents that were
// loaded alone.
var scenarios = []scenario{
	{name: "get", title: "get by id", next: func(t *target, r *rand.Rand) (request, bool) {
		return t.dialect.get(t.people.id(r)), true
	}},
	{name: "email", title: "get by unique email", next: func(t *target, r *rand.Rand) (request, bool) {
		return t.dialect.getByEmail(t.people.email(r)), true
	}},
	{name: "list25", title: "list 25", next: page(25, 0)},
	{name: "list200", title: "list 200", next: page(200, 0)},
	{name: "deep", title: "25 after 9,000", next: page(25, pageSkip)},
	{name: "patch", title: "patch", next: func(t *target, r *rand.Rand) (request, bool) {
		return t.dialect.patch(t.people.id(r), fmt.Sprintf("company %d", r.Uint32())), true
	}},
	{name: "create", title: "create", creates: true, next: func(t *target, _ *rand.Rand) (request, bool) {
		return t.dialect.create(t.people.next()), true
	}},
	{name: "delete", title: "delete", removes: true, next: func(t *target, _ *rand.Rand) (request, bool) {
		id, ok := t.people.take()
		return t.dialect.remove(id), ok
	}},
}

func page(limit, skip int) func(*target, *rand.Rand) (request, bool) {
	return func(t *target, _ *rand.Rand) (request, bool) { return t.dialect.list(limit, skip), true }
}

// chosen returns the scenarios of a list of names, all for an empty one.
func chosen(names string) ([]scenario, error) {
	if names == "" {
		return scenarios, nil
	}
	var all []string
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	wanted := strings.Split(names, ",")
	for _, name := range wanted {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("-only %q: is not one of %s", name, strings.Join(all, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(scenarios), func(s scenario) bool { return !slices.Contains(wanted, s.name) }), nil
}

// scenarioNamed returns one of scenarios.
func scenarioNamed(name string) scenario {
	return scenarios[slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })]
}
