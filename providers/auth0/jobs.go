package auth0

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

// Routes of import jobs.
const (
	connectionsRoute = "GET /api/v2/connections"
	startRoute       = "POST /api/v2/jobs/users-imports"
	jobRoute         = "GET /api/v2/jobs/:id"
	jobErrorsRoute   = "GET /api/v2/jobs/:id/errors"
)

// importJobs are the tenant's import jobs as the management package wants them.
type importJobs struct{ *Provider }

// Start implements [management.Jobs]. A 429 may say that two jobs are active, so it is
// returned, whatever it says. A connection that was made anew since it was asked for has
// another id.
func (j importJobs) Start(ctx context.Context, users []byte, upsert bool, externalID string) (string, error) {
	connection, err := j.connection(ctx)
	if err != nil {
		return "", err
	}
	id, err := j.start(ctx, connection, users, upsert, externalID)
	if !errors.Is(err, providers.ErrMisconfigured) {
		return id, err
	}
	j.setConnection("")
	now, failed := j.connection(ctx)
	if failed != nil || now == connection {
		return "", err
	}
	return j.start(ctx, now, users, upsert, externalID)
}

func (j importJobs) start(ctx context.Context, connection string, users []byte, upsert bool, externalID string) (string, error) {
	kind, body := management.Form(management.Field{Name: "connection_id", Value: connection}, users, upsert, externalID)
	r := &request{
		method: http.MethodPost, path: "/api/v2/jobs/users-imports", route: startRoute, contentType: kind, body: body,
		excused: func(*answer) bool { return true },
	}
	job, err := answered(ctx, j, r, management.JobOf)
	return job.ID, err
}

// Status implements [management.Jobs].
func (j importJobs) Status(ctx context.Context, id string) (management.Job, error) {
	r := &request{method: http.MethodGet, path: "/api/v2/jobs/" + url.PathEscape(id), route: jobRoute}
	return answered(ctx, j, r, management.JobOf)
}

// Errors implements [management.Jobs].
func (j importJobs) Errors(ctx context.Context, id string) ([]management.RowError, error) {
	r := &request{method: http.MethodGet, path: "/api/v2/jobs/" + url.PathEscape(id) + "/errors", route: jobErrorsRoute}
	return answered(ctx, j, r, management.RowErrorsOf)
}

// answered makes a call and returns what its answer is, as read reads it.
func answered[T any](ctx context.Context, j importJobs, r *request, read func(body []byte) (T, error)) (T, error) {
	var none T
	a, err := j.manage(ctx, r)
	if err != nil {
		return none, err
	}
	got, err := read(a.body)
	if err != nil {
		return none, upstream.Unanswered(providers.Service, r.route, err)
	}
	return got, nil
}

// connection returns the id of the configured connection. It is asked for once.
func (p *Provider) connection(ctx context.Context) (string, error) {
	p.mu.Lock()
	id := p.connectionID
	p.mu.Unlock()
	if id != "" {
		return id, nil
	}
	id, err := p.ids.do(ctx, "", p.findConnection)
	if _, ok := errors.AsType[*upstream.Error](err); err != nil && !ok {
		return "", upstream.Unanswered(providers.Service, connectionsRoute, err)
	}
	return id, err
}

func (p *Provider) setConnection(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connectionID = id
}

// findConnection asks the tenant for the id of the configured connection.
func (p *Provider) findConnection(ctx context.Context) (string, error) {
	r := &request{
		method: http.MethodGet, path: "/api/v2/connections", route: connectionsRoute,
		query: url.Values{"name": {p.settings.connection}, "fields": {"id,name"}, "include_fields": {"true"}},
	}
	a, err := p.manage(ctx, r)
	if err != nil {
		return "", err
	}
	var connections []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	if err := decode(r, a, &connections); err != nil {
		return "", err
	}
	for _, c := range connections {
		if c.Name == p.settings.connection && c.ID != "" {
			p.setConnection(c.ID)
			return c.ID, nil
		}
	}
	return "", &upstream.Error{
		Service: providers.Service, Route: r.route, Status: http.StatusNotFound, NotDone: true,
		Message: "The tenant has no connection of the configured name.", Err: providers.ErrMisconfigured,
	}
}
