package auth0

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"user-manager/providers/auth0/management"
)

var _ management.NameReader = directory{}

// Names implements [management.NameReader], by one search. Names that cannot be part of a
// query are left out.
func (d directory) Names(ctx context.Context, emails, usernames []string) (management.Names, error) {
	var clauses []string
	for field, values := range map[string][]string{"email": emails, "username": usernames} {
		var terms []string
		for _, value := range values {
			if value != "" && isSearchable(value) {
				terms = append(terms, term(value))
			}
		}
		if len(terms) > 0 {
			clauses = append(clauses, field+":("+strings.Join(terms, " OR ")+")")
		}
	}
	names := management.Names{Emails: map[string]bool{}, Usernames: map[string]bool{}}
	if len(clauses) == 0 || d.isRefused(searchRoute) {
		return names, nil
	}
	r := &request{
		method: http.MethodGet, path: "/api/v2/users", route: searchRoute,
		query: url.Values{"q": {strings.Join(clauses, " OR ")}, "search_engine": {"v3"}, "per_page": {"100"}, "page": {"0"}},
	}
	a, err := d.manage(ctx, r, append(emails, usernames...)...)
	if err != nil {
		return names, err
	}
	var users []map[string]any
	if err := decode(r, a, &users); err != nil {
		return names, err
	}
	for _, user := range users {
		if connectionOf(user, d.settings.connection) == d.settings.connection {
			account, _ := management.AccountOf(user) // of another form: nameless
			names.Emails[account.Email], names.Usernames[account.Username] = true, true
		}
	}
	return names, nil
}
