package auth0test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// authorize checks the Management API's token and that one of its scopes is enough.
func (c *call) authorize() error {
	token, ok := strings.CutPrefix(c.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return refuse(http.StatusUnauthorized, "", "Invalid token.")
	}
	claims, err := c.tenant.readManagementToken(token, c.now)
	if err != nil {
		return err
	}
	scope, _ := claims["scope"].(string)
	c.granted = strings.Fields(scope)
	c.caller, _ = claims["azp"].(string)
	for _, enough := range c.route.scopes {
		if slices.Contains(c.granted, enough) {
			return nil
		}
	}
	return insufficient(c.route.scopes...)
}

func insufficient(scopes ...string) error {
	return refuse(http.StatusForbidden, "insufficient_scope", "Insufficient scope, expected any of: "+strings.Join(scopes, ","))
}

func (t *Tenant) readManagementToken(token string, now time.Time) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return &signing().key.PublicKey, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(func() time.Time { return now }))
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return nil, refuse(http.StatusBadRequest, "", "Bad HTTP authentication header format")
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, refuse(http.StatusUnauthorized, "", "Expired token received for JSON Web Token validation").
			with("attributes", map[string]any{"error": "Expired token received for JSON Web Token validation"})
	case err != nil:
		return nil, refuse(http.StatusUnauthorized, "", "Invalid signature received for JSON Web Token validation.")
	}
	audience, _ := claims.GetAudience() // of another type: none
	if !slices.Contains(audience, t.management()) {
		return nil, refuse(http.StatusUnauthorized, "", "Bad audience: "+strings.Join(audience, ","))
	}
	return claims, nil
}
