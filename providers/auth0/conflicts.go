package auth0

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"user-manager/providers"
	"user-manager/upstream"
)

// explain finds out which property a conflict is over, which the tenant does not tell: it
// looks for another account with the address, and else takes it to be the user name. Any
// other error it returns as it is, and also one for which that is not found out.
func (p *Provider) explain(ctx context.Context, err error, id, username, email string) error {
	failed, ok := errors.AsType[*upstream.Error](err)
	if _, told := errors.AsType[providers.Taken](err); !ok || told || !errors.Is(err, providers.ErrConflict) {
		return err
	}
	property, lookErr := p.taken(ctx, id, username, email)
	if lookErr != nil || property == "" {
		return err
	}
	explained := *failed
	explained.Err = providers.Taken{Property: property}
	return &explained
}

// taken returns the property for which an account stands in the way of the one with the
// given id, or "" if that is not clear. An account that has the id itself is in its own
// way.
func (p *Provider) taken(ctx context.Context, id, username, email string) (string, error) {
	if email != "" {
		owners, err := p.byEmail(ctx, email)
		switch {
		case err != nil:
			return "", err
		case len(owners) > 0 && owners[0] != id:
			return "email", nil
		case len(owners) > 0 || username == "":
			return "", nil
		}
		return "username", nil
	}
	if username == "" {
		return "", nil
	}
	account, err := directory{Provider: p}.Read(ctx, id)
	switch {
	case errors.Is(err, providers.ErrNotFound), err == nil && !strings.EqualFold(account.Username, username):
		return "username", nil
	}
	return "", err
}

// byEmail returns the ids of the accounts of our connection that have the address, as they
// are at this moment. The tenant keeps addresses in lower case, and wants them so.
func (p *Provider) byEmail(ctx context.Context, email string) ([]string, error) {
	r := &request{
		method: http.MethodGet, path: "/api/v2/users-by-email", route: byEmailRoute,
		query: url.Values{"email": {strings.ToLower(email)}, "fields": {"user_id,identities"}, "include_fields": {"true"}},
	}
	a, err := p.manage(ctx, r, email)
	if err != nil {
		return nil, err
	}
	var users []map[string]any
	if err := decode(r, a, &users); err != nil {
		return nil, err
	}
	var ids []string
	for _, user := range users {
		if id, _ := user["user_id"].(string); connectionOf(user, p.settings.connection) == p.settings.connection {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// connectionOf returns the connection of the user's first identity of a database, "" when
// it has none, or fallback when its identities are not told.
func connectionOf(user map[string]any, fallback string) string {
	identities, _ := user["identities"].([]any)
	if len(identities) == 0 {
		return fallback
	}
	for _, one := range identities {
		identity, _ := one.(map[string]any)
		name, _ := identity["connection"].(string)
		if identity["provider"] == "auth0" && name != "" {
			return name
		}
	}
	return ""
}
