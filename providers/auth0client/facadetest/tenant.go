package facadetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"user-manager/crud"
	"user-manager/providers/auth0/auth0test"
)

// A tenant is the way to one.
type tenant struct {
	base      string
	transport http.RoundTripper

	mu      sync.Mutex // held while a token is fetched
	token   string     // guarded by mu; of the Management API
	expires time.Time  // guarded by mu
}

func newTenant(h http.Handler, base string) *tenant {
	return &tenant{base: base, transport: crud.InProcess(h)}
}

// A reply is the tenant's answer, or why there is none.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error
}

func (r reply) ok() bool { return r.err == nil && r.status >= 200 && r.status < 300 }

func (t *tenant) call(ctx context.Context, method, path string, header http.Header, body []byte) reply {
	req, err := http.NewRequestWithContext(ctx, method, t.base+path, bytes.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := t.transport.RoundTrip(req)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, content, err}
}

// post posts a form.
func (t *tenant) post(ctx context.Context, path string, form url.Values) reply {
	return t.call(ctx, http.MethodPost, path, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()))
}

// manage makes a call of the Management API.
func (t *tenant) manage(ctx context.Context, method, path, contentType string, body []byte) reply {
	token, err := t.managementToken(ctx)
	if err != nil {
		return reply{err: err}
	}
	header := http.Header{"Authorization": {"Bearer " + token}}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	return t.call(ctx, method, "/api/v2"+path, header, body)
}

func (t *tenant) managementToken(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.expires) {
		return t.token, nil
	}
	r := t.post(ctx, "/oauth/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {auth0test.ManagementClientID},
		"client_secret": {auth0test.ManagementClientSecret}, "audience": {t.base + "/api/v2/"},
	})
	var granted tokens
	if !r.ok() || json.Unmarshal(r.body, &granted) != nil {
		return "", fmt.Errorf("no token of the Management API: status %d (%w)", r.status, r.err)
	}
	t.token, t.expires = granted.AccessToken, time.Now().Add(granted.life()-time.Minute)
	return t.token, nil
}

// tokens are what the tenant answers to a grant.
type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	ExpiresIn    int    `json:"expires_in"`
}

func (t tokens) life() time.Duration { return time.Duration(t.ExpiresIn) * time.Second }
