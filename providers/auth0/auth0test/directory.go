package auth0test

import (
	"maps"
	"slices"
	"strings"
	"time"

	"user-manager/secret"
)

// An account is a user of the tenant.
type account struct {
	id       string         // "auth0|..."
	doc      map[string]any // what the API shows; never changed, only replaced
	password secret.Text
	hash     string // of an imported password, with bcrypt; "" for none
}

// changed returns a document to be changed and put.
func (a *account) changed() map[string]any { return maps.Clone(a.doc) }

func (a *account) blocked() bool {
	blocked, _ := a.doc["blocked"].(bool)
	return blocked
}

// identifiers are the properties that no two users share, and by which one logs in.
var identifiers = []string{"email", "username", "phone_number"}

// An identifier is the value of one.
type identifier struct{ property, value string }

// A directory has the accounts, and their documents as the index of searches knows them.
type directory struct {
	lag      time.Duration
	accounts map[string]*account
	owners   map[identifier]string // ids of accounts
	records  []*record             // the oldest first
	byID     map[string][]*record  // the same, by id of account
	last     int                   // number of the newest record
}

// A record is the history of a document, as far back as searches can see.
type record struct {
	id       string
	number   int // they are counted as they are made
	versions []version
}

type version struct {
	at  time.Time
	doc map[string]any // nil: deleted
}

func newDirectory(lag time.Duration) directory {
	return directory{lag: lag, accounts: map[string]*account{}, owners: map[identifier]string{}, byID: map[string][]*record{}}
}

// find returns the account with a user name, an email address or a phone number, or nil.
func (d *directory) find(name string) *account {
	for _, property := range identifiers {
		if id, ok := d.owners[identifier{property, strings.ToLower(name)}]; ok {
			return d.accounts[id]
		}
	}
	return nil
}

// taken returns the first property of doc that another account than id has, or "".
func (d *directory) taken(doc map[string]any, id string) string {
	for _, property := range identifiers {
		value, _ := doc[property].(string)
		owner, ok := d.owners[identifier{property, value}]
		if value != "" && ok && owner != id {
			return property
		}
	}
	return ""
}

// put gives an account, known or new, a document.
func (d *directory) put(a *account, doc map[string]any, at time.Time) {
	d.disown(a)
	a.doc = doc
	d.accounts[a.id] = a
	for _, property := range identifiers {
		if value, _ := doc[property].(string); value != "" {
			d.owners[identifier{property, value}] = a.id
		}
	}
	d.note(a.id, version{at, doc})
}

// remove deletes an account.
func (d *directory) remove(a *account, at time.Time) {
	d.disown(a)
	delete(d.accounts, a.id)
	d.note(a.id, version{at, nil})
}

func (d *directory) disown(a *account) {
	for _, property := range identifiers {
		if value, _ := a.doc[property].(string); value != "" {
			delete(d.owners, identifier{property, value})
		}
	}
}

// note adds to the history of a document, and forgets what no search can see any more.
func (d *directory) note(id string, v version) {
	known := d.byID[id]
	if len(known) == 0 || known[len(known)-1].newest().doc == nil {
		d.last++
		r := &record{id: id, number: d.last}
		d.records = append(d.records, r)
		known = append(known, r)
		d.byID[id] = known
	}
	r := known[len(known)-1]
	r.versions = append(r.versions, v)
	horizon := v.at.Add(-d.lag)
	for len(r.versions) > 1 && !r.versions[1].at.After(horizon) {
		r.versions = r.versions[1:]
	}
}

// indexed returns the documents that a search at the given time can see, the newest first:
// those of some ids, or all if that is nil.
func (d *directory) indexed(now time.Time, some ids) []map[string]any {
	horizon := now.Add(-d.lag)
	d.records = slices.DeleteFunc(d.records, func(r *record) bool {
		gone := r.newest().doc == nil && !r.newest().at.After(horizon)
		if gone {
			d.byID[r.id] = slices.DeleteFunc(d.byID[r.id], func(other *record) bool { return other == r })
			if len(d.byID[r.id]) == 0 {
				delete(d.byID, r.id)
			}
		}
		return gone
	})
	records := d.records
	if some != nil {
		records = d.recordsOf(some)
	}
	var docs []map[string]any
	for _, r := range slices.Backward(records) {
		if doc := r.asOf(horizon); doc != nil {
			docs = append(docs, doc)
		}
	}
	return docs
}

// recordsOf returns the records of some accounts, the oldest first.
func (d *directory) recordsOf(some ids) []*record {
	var found []*record
	for id := range some {
		found = append(found, d.byID[id]...)
	}
	slices.SortFunc(found, func(a, b *record) int { return a.number - b.number })
	return found
}

// newest returns the document as it is.
func (r *record) newest() version { return r.versions[len(r.versions)-1] }

// asOf returns the document as it was, or nil.
func (r *record) asOf(horizon time.Time) map[string]any {
	for _, v := range slices.Backward(r.versions) {
		if !v.at.After(horizon) {
			return v.doc
		}
	}
	return nil
}
