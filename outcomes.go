package main

import (
	"fmt"
	"net/http"

	"user-manager/users"
)

// An outcomeBody is what is told of one of several users when one of them failed: the id
// and what was done, or why it was not.
type outcomeBody struct {
	ID       string   `json:"_id,omitempty"`
	Changed  *int     `json:"changed,omitempty"`
	Deleted  *int     `json:"deleted,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	*failure
}

// severalFailure is the body of an error that befell some of several users.
type severalFailure struct {
	failure
	Outcomes []outcomeBody `json:"outcomes"`
}

// answerCount answers with how many users were changed, or with what became of each when
// one failed.
func (a *api) answerCount(w http.ResponseWriter, doing, done string, outcomes []users.Outcome) error {
	if users.FirstFailure(outcomes) >= 0 {
		return a.failSeveral(w, doing, done, outcomes)
	}
	return encode(w, http.StatusOK, countDone(outcomes))
}

// failSeveral answers with the status of the first failure and an outcome for each user.
// doing and done are what was done to each, "deleting user" and "deleted".
func (a *api) failSeveral(w http.ResponseWriter, doing, done string, outcomes []users.Outcome) error {
	first := users.FirstFailure(outcomes)
	body := severalFailure{failure: a.failureOf(doing, outcomes[first].Err), Outcomes: make([]outcomeBody, len(outcomes))}
	body.Message = fmt.Sprintf("%d of %d users were %s; user %d: %s", countDone(outcomes), len(outcomes), done, first, body.Message)
	for i, o := range outcomes {
		body.Outcomes[i] = a.tell(doing, done, o)
	}
	blameOn(w, fmt.Errorf("%d of %d users were %s: %w", countDone(outcomes), len(outcomes), done, failed(doing, passData, outcomes[first].Err)))
	return encode(w, body.StatusCode, body)
}

// tell says what became of one user.
func (a *api) tell(doing, done string, o users.Outcome) outcomeBody {
	told := outcomeBody{ID: o.ID, Warnings: o.Warnings}
	if o.Err != nil {
		wrong := a.failureOf(doing, o.Err)
		told.failure = &wrong
		return told
	}
	n := 0
	if o.Changed {
		n = 1
	}
	switch done {
	case "changed":
		told.Changed = &n
	case "deleted":
		told.Deleted = &n
	}
	return told
}

func (a *api) failureOf(doing string, err error) failure {
	status, message := a.classify(failed(doing, passData, err))
	return failure{status, http.StatusText(status), message}
}

func countDone(outcomes []users.Outcome) int {
	n := 0
	for _, o := range outcomes {
		if o.Changed {
			n++
		}
	}
	return n
}
