package auth0test

import (
	"net/http"
	"time"
)

type api int

const (
	managementAPI api = iota
	authenticationAPI
)

// A route is an endpoint. Its handler runs with the tenant's lock held.
type route struct {
	pattern string // "GET /api/v2/users/{id}"
	api     api
	scopes  []string // any of which the Management API asks for
	handle  func(*call) (*reply, error)
}

const (
	tokenRoute  = "POST /oauth/token"
	keysRoute   = "GET /.well-known/jwks.json"
	importRoute = "POST /api/v2/jobs/users-imports"
)

// routes is the whole surface of a tenant: one line per endpoint.
func (t *Tenant) routes() *http.ServeMux {
	mux := http.NewServeMux()
	add := func(rt route) {
		mux.HandleFunc(rt.pattern, func(w http.ResponseWriter, r *http.Request) { t.serve(rt, w, r) })
	}
	manage := func(pattern string, handle func(*call) (*reply, error), scopes ...string) {
		add(route{pattern, managementAPI, scopes, handle})
	}
	manage("GET /api/v2/users", searchUsers, "read:users")
	manage("POST /api/v2/users", createUser, "create:users")
	manage("GET /api/v2/users/{id}", readUser, "read:users", "read:current_user")
	manage("PATCH /api/v2/users/{id}", patchUser, "update:users", "update:users_app_metadata")
	manage("DELETE /api/v2/users/{id}", deleteUser, "delete:users")
	manage("GET /api/v2/users-by-email", usersByEmail, "read:users")
	manage("GET /api/v2/users/{id}/sessions", listSessions, "read:sessions", "read:users")
	manage("DELETE /api/v2/users/{id}/sessions", deleteSessions, "delete:sessions", "delete:users")
	manage("DELETE /api/v2/users/{id}/refresh-tokens", deleteRefreshTokens, "delete:refresh_tokens")
	manage("GET /api/v2/device-credentials", listDevices, "read:device_credentials")
	manage("DELETE /api/v2/device-credentials/{id}", deleteDevice, "delete:device_credentials")
	manage("GET /api/v2/user-blocks", blocksByIdentifier, "read:users")
	manage("GET /api/v2/user-blocks/{id}", blocksByID, "read:users")
	manage("DELETE /api/v2/user-blocks", unblockByIdentifier, "update:users")
	manage("DELETE /api/v2/user-blocks/{id}", unblockByID, "update:users")
	manage("POST /api/v2/tickets/password-change", passwordTicket, "create:user_tickets")
	manage("POST /api/v2/tickets/email-verification", verificationTicket, "create:user_tickets")
	manage("GET /api/v2/connections", listConnections, "read:connections")
	manage("GET /api/v2/connections/{id}", readConnection, "read:connections")
	manage(importRoute, startImport, "create:users")
	manage("POST /api/v2/jobs/verification-email", startVerification, "update:users")
	manage("GET /api/v2/jobs/{id}", readJob, "create:users", "read:users")
	manage("GET /api/v2/jobs/{id}/errors", jobErrors, "create:users", "read:users")

	authenticate := func(pattern string, handle func(*call) (*reply, error)) {
		add(route{pattern, authenticationAPI, nil, handle})
	}
	authenticate(tokenRoute, token)
	authenticate("POST /oauth/revoke", revoke)
	authenticate("GET /userinfo", userInfo)
	authenticate("POST /userinfo", userInfo)
	authenticate("POST /dbconnections/change_password", changePassword)
	authenticate("POST /dbconnections/signup", signUp)
	authenticate(keysRoute, keys)
	t.addPages(mux)
	return mux
}

// managementScopes are those that the routes ask for.
func managementScopes() []string {
	return []string{
		"read:users", "create:users", "update:users", "delete:users", "update:users_app_metadata", "read:sessions", "delete:sessions",
		"delete:refresh_tokens", "read:device_credentials", "delete:device_credentials", "create:user_tickets", "read:connections",
	}
}

// Limits of request bodies: 1 MB, and 500 KB for imports.
const (
	bodyLimit   = 1 << 20
	importLimit = 512_000
)

func (rt route) maxBody() int64 {
	if rt.pattern == importRoute {
		return importLimit
	}
	return bodyLimit
}

// exhausted is the answer to a request over a limit.
func (rt route) exhausted() *reply {
	if rt.api == managementAPI {
		return refuse(http.StatusTooManyRequests, "too_many_requests", "Global limit has been reached")
	}
	return deny(http.StatusTooManyRequests, "too_many_requests", "Global limit has been reached")
}

// fault is the answer of a planned refusal.
func (rt route) fault(status int) *reply {
	switch {
	case status == http.StatusTooManyRequests:
		answer := rt.exhausted()
		answer.header = limitHeaders(1, 0, time.Unix(time.Now().Unix()+1, 0))
		return answer
	case rt.api == managementAPI:
		return refuse(status, "", "planned fault")
	case status == http.StatusServiceUnavailable:
		return deny(status, "temporarily_unavailable", "planned fault")
	}
	return deny(status, "server_error", "planned fault")
}
