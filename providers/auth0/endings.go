package auth0

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"user-manager/providers"
	"user-manager/upstream"
)

// Routes that end sessions.
const (
	endTokensRoute   = "DELETE /api/v2/users/:id/refresh-tokens"
	listDevicesRoute = "GET /api/v2/device-credentials"
	endDeviceRoute   = "DELETE /api/v2/device-credentials/:id"
	endSessionsRoute = "DELETE /api/v2/users/:id/sessions"
)

// refusedFor is how long a way to end sessions is not tried again once it was refused, and
// how often the log is told that there is none.
const refusedFor = time.Hour

// endSessions revokes the refresh tokens of an account that was just blocked, for the time
// after the block: while that holds the tenant refuses them anyway. A tenant that does not
// let the service do so is told to the log; the block stands. Any other failure is an error
// after which the call can be made again.
func (p *Provider) endSessions(ctx context.Context, id string) error {
	err := p.endBy(ctx, endTokensRoute, userPath(id)+"/refresh-tokens", id)
	if isRefusedWay(err) {
		err = p.endDevices(ctx, id)
	}
	if isRefusedWay(err) {
		p.warn(ctx, err)
		err = nil
	}
	if err != nil {
		return upstream.Partly(err)
	}
	// Sessions of browsers, which no login of ours begins.
	if err := p.endBy(ctx, endSessionsRoute, userPath(id)+"/sessions", id); err != nil && !isRefusedWay(err) {
		return upstream.Partly(err)
	}
	return nil
}

// isRefusedWay reports whether the tenant lacks a route, keeps it from us, or does not let
// it be used for this account. To insist would keep the account from being blocked.
func isRefusedWay(err error) bool {
	switch upstream.Status(err) {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	return false
}

// endBy makes a DELETE, unless its route was refused a while ago. What is not there, an
// account or one of its tokens, counts as ended.
func (p *Provider) endBy(ctx context.Context, route, path, id string) error {
	if p.isRefused(route) {
		return &upstream.Error{Service: providers.Service, Route: route, Status: http.StatusForbidden}
	}
	_, err := p.manage(ctx, &request{method: http.MethodDelete, path: path, route: route, repeatable: true}, id)
	if errors.Is(err, providers.ErrNotFound) || route == endDeviceRoute && upstream.Status(err) == http.StatusNotFound {
		return nil
	}
	p.refuseAfter(route, err)
	return err
}

func (p *Provider) isRefused(route string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.refused[route])
}

// refuseAfter keeps a route from being tried for a while if err says that it is of no use.
// Status 400 may be about one account.
func (p *Provider) refuseAfter(route string, err error) {
	if isRefusedWay(err) && upstream.Status(err) != http.StatusBadRequest {
		p.refuse(route, refusedFor)
	}
}

func (p *Provider) refuse(route string, length time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused[route] = time.Now().Add(length)
}

// endDevices revokes the refresh tokens of an account one by one, those that rotate and
// those that do not.
func (p *Provider) endDevices(ctx context.Context, id string) error {
	if p.isRefused(listDevicesRoute) {
		return &upstream.Error{Service: providers.Service, Route: listDevicesRoute, Status: http.StatusForbidden}
	}
	for _, kind := range []string{"refresh_token", "rotating_refresh_token"} {
		if err := p.endDevicesOf(ctx, id, kind); err != nil {
			return err
		}
	}
	return nil
}

const (
	devicesPerPage = 100
	mostPages      = 50 // an account has 200 tokens at most for each application
)

func (p *Provider) endDevicesOf(ctx context.Context, id, kind string) error {
	for range mostPages {
		r := &request{
			method: http.MethodGet, path: "/api/v2/device-credentials", route: listDevicesRoute,
			query: url.Values{"user_id": {id}, "type": {kind}, "per_page": {strconv.Itoa(devicesPerPage)}, "page": {"0"}},
		}
		a, err := p.manage(ctx, r, id)
		p.refuseAfter(listDevicesRoute, err)
		if err != nil {
			return err
		}
		var devices []struct {
			ID string `json:"id"`
		}
		if err := decode(r, a, &devices); err != nil {
			return err
		}
		for _, d := range devices { // what is deleted makes the next page the first
			path := "/api/v2/device-credentials/" + url.PathEscape(d.ID)
			if err := p.endBy(ctx, endDeviceRoute, path, id); err != nil {
				return err
			}
		}
		if len(devices) < devicesPerPage {
			return nil
		}
	}
	return nil
}

// warn tells the log, now and then, that sessions are not ended for good.
func (p *Provider) warn(ctx context.Context, err error) {
	p.mu.Lock()
	again := time.Since(p.warned) >= refusedFor
	if again {
		p.warned = time.Now()
	}
	p.mu.Unlock()
	if again {
		p.log.WarnContext(ctx, "refresh tokens of blocked accounts are not revoked: they work again after the block. "+
			"The management application needs delete:refresh_tokens, or read:device_credentials and delete:device_credentials", "err", err)
	}
}
