package main

import (
	"cmp"
	"net/http"

	"user-manager/jobs"
	"user-manager/users"
)

// startMails handles POST /jobs/change-password/bulk.
func (a *api) startMails(w http.ResponseWriter, r *http.Request) error {
	type request struct {
		IDs         []string `json:"authUsersIds" validate:"required,min=1,dive,required"`
		CallbackURL string   `json:"callbackUrl"`
	}
	var in request
	take := func(l *listBody, field string, i int) error {
		if i == 0 {
			in.IDs = nil
		}
		var id string
		if err := l.value(field, &id); err != nil {
			return err
		}
		in.IDs = append(in.IDs, id)
		return nil
	}
	wrong, err := readList(r, &listBody{name: "authUsersIds", kind: "an array of strings", others: map[string]any{"callbackUrl": &in.CallbackURL}, item: take}, false)
	if err := cmp.Or(err, wrong); err != nil {
		return err
	}
	if err := validateRequest(in); err != nil {
		return err
	}
	return a.addJob(w, r, jobs.Request{Kind: mailKind, IDs: in.IDs, CallbackURL: in.CallbackURL})
}

// mailSummary counts outcomes.
type mailSummary struct {
	Failed    int `json:"failed"`
	Completed int `json:"completed"`
	Total     int `json:"total"`
}

// showMails handles GET /jobs/change-password/bulk/:id.
func (a *api) showMails(w http.ResponseWriter, r *http.Request) error {
	type account struct {
		ID string `json:"authUserId"`
	}
	type answer struct {
		startedJob
		Summary   *mailSummary `json:"summary,omitempty"`
		Completed []account    `json:"completed,omitempty"`
		Failures  []account    `json:"failures,omitempty"`
		Progress  *progress    `json:"progress,omitempty"`
	}
	job, shown, err := a.showJob(r, mailKind)
	if err != nil {
		return err
	}
	out := answer{startedJob: started(job), Progress: shown}
	if job.Status == jobs.Completed {
		out.Summary = summaryOfMails(job)
		for outcome, err := range a.jobs.Outcomes(r.Context(), job) {
			switch {
			case err != nil:
				return failed("reading job", documented500, err)
			case outcome.Result == jobs.FailedResult:
				out.Failures = append(out.Failures, account{outcome.ID})
			default:
				out.Completed = append(out.Completed, account{outcome.ID})
			}
		}
	}
	return encode(w, http.StatusOK, out)
}

func summaryOfMails(job jobs.Job) *mailSummary {
	return &mailSummary{Failed: job.Counts[jobs.FailedResult], Completed: job.Counts[users.Sent], Total: job.Total}
}
