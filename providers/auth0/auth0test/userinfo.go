package auth0test

import (
	"net/http"
	"slices"
	"strings"
)

// userInfo handles GET /userinfo.
func userInfo(c *call) (*reply, error) {
	value, _ := strings.CutPrefix(c.Header.Get("Authorization"), "Bearer ")
	token := c.tenant.tokens[value]
	if token == nil || !c.now.Before(token.expires) || c.tenant.users.accounts[token.user] == nil || !slices.Contains(token.scopes, "openid") {
		answer := &reply{status: http.StatusUnauthorized, body: "Unauthorized"}
		answer.set("WWW-Authenticate", `Bearer realm="Users", error="invalid_token", error_description="The access token is missing, invalid or expired"`)
		return nil, answer
	}
	if err := c.charge("userinfo", token.user, c.tenant.cfg.Limits.UserInfo); err != nil {
		return nil, err
	}
	return ok(http.StatusOK, c.tenant.claims(token.user, token.scopes)), nil
}
