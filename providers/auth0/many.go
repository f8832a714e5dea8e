package auth0

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"user-manager/providers"
	"user-manager/providers/auth0/management"
	"user-manager/upstream"
)

const (
	perPage     = 100              // users of one search at most
	queryBytes  = 4 << 10          // of the query of one search; how much a tenant takes is not documented
	directly    = 2                // so few accounts are read by id at once
	leastSearch = 10               // accounts of a search that is not halved any more
	indexLag    = 2 * time.Minute  // after a change of ours an account is read by id
	searchPause = 10 * time.Second // after a search that the tenant had no time for
	mostRecent  = 20_000           // accounts whose change is remembered
)

// Accounts implements [providers.BatchReader]. What others, or an import, have changed a
// moment ago it may return as it was before.
func (p *Provider) Accounts(ctx context.Context, ids []string) (map[string]providers.Account, error) {
	return directory{Provider: p}.readMany(ctx, ids, p.changed.has)
}

// ReadMany implements [management.Directory]: what this provider has changed of late is read
// by id. What others have changed is as the index of the tenant has it, which was seen to
// follow within a second.
func (d directory) ReadMany(ctx context.Context, ids []string) (map[string]providers.Account, error) {
	return d.readMany(ctx, ids, func(id string) bool { return d.changed.has(id) || d.brought.has(id) })
}

// readMany reads accounts by searches, and by id those that are outdated in the index and
// those that it does not have. An id that is missing does not exist.
func (d directory) readMany(ctx context.Context, ids []string, outdated func(id string) bool) (map[string]providers.Account, error) {
	found := map[string]providers.Account{}
	var search, read []string
	for _, id := range unique(ids) {
		if !management.IsID(id) {
			continue
		}
		if len(ids) <= directly || !isSearchable(id) || outdated(id) {
			read = append(read, id)
		} else {
			search = append(search, id)
		}
	}
	for len(search) > 0 {
		n := fitting(search)
		missed, err := d.search(ctx, search[:n], found)
		if err == nil {
			err = d.readEach(ctx, missed, found)
		}
		if err != nil {
			return nil, err
		}
		search = search[n:]
	}
	return found, d.readEach(ctx, read, found)
}

// readEach reads accounts by id and puts those that exist into found.
func (d directory) readEach(ctx context.Context, ids []string, found map[string]providers.Account) error {
	read, err := providers.ReadEach(ctx, ids, d.fanOut, d.Read)
	maps.Copy(found, read)
	return err
}

// unique returns ids without repetitions and empty ones.
func unique(ids []string) []string {
	seen := map[string]bool{"": true}
	var all []string
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			all = append(all, id)
		}
	}
	return all
}

// isSearchable reports whether an id can be part of a query as it is.
func isSearchable(id string) bool { return !strings.ContainsAny(id, "\"\\") }

// fitting returns how many of the first ids make one search, at least 1.
func fitting(ids []string) int {
	bytes := 0
	for n, id := range ids[:min(len(ids), perPage)] {
		if bytes += len(url.QueryEscape(term(id))) + len("+OR+"); bytes > queryBytes {
			return max(n, 1)
		}
	}
	return min(len(ids), perPage)
}

func term(id string) string { return `"` + id + `"` }

// search puts those of ids that the index shows into found, and returns the others. A
// query that is refused is halved, and a short one left alone. When the tenant has no time
// for searches there is none for a while: each counts as a failure of the whole tenant, and
// a few keep everybody from being let in.
func (d directory) search(ctx context.Context, ids []string, found map[string]providers.Account) ([]string, error) {
	if d.isRefused(searchRoute) {
		return ids, nil
	}
	terms := make([]string, len(ids))
	for i, id := range ids {
		terms[i] = term(id)
	}
	users, err := d.searchUsers(ctx, "user_id:("+strings.Join(terms, " OR ")+")", ids)
	switch upstream.Status(err) {
	case http.StatusServiceUnavailable:
		d.refuse(searchRoute, searchPause)
		return ids, nil
	case http.StatusRequestURITooLong, http.StatusBadRequest: // too long, or too much
		if len(ids) <= leastSearch {
			return ids, nil
		}
		return d.searchHalves(ctx, ids, found)
	}
	if err != nil {
		return nil, err
	}
	return d.sort(ids, users, found), nil
}

// searchUsers returns the first users that a query finds, a page at most. What a refusal says
// of the given values is masked.
func (d directory) searchUsers(ctx context.Context, query string, values []string) ([]map[string]any, error) {
	r := &request{
		method: http.MethodGet, path: "/api/v2/users", route: searchRoute,
		query: url.Values{"q": {query}, "search_engine": {"v3"}, "per_page": {strconv.Itoa(perPage)}, "page": {"0"}},
	}
	a, err := d.manage(ctx, r, values...)
	if err != nil {
		return nil, err
	}
	var users []map[string]any
	if err := decode(r, a, &users); err != nil {
		return nil, err
	}
	return users, nil
}

func (d directory) searchHalves(ctx context.Context, ids []string, found map[string]providers.Account) ([]string, error) {
	half := len(ids) / 2
	first, err := d.search(ctx, ids[:half], found)
	if err != nil {
		return nil, err
	}
	second, err := d.search(ctx, ids[half:], found)
	return append(first, second...), err
}

// sort puts users into found and returns those of ids that are not among them.
func (d directory) sort(ids []string, users []map[string]any, found map[string]providers.Account) []string {
	for _, user := range users {
		account, err := management.AccountOf(user)
		if err == nil && !d.changed.has(account.ID) { // changed while we searched
			found[account.ID] = account
		}
	}
	var missed []string
	for _, id := range ids {
		if _, ok := found[id]; !ok {
			missed = append(missed, id)
		}
	}
	return missed
}

// recent are the accounts that were changed of late. The zero value has none. It is safe
// for use by several goroutines.
type recent struct {
	mu    sync.Mutex
	until map[string]time.Time // guarded by mu; by id
	all   time.Time            // guarded by mu; until then every account counts as changed: there were too many
}

func (r *recent) add(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if len(r.until) >= mostRecent {
		for other, until := range r.until {
			if !now.Before(until) {
				delete(r.until, other)
			}
		}
	}
	if len(r.until) >= mostRecent {
		r.all = now.Add(indexLag)
		return
	}
	if r.until == nil {
		r.until = map[string]time.Time{}
	}
	r.until[id] = now.Add(indexLag)
}

func (r *recent) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	return now.Before(r.until[id]) || now.Before(r.all)
}
