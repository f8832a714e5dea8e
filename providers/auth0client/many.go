package auth0client

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

const searched = 50 // ids in one search: its URL stays below 4 KiB

// Accounts implements [providers.BatchReader], with the tenant's search where the Auth0
// Client lets it be asked for ids. Accounts may be as they were a moment ago; those that the
// search does not know are read one by one.
func (p *Provider) Accounts(ctx context.Context, ids []string) (map[string]providers.Account, error) {
	found := map[string]providers.Account{}
	var missing []string
	for len(ids) > 0 {
		page := ids[:min(searched, len(ids))]
		ids = ids[len(page):]
		if err := p.search(ctx, page, found); err != nil {
			return nil, err
		}
		for _, id := range page {
			if _, ok := found[id]; !ok {
				missing = append(missing, id)
			}
		}
	}
	rest, err := providers.ReadEach(ctx, missing, p.fanOut, p.read)
	if err != nil {
		return nil, err
	}
	maps.Copy(found, rest)
	return found, nil
}

// search adds to found what the tenant's search knows of ids, unless it cannot be asked.
func (p *Provider) search(ctx context.Context, ids []string, found map[string]providers.Account) error {
	if p.deaf.Load() {
		return nil
	}
	asked := searchable(ids)
	if len(asked) == 0 {
		return nil
	}
	var users []map[string]any
	got, err := p.do(ctx, call{method: http.MethodGet, route: usersRoute, query: searchFor(asked), patient: true})
	switch {
	case upstream.Status(err) == http.StatusBadRequest:
		p.deaf.Store(true)
		return nil
	case err != nil:
		return err
	case decode(got.body, &users) != nil:
		p.deaf.Store(true) // what it answers with is not documented
		return nil
	}
	var known []providers.Account
	for _, user := range users {
		account, err := accountIn(user)
		if err != nil || !slices.Contains(asked, account.ID) {
			p.deaf.Store(true)
			return nil
		}
		known = append(known, account)
	}
	for _, account := range known {
		found[account.ID] = account
	}
	return nil
}

// searchable returns those of ids that can stand between quotes in a search.
func searchable(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return !management.IsID(id) || strings.ContainsAny(id, `"\`)
	})
}

// searchFor returns the query for the users with the given ids. What the Auth0 Client
// makes of "_l" is documented; "q" is Auth0's own.
func searchFor(ids []string) url.Values {
	terms := `user_id:("` + strings.Join(ids, `" OR "`) + `")`
	return url.Values{"_l": {strconv.Itoa(searched)}, "q": {terms}}
}
