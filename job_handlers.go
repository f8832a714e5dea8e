package main

import (
	"errors"
	"net/http"
	"time"

	"user-manager/jobs"
)

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
