package auth0test

import (
	"maps"
	"slices"
)

// A Mail is one that the tenant would have sent.
type Mail struct {
	Kind string `json:"kind"` // "change-password" or "verification"
	To   string `json:"to"`
	Link string `json:"link"`
}

// Stats are what a tenant has seen.
type Stats struct {
	Requests map[string]int `json:"requests"` // by route, such as "GET /api/v2/users/{id}"; refused ones too
	// Limited are the answers with 429, by what was exhausted: "management",
	// "authentication", "token", "userinfo", "change_password", "jwks", "account", "address",
	// "signup", "brute force" and "jobs" (two import jobs active).
	Limited       map[string]int `json:"limited"`
	Imports       int            `json:"imports"`       // import jobs started
	LargestImport int            `json:"largestImport"` // bytes of the largest request that brought an import
	ActiveImports int            `json:"activeImports"` // most import jobs active at once
}

// Mails returns the addresses that change-password mails went to, one for each mail.
func (t *Tenant) Mails() []string {
	var to []string
	for _, m := range t.Outbox() {
		if m.Kind == changePasswordMail {
			to = append(to, m.To)
		}
	}
	return to
}

// Outbox returns all mails, the oldest first.
func (t *Tenant) Outbox() []Mail {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.mails)
}

// Seen returns what came until now.
func (t *Tenant) Seen() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := t.stats
	seen.Requests, seen.Limited = maps.Clone(seen.Requests), maps.Clone(seen.Limited)
	return seen
}
