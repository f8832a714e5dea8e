package auth0

import (
	"context"
	"slices"
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
	users, err := d.searchUsers(ctx, strings.Join(clauses, " OR "), slices.Concat(emails, usernames))
	if err != nil {
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
