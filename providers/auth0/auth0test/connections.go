package auth0test

import "net/http"

// connection is the database of users, as the API shows it.
func (t *Tenant) connection() map[string]any {
	enabled := []any{ClientID, ManagementClientID, PublicClientID}
	if t.cfg.NotEnabled {
		enabled = []any{ClientID, PublicClientID}
	}
	return map[string]any{
		"id": ConnectionID, "name": Connection, "strategy": "auth0", "is_domain_connection": false, "realms": []any{Connection},
		"enabled_clients": enabled,
		"options": map[string]any{
			"requires_username": !t.cfg.NoUsernames, "import_mode": false, "passwordPolicy": "low", "brute_force_protection": true,
			"strategy_version": 2, "password_complexity_options": map[string]any{"min_length": 8}, "configuration": map[string]any{},
			"customScripts": map[string]any{}, "enabledDatabaseCustomization": false,
		},
	}
}

// listConnections handles GET /api/v2/connections.
func listConnections(c *call) (*reply, error) {
	if err := c.onlyParameters("name", "strategy", "fields", "include_fields", "page", "per_page", "include_totals", "from", "take"); err != nil {
		return nil, err
	}
	page, err := c.paging(1)
	if err != nil {
		return nil, err
	}
	query := c.URL.Query()
	items := []any{}
	if named := query.Get("name"); (named == "" || named == Connection) && (!query.Has("strategy") || query.Get("strategy") == "auth0") {
		keep, err := c.flag("include_fields", true)
		if err != nil {
			return nil, err
		}
		items = append(items, only(c.tenant.connection(), query.Get("fields"), keep))
	}
	answer := page.list("connections", items)
	if body, ok := answer.body.(map[string]any); ok {
		delete(body, "length")
	}
	return answer, nil
}

// readConnection handles GET /api/v2/connections/{id}.
func readConnection(c *call) (*reply, error) {
	if c.PathValue("id") != ConnectionID {
		return nil, refuse(http.StatusNotFound, "inexistent_connection", "The connection does not exist")
	}
	return ok(http.StatusOK, c.tenant.connection()), nil
}
