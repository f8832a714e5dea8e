package auth0

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/secret"
	"user-manager/upstream"
)

const tokenRoute = "POST /oauth/token"

// Times of tokens of the Management API, which live for a day unless the tenant is told
// otherwise.
const (
	earliestRenewal = 5 * time.Minute  // before a token expires, or a tenth of its life before
	nextRenewal     = 10 * time.Second // after one that failed, while the old token is valid
	renewalPatience = 2 * time.Second  // of a caller, while the old token is valid
	nextRequest     = 10 * time.Second // after a refusal, and after a token that is refused at once
)

// tokens are those of the Management API: one is kept until shortly before it expires, and
// fetched once for all who wait for it. A tenant that refuses to give one, or that refuses
// the one that it has just given, is not asked for another with every call. It is safe for
// use by several goroutines.
type tokens struct {
	config  clientcredentials.Config
	http    *http.Client
	fetches flights[managementToken]

	mu      sync.Mutex // guards what follows
	current managementToken
	refusal error     // why there is none; nil: that is not known
	until   time.Time // the refusal counts
}

type managementToken struct {
	value   secret.Text // no secret: there is no token
	scopes  []string
	expires time.Time // zero: it is not said
	renew   time.Time // from then on another is fetched, if that can be had
	fetched time.Time
}

func newTokens(t *transport, base *url.URL, c client) *tokens {
	address := strings.TrimRight(base.String(), "/")
	return &tokens{
		config: clientcredentials.Config{
			ClientID: c.id, ClientSecret: c.secret.Reveal(),
			TokenURL:       address + "/oauth/token",
			EndpointParams: url.Values{"audience": {address + "/api/v2/"}},
			AuthStyle:      oauth2.AuthStyleInParams,
		},
		http: &http.Client{Transport: exchange{t}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// get returns a token that is valid. Errors are [*upstream.Error] values: nothing of what
// the token was for is done.
func (t *tokens) get(ctx context.Context) (managementToken, error) {
	now := time.Now()
	held := t.held()
	if held.valid(now) && (held.renew.IsZero() || now.Before(held.renew)) {
		return held, nil
	}
	err := t.refusedOfLate(now)
	if err != nil && !held.valid(now) {
		return managementToken{}, t.failure(ctx, err)
	}
	fresh, err := t.join(ctx, held.valid(now))
	if err == nil {
		return fresh, nil
	}
	if held = t.held(); held.valid(time.Now()) && ctx.Err() == nil {
		return held, nil
	}
	return managementToken{}, t.failure(ctx, err)
}

// join waits for the token that is being fetched, for a mere renewal not long.
func (t *tokens) join(ctx context.Context, renewal bool) (managementToken, error) {
	if renewal {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, renewalPatience)
		defer cancel()
	}
	return t.fetches.do(ctx, "", t.fetch)
}

func (t *tokens) held() managementToken {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

func (m managementToken) valid(now time.Time) bool {
	return !m.value.IsZero() && (m.expires.IsZero() || now.Before(m.expires))
}

// refusedOfLate returns the refusal to give a token, if that was a moment ago.
func (t *tokens) refusedOfLate(now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.until) {
		return t.refusal
	}
	return nil
}

// drop forgets a token that the tenant refuses, and reports whether another may do better:
// not when that one is new.
func (t *tokens) drop(refused secret.Text) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.value != refused {
		return true
	}
	if time.Since(t.current.fetched) < nextRequest {
		return false
	}
	t.current = managementToken{}
	return true
}

// fetch gets a token and keeps it.
func (t *tokens) fetch(ctx context.Context) (managementToken, error) {
	got, err := t.config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.http))
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if err != nil {
		t.current.renew = now.Add(nextRenewal)
		if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && isRefusal(refused) {
			t.refusal, t.until = err, now.Add(nextRequest)
		}
		return managementToken{}, err
	}
	t.current = managementToken{value: secret.New(got.AccessToken), expires: got.Expiry, fetched: now}
	if scope, ok := got.Extra("scope").(string); ok {
		t.current.scopes = strings.Fields(scope)
	}
	if life := got.Expiry.Sub(now); !got.Expiry.IsZero() {
		t.current.renew = got.Expiry.Add(-min(life/10, earliestRenewal))
	}
	return t.current, nil
}

// failure returns the error of a token that cannot be had. The tenant's refusal is about
// the service's own application.
func (t *tokens) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = gone(ctx)
	}
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		failed := upstream.Unanswered(providers.Service, tokenRoute, err)
		if inner, ok := errors.AsType[*upstream.Error](err); ok {
			copied := *inner
			failed = &copied
		} else if failed.Err == nil || ctx.Err() == nil {
			failed.Err = errors.Join(upstream.ErrAnswer, errNoToken) // err may show the answer
		}
		failed.NotDone = true
		return failed
	}
	failed := &upstream.Error{
		Service: providers.Service, Route: tokenRoute, Status: refused.Response.StatusCode, NotDone: true,
		Message:    management.Clip(providers.Mask(refused.ErrorDescription, t.config.ClientSecret)),
		RetryAfter: upstream.ParseRetryAfter(refused.Response.Header.Get("Retry-After"), time.Now()),
	}
	switch {
	case isRefusal(refused):
		failed.Err = providers.ErrMisconfigured
	case failed.Status != http.StatusTooManyRequests: // no refusal: another time there may be one
		failed.Status, failed.Err = 0, fmt.Errorf("%w: it has status %d", upstream.ErrAnswer, refused.Response.StatusCode)
	}
	return failed
}

// isRefusal reports whether an answer of POST /oauth/token refuses the application for good.
func isRefusal(refused *oauth2.RetrieveError) bool {
	switch status := refused.Response.StatusCode; status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout:
		return false
	default:
		return status >= 400 && status < 500 || aboutService[refused.ErrorCode]
	}
}

var errNoToken = errors.New("it has no token")

// exchange lets the oauth2 package make its call by our transport.
type exchange struct{ transport *transport }

// RoundTrip implements [http.RoundTripper].
func (e exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	req.Body.Close()
	if err != nil {
		return nil, err
	}
	a, err := e.transport.do(req.Context(), &request{
		method: http.MethodPost, path: "/oauth/token", route: tokenRoute,
		contentType: req.Header.Get("Content-Type"), body: body,
		repeatable: true, kind: renewsToken, lane: urgent,
	})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: req,
	}, nil
}
