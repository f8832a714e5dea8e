package main

import (
	"context"
	"errors"
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
	activations, mails := a.newPacer(activationKind, 0), a.newPacer(mailKind, cfg.jobs.mailsPerSecond)
	for _, kind := range []string{activationKind, mailKind} {
		a.metrics.JobKind(kind, string(jobs.Completed), string(jobs.Failed))
	}
	return jobs.New(jobs.Config{
		Collection:  s.jobs,
		StoreIsOurs: s.embedded != nil,
		Concurrency: cfg.jobs.concurrency,
		MaxQueued:   cfg.jobs.queue,
		Retention:   cfg.jobs.retention,
		Webhook:     a.webhook,
		Log:         a.log,
		Observer: jobs.Observer{
			Ended:    func(kind string, s jobs.Status) { a.metrics.JobEnded(kind, string(s)) },
			Recorded: a.metrics.JobUsers,
		},
		Kinds: []jobs.Kind{
			{Name: activationKind, Do: func(ctx context.Context, t *jobs.Task) error {
				return a.users.Activate(ctx, t, activateOptions(t.Options()), activations)
			}},
			{Name: mailKind, Do: func(ctx context.Context, t *jobs.Task) error {
				return a.users.MailPasswords(ctx, t, mails)
			}},
		},
	})
}

// newPacer returns the pace of the jobs of a kind.
func (a *api) newPacer(kind string, perSecond float64) *jobs.Pacer {
	p := jobs.NewPacer(perSecond)
	p.Waited = func(took time.Duration) { a.metrics.Waited("jobs "+kind, took) }
	return p
}

// Options of an activation, as the queue keeps them.
const (
	upsertOption = "upsert"
	rowsOption   = "aclRows"
)

func activateOptions(kept map[string]string) users.ActivateOptions {
	return users.ActivateOptions{Upsert: kept[upsertOption] != "false", Rows: kept[rowsOption]}
}

func newWebhook(cfg config) *jobs.Webhook {
	return &jobs.Webhook{
		URL:          cfg.jobs.webhookURL,
		Secret:       cfg.jobs.webhookSecret,
		AllowedHosts: cfg.jobs.webhookHosts,
		Body:         callbackOf,
		Timeout:      cfg.upstreamTimeout,
	}
}

// openActivation reports whether an activation is not over yet.
func (a *api) openActivation(ctx context.Context, id string) (bool, error) {
	job, err := a.jobs.Job(ctx, activationKind, id)
	if errors.Is(err, jobs.ErrNotFound) {
		return false, nil
	}
	return job.Status == jobs.Pending, err
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
