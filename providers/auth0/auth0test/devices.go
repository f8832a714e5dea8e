package auth0test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Types of device credentials that there are here.
const (
	fixedCredential    = "refresh_token"
	rotatingCredential = "rotating_refresh_token"
)

// listDevices handles GET /api/v2/device-credentials.
func listDevices(c *call) (*reply, error) {
	if err := c.onlyParameters("page", "per_page", "include_totals", "fields", "include_fields", "user_id", "client_id", "type"); err != nil {
		return nil, err
	}
	page, err := c.paging(0)
	if err != nil {
		return nil, err
	}
	query := c.URL.Query()
	switch query.Get("type") {
	case "", "public_key", fixedCredential, rotatingCredential:
	default:
		return nil, invalidQuery("No enum match for: "+query.Get("type"), "type")
	}
	keep, err := c.flag("include_fields", true)
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, f := range c.tenant.families {
		if c.shows(f, query.Get("type")) && (!query.Has("user_id") || query.Get("user_id") == f.user) &&
			(!query.Has("client_id") || query.Get("client_id") == f.client.id) {
			items = append(items, only(c.tenant.credential(f), query.Get("fields"), keep))
		}
	}
	answer := page.list("device_credentials", items)
	if body, ok := answer.body.(map[string]any); ok {
		delete(body, "length")
	}
	return answer, nil
}

// credential is f as the API shows it.
func (t *Tenant) credential(f *family) map[string]any {
	return map[string]any{"id": f.id, "device_name": "unknown", "type": t.credentialType(), "user_id": f.user, "client_id": f.client.id}
}

// only returns doc with the fields of a comma-separated list, or without them; all of it for
// an empty list.
func only(doc map[string]any, fields string, keep bool) map[string]any {
	if fields == "" {
		return doc
	}
	names := strings.Split(fields, ",")
	doc = maps.Clone(doc)
	maps.DeleteFunc(doc, func(name string, _ any) bool { return slices.Contains(names, name) != keep })
	return doc
}

func (t *Tenant) credentialType() string {
	if t.cfg.FixedRefreshTokens {
		return fixedCredential
	}
	return rotatingCredential
}

// shows reports whether a list of credentials has f. Rotating tokens are in none that does not
// ask for them, and come late.
func (c *call) shows(f *family, kind string) bool {
	if kind == "" {
		kind = fixedCredential
	}
	if f.revoked || kind != c.tenant.credentialType() {
		return false
	}
	return kind == fixedCredential || c.now.Sub(f.at) >= c.tenant.cfg.DeviceLag
}

// deleteDevice handles DELETE /api/v2/device-credentials/{id}: of one that is not there, too.
func deleteDevice(c *call) (*reply, error) {
	for _, f := range c.tenant.families {
		if f.id == c.PathValue("id") {
			f.revoked = true
		}
	}
	return ok(http.StatusNoContent, nil), nil
}

// deleteRefreshTokens handles DELETE /api/v2/users/{id}/refresh-tokens.
func deleteRefreshTokens(c *call) (*reply, error) {
	if !c.tenant.cfg.Enterprise {
		return nil, refuse(http.StatusForbidden, "feature_not_enabled", "This feature is not enabled for this tenant.")
	}
	a, err := c.pathUser()
	if err != nil {
		return nil, err
	}
	c.tenant.revokeAll(a.id)
	return ok(http.StatusAccepted, map[string]any{}), nil
}

// listSessions handles GET /api/v2/users/{id}/sessions. The password grants make none.
func listSessions(c *call) (*reply, error) {
	if _, err := c.pathUser(); err != nil {
		return nil, err
	}
	return ok(http.StatusOK, map[string]any{"sessions": []any{}}), nil
}

// deleteSessions handles DELETE /api/v2/users/{id}/sessions.
func deleteSessions(c *call) (*reply, error) {
	if _, err := c.pathUser(); err != nil {
		return nil, err
	}
	return ok(http.StatusAccepted, map[string]any{}), nil
}
