package auth0client

import (
	"context"
	"net/http"
	"net/url"
	"sync"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

const (
	importRoute    = "/users/import"
	jobRoute       = "/users/import/status/:jobID"
	jobErrorsRoute = "/users/import/status/:jobID/errors"
)

// mostAtOnce bounds the accounts of an Import: without the routes for jobs each is a call,
// and a tenant may take two a second.
const mostAtOnce = 1000

// ImportLimits implements [providers.Importer].
func (p *Provider) ImportLimits() providers.ImportLimits {
	limits := p.importer.ImportLimits()
	limits.Accounts = mostAtOnce
	return limits
}

// Import implements [providers.Importer] by the tenant's import jobs. Where the Auth0 Client
// has no routes for them, accounts are made one by one.
func (p *Provider) Import(ctx context.Context, accounts []providers.ImportAccount) ([]providers.ImportOutcome, error) {
	return p.importer.Import(ctx, accounts)
}

// importJobs are the [management.Jobs] of a Provider.
type importJobs struct {
	p *Provider

	mu     sync.Mutex
	singly map[string]singleImport // guarded by mu; by id, until they are asked about
}

func (j *importJobs) Start(ctx context.Context, users []byte, upsert bool, externalID string) (string, error) {
	var where management.Field // the Auth0 Client's own default
	if j.p.connection != "" {
		where = management.Field{Name: "connection", Value: j.p.connection}
	}
	c := call{method: http.MethodPost, route: importRoute}
	c.contentType, c.body = management.Form(where, users, upsert, externalID)
	job, err := j.job(ctx, c)
	switch upstream.Status(err) {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return j.makeSingly(ctx, users)
	}
	return job.ID, err
}

func (j *importJobs) Status(ctx context.Context, id string) (management.Job, error) {
	if done, ok := j.ask(id, false); ok {
		return done.job, nil
	}
	return j.job(ctx, call{method: http.MethodGet, route: jobRoute, path: "/users/import/status/" + url.PathEscape(id), patient: true})
}

// job makes a call that answers with a job.
func (j *importJobs) job(ctx context.Context, c call) (management.Job, error) {
	got, err := j.p.do(ctx, c)
	if err != nil {
		return management.Job{}, err
	}
	job, err := management.JobOf(got.body)
	if err != nil {
		return management.Job{}, unusable(c.method, c.route, err)
	}
	return job, nil
}

func (j *importJobs) Errors(ctx context.Context, id string) ([]management.RowError, error) {
	if done, ok := j.ask(id, true); ok {
		return done.report, nil
	}
	c := call{method: http.MethodGet, route: jobErrorsRoute, path: "/users/import/status/" + url.PathEscape(id) + "/errors", patient: true}
	got, err := j.p.do(ctx, c)
	if err != nil {
		return nil, err
	}
	report, err := management.RowErrorsOf(got.body)
	if err != nil {
		return nil, unusable(c.method, c.route, err)
	}
	return report, nil
}
