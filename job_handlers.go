package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"user-manager/jobs"
	"user-manager/users"
)

// Kinds of jobs.
const (
	activationKind = "bulk-activation"
	mailKind       = "change-password"
)

// newQueue returns the queue of the service's jobs.
func (a *api) newQueue(cfg config, s *store) *jobs.Queue {
	activations, mails := jobs.NewPacer(0), jobs.NewPacer(cfg.jobs.mailsPerSecond)
	return jobs.New(jobs.Config{
		Collection:  s.jobs,
		StoreIsOurs: s.embedded != nil,
		Concurrency: cfg.jobs.concurrency,
		MaxQueued:   cfg.jobs.queue,
		Retention:   cfg.jobs.retention,
		Webhook:     a.webhook,
		Log:         a.log,
		Kinds: []jobs.Kind{
			{Name: activationKind, Do: func(ctx context.Context, t *jobs.Task) error {
				return a.users.Activate(ctx, t, t.Options()["upsert"] != "false", activations)
			}},
			{Name: mailKind, Do: func(ctx context.Context, t *jobs.Task) error {
				return a.users.MailPasswords(ctx, t, mails)
			}},
		},
	})
}

// startedJob is what is told of every job.
type startedJob struct {
	ID        string      `json:"jobId"`
	Status    jobs.Status `json:"status"`
	CreatedAt string      `json:"jobCreatedAt"`
}

// jobTime is how times of jobs are given.
const jobTime = "2006-01-02T15:04:05.000Z"

func started(job jobs.Job) startedJob {
	return startedJob{job.ID, job.Status, job.CreatedAt.UTC().Format(jobTime)}
}

// addJob adds a job and answers that it is there.
func (a *api) addJob(w http.ResponseWriter, r *http.Request, request jobs.Request) error {
	if request.CallbackURL != "" {
		if err := a.webhook.CheckURL(request.CallbackURL); err != nil {
			return badRequest("callbackUrl: %s", err)
		}
	}
	job, err := a.jobs.Add(r.Context(), request)
	if errors.Is(err, jobs.ErrFull) {
		w.Header().Set("Retry-After", "30")
		return &requestError{http.StatusServiceUnavailable, "too many jobs are waiting; try again later"}
	}
	if err != nil {
		return failed("creating job", documented500, err)
	}
	return encode(w, http.StatusAccepted, started(job))
}

// job returns the job that the path names.
func (a *api) job(r *http.Request, kind string) (jobs.Job, error) {
	job, err := a.jobs.Job(r.Context(), kind, r.PathValue("id"))
	if errors.Is(err, jobs.ErrNotFound) {
		return job, &requestError{http.StatusNotFound, "id: there is no such job"}
	}
	return job, failed("reading job", documented500, err)
}

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
	any, err := a.users.AnyUser(r.Context(), ids)
	if err != nil {
		return failed("reading users", documented500, err)
	}
	if !any {
		return &requestError{http.StatusNotFound, "filter.userId: none of the users exists"}
	}
	return a.addJob(w, r, jobs.Request{
		Kind: activationKind, IDs: ids, Options: map[string]string{"upsert": fmt.Sprint(upsert)}, CallbackURL: callback,
	})
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
	var in struct {
		Users       []entry `json:"users"`
		CallbackURL string  `json:"callbackUrl"`
	}
	body, err := readJSON(r)
	if err != nil {
		return nil, "", err
	}
	if !json.Valid(body) {
		return nil, "", bodyError(json.Unmarshal(body, &in))
	}
	if body[0] == '[' {
		err = decodeStrict(body, &in.Users)
	} else {
		err = decodeStrict(body, &in)
	}
	if err != nil {
		return nil, "", notFound(err)
	}
	if len(in.Users) == 0 {
		return nil, "", &requestError{http.StatusNotFound, "body: must be an array of at least one user"}
	}
	seen := make(map[string]bool, len(in.Users))
	for i, entry := range in.Users {
		id := strings.ToLower(entry.Filter.UserID)
		if id == "" {
			return nil, "", &requestError{http.StatusNotFound, fmt.Sprintf("[%d].filter.userId: is required", i)}
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, entry.Filter.UserID)
		}
	}
	return ids, in.CallbackURL, nil
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

// startMails handles POST /jobs/change-password/bulk.
func (a *api) startMails(w http.ResponseWriter, r *http.Request) error {
	type request struct {
		IDs         []string `json:"authUsersIds" validate:"required,min=1,dive,required"`
		CallbackURL string   `json:"callbackUrl"`
	}
	in, err := decode[request](r)
	if err != nil {
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

// summaryOf returns the summary of a completed job, by its kind; nil for any other.
func summaryOf(job jobs.Job) any {
	switch {
	case job.Status != jobs.Completed:
		return nil
	case job.Kind == mailKind:
		return summaryOfMails(job)
	}
	return summaryOfActivation(job)
}

// callbackOf is what is posted when a job is over.
func callbackOf(job jobs.Job) any {
	return map[string]any{
		"type":      job.Kind + "." + string(job.Status),
		"timestamp": job.FinishedAt.UTC().Format(jobTime),
		"data":      endedJob{started(job), summaryOf(job)},
	}
}

// endedJob is a job without what became of each id.
type endedJob struct {
	startedJob
	Summary any `json:"summary,omitempty"`
}

// showJob returns the job that the path names, and its progress if that is asked for.
func (a *api) showJob(r *http.Request, kind string) (jobs.Job, *progress, error) {
	asked, err := flagParam(r, "progress", false)
	if err != nil {
		return jobs.Job{}, nil, err
	}
	job, err := a.job(r, kind)
	if err != nil || !asked {
		return job, nil, err
	}
	p := progressOf(job, time.Now())
	return job, &p, nil
}

// progress says how far a job is.
type progress struct {
	Done      int    `json:"done"`
	Total     int    `json:"total"`
	StartedAt string `json:"startedAt,omitempty"`
	// Estimate is when a running job will be over if it goes on as it did.
	Estimate string `json:"estimatedCompletionAt,omitempty"`
}

func progressOf(job jobs.Job, now time.Time) progress {
	p := progress{Done: job.Done, Total: job.Total}
	if job.StartedAt.IsZero() {
		return p
	}
	p.StartedAt = job.StartedAt.UTC().Format(jobTime)
	if job.Status == jobs.Pending && job.Done > 0 {
		each := now.Sub(job.StartedAt) / time.Duration(job.Done)
		p.Estimate = now.Add(each * time.Duration(job.Total-job.Done)).UTC().Format(jobTime)
	}
	return p
}
