package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"user-manager/jobs"
	"user-manager/upstream"
	"user-manager/users"
)

// startActivation handles POST /jobs/bulk-activation. As is documented, a request that
// is not valid is a 404, save for what is no JSON.
func (a *api) startActivation(w http.ResponseWriter, r *http.Request) error {
	upsert, err := flagParam(r, "upsert", true)
	if err != nil {
		return notFound(err)
	}
	ids, callback, err := decodeActivation(r)
	if err != nil {
		return err
	}
	exists, err := a.users.AnyUser(r.Context(), ids)
	if err != nil {
		return failed("reading users", documented500, err)
	}
	if !exists {
		return &requestError{http.StatusNotFound, "filter.userId: none of the users exists"}
	}
	options := map[string]string{
		upsertOption: strconv.FormatBool(upsert),
		rowsOption:   upstream.CallerFrom(r.Context()).ACL.Get(upstream.ACLRowsHeader),
	}
	return a.addJob(w, r, jobs.Request{Kind: activationKind, IDs: ids, Options: options, CallbackURL: callback})
}

// notFound makes a 404 of a request that is not valid.
func notFound(err error) error {
	if wrong, ok := errors.AsType[*requestError](err); ok && wrong.status == http.StatusBadRequest {
		return &requestError{http.StatusNotFound, wrong.message}
	}
	return err
}

// decodeActivation reads the users of an activation, each once: an array, or an object
// with the array and a callback.
func decodeActivation(r *http.Request) (ids []string, callback string, err error) {
	type entry struct {
		Filter struct {
			UserID string `json:"userId"`
		} `json:"filter"`
	}
	count, missing := 0, -1
	seen := map[string]bool{}
	take := func(l *listBody, field string, i int) error {
		if i == 0 {
			ids, count, missing = nil, 0, -1
			clear(seen)
		}
		count++
		var of entry
		if err := l.value(field, &of); err != nil {
			return err
		}
		if of.Filter.UserID == "" && missing < 0 {
			missing = i
		}
		if id := strings.ToLower(of.Filter.UserID); !seen[id] {
			seen[id] = true
			ids = append(ids, of.Filter.UserID)
		}
		return nil
	}
	wrong, err := readList(r, &listBody{name: "users", kind: "an array", others: map[string]any{"callbackUrl": &callback}, item: take}, true)
	switch {
	case err != nil:
		return nil, "", err
	case wrong != nil:
		return nil, "", notFound(wrong)
	case count == 0:
		return nil, "", &requestError{http.StatusNotFound, "body: must be an array of at least one user"}
	case missing >= 0:
		return nil, "", &requestError{http.StatusNotFound, fmt.Sprintf("[%d].filter.userId: is required", missing)}
	}
	return ids, callback, nil
}

// activationSummary counts outcomes.
type activationSummary struct {
	Failed   int `json:"failed"`
	Updated  int `json:"updated"`
	Inserted int `json:"inserted"`
	Total    int `json:"total"`
}

// showActivation handles GET /jobs/bulk-activation/:id.
func (a *api) showActivation(w http.ResponseWriter, r *http.Request) error {
	type failedUser struct {
		UserID string         `json:"userId"`
		Errors []jobs.Problem `json:"errors"`
	}
	type answer struct {
		startedJob
		Summary  *activationSummary `json:"summary,omitempty"`
		Failures []failedUser       `json:"failures,omitempty"`
		Progress *progress          `json:"progress,omitempty"`
	}
	job, shown, err := a.showJob(r, activationKind)
	if err != nil {
		return err
	}
	out := answer{startedJob: started(job), Progress: shown}
	if job.Status == jobs.Completed {
		out.Summary = summaryOfActivation(job)
		for outcome, err := range a.jobs.Outcomes(r.Context(), job) {
			if err != nil {
				return failed("reading job", documented500, err)
			}
			if outcome.Result == jobs.FailedResult {
				out.Failures = append(out.Failures, failedUser{outcome.ID, outcome.Problems})
			}
		}
	}
	return encode(w, http.StatusOK, out)
}

func summaryOfActivation(job jobs.Job) *activationSummary {
	return &activationSummary{
		Failed: job.Counts[jobs.FailedResult], Updated: job.Counts[users.Updated], Inserted: job.Counts[users.Inserted], Total: job.Total,
	}
}
