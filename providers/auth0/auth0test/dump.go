package auth0test

import (
	"maps"
	"slices"
	"time"
)

// Users returns every user as it is now, sorted by id, with the names of its document.
func (t *Tenant) Users() []map[string]any {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advance(time.Now())
	var docs []map[string]any
	for _, id := range slices.Sorted(maps.Keys(t.users.accounts)) {
		docs = append(docs, maps.Clone(t.users.accounts[id].doc))
	}
	return docs
}
