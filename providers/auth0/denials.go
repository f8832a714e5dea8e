package auth0

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

// failure returns the error of an answer of the Authentication API, without a cause.
func failure(r *request, a *answer, values []string) *upstream.Error {
	var said struct {
		oauthError
		Message     any `json:"message"`
		Description any `json:"description"`
	}
	_ = json.Unmarshal(a.body, &said) // of another form: no words
	message := said.oauthError.Description
	for _, other := range []any{said.Description, said.Message, said.Code} {
		text, _ := other.(string)
		message = cmp.Or(message, text)
	}
	return &upstream.Error{
		Service: providers.Service, Route: r.route, Status: a.status, Message: management.Clip(management.Mask(message, values...)),
		RetryAfter: retryAfter(a),
	}
}

// retryAfter returns how long a 429 asks to wait.
func retryAfter(a *answer) time.Duration {
	if a.status != http.StatusTooManyRequests {
		return 0
	}
	if asked := upstream.ParseRetryAfter(a.header.Get("Retry-After"), a.got); asked > 0 {
		return asked
	}
	said, ok := limitsOf(a, skew{})
	if !ok {
		return 0
	}
	return min(max(said.reset.Sub(a.got), 0), time.Hour)
}

// denied returns the error of a grant that was refused.
func denied(r *request, a *answer, values []string) error {
	e := failure(r, a, values)
	e.Err = blameOf(a.status, saidError(a.body))
	return e
}

// Errors of grants that are about the account, and those that are about the service's own
// application.
var (
	aboutAccount = map[string]bool{
		"invalid_grant": true, "unauthorized": true, "invalid_user_password": true, "password_leaked": true,
		"mfa_required": true, "too_many_attempts": true, "blocked_user": true, "login_required": true,
		"interaction_required": true, "unsupported_challenge_type": true, "association_required": true,
	}
	aboutService = map[string]bool{
		"invalid_client": true, "unauthorized_client": true, "invalid_scope": true, "unsupported_grant_type": true,
		"unsupported_response_type": true, "endpoint_disabled": true, "method_not_allowed": true, "invalid_request": true,
	}
)

// blameOf returns who is to blame for a refused grant, nil for the tenant. "access_denied"
// is of an application that is refused, and of an account that a rule of the tenant keeps
// out.
func blameOf(status int, said oauthError) error {
	words := strings.ToLower(said.Description)
	switch {
	case aboutService[said.Code]: // some with status 501
		return providers.ErrMisconfigured
	case status >= 500:
		if said.Code == "server_error" && (strings.Contains(words, "connection") || strings.Contains(words, "realm")) {
			return providers.ErrMisconfigured
		}
		return nil
	case aboutAccount[said.Code]:
		return providers.ErrUnauthorized
	case said.Code == "access_denied" && isAboutApplication(words):
		return providers.ErrMisconfigured
	case said.Code == "access_denied":
		return providers.ErrUnauthorized
	}
	return nil
}

func isAboutApplication(words string) bool {
	return words == "" || words == "unauthorized" || strings.HasPrefix(words, "client ") ||
		strings.HasPrefix(words, "service not enabled") || strings.HasPrefix(words, "no audience")
}
