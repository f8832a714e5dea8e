package users

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/crud/document"
)

// A uniqueKey is the fields of a unique index of the users.
type uniqueKey []string

// nameKeys are the unique indexes that every users collection ought to have.
var nameKeys = []uniqueKey{{"username"}, {"email"}}

// in returns what stands for the values that doc has in k's fields, or "" when it lacks
// one: then the index does not know it.
func (k uniqueKey) in(doc crud.Document) string {
	name := []byte(strings.Join(k, " "))
	for _, field := range k {
		value, has := document.Get(doc, field)
		if !has || value == nil {
			return ""
		}
		name = document.AppendJSON(append(name, '\n'), value)
	}
	return string(name)
}

// namesOf returns what stands for each value of user that must be unique.
func (im *importer) namesOf(user crud.Document) []string {
	var names []string
	for _, key := range im.uniques {
		if name := key.in(user); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// A nameDigest stands for a name where many are kept.
type nameDigest [16]byte

func digestOf(name string) nameDigest {
	sum := sha256.Sum256([]byte(name))
	return nameDigest(sum[:16])
}

// see notes that a row of a dry run makes the user after of the user before, nil for
// none: names are taken and given up by it.
func (im *importer) see(before, after crud.Document) {
	for _, name := range im.namesOf(before) {
		im.seen[digestOf(name)] = false
	}
	for _, name := range im.namesOf(after) {
		im.seen[digestOf(name)] = true
	}
}

// A lookup is the users of the store that have values which those asked for need for
// themselves.
type lookup struct {
	uniques []uniqueKey
	byName  map[string]crud.Document
	recent  []crud.Document // made since then, when the users asked for have no names
	since   string
}

// owners looks for users that have the unique values of the given ones.
func (im *importer) owners(ctx context.Context, users []crud.Document) (*lookup, error) {
	found := &lookup{uniques: slices.Clone(im.uniques), byName: map[string]crud.Document{}}
	for _, key := range found.uniques {
		values := map[string]bool{}
		for _, user := range users {
			if value, _ := document.Get(user, key[0]); key.in(user) != "" {
				if s, ok := value.(string); ok && s != "" {
					values[s] = true
				}
			}
		}
		all := crud.Query{States: crud.AllStates}
		for doc, err := range im.Users.AllIn(ctx, key[0], slices.Sorted(maps.Keys(values)), all) {
			if err != nil {
				return nil, err
			}
			found.byName[key.in(doc)] = doc
		}
	}
	return found, nil
}

// taken returns the unique index of which another user has values that a row gives the
// user before, nil for a new one; or an earlier row of a dry run has. nil means none.
func (im *importer) taken(found *lookup, before, after crud.Document) uniqueKey {
	for _, key := range found.uniques {
		name := key.in(after)
		if name == "" || name == key.in(before) {
			continue
		}
		isTaken, seen := im.seen[digestOf(name)]
		if !seen {
			owner, ok := found.byName[name]
			isTaken = ok && (before == nil || text(owner, "_id") != text(before, "_id"))
		}
		if isTaken {
			return key
		}
	}
	return nil
}

// look looks for users that have the unique values of rows, and for those that rows
// without any may have become in this import.
func (im *importer) look(ctx context.Context, rows []insertion) (*lookup, error) {
	found, err := im.owners(ctx, usersOf(rows))
	if err != nil {
		return nil, err
	}
	since := im.start
	if !im.StoreIsOurs {
		since = since.Add(-clockSkew)
	}
	found.since = since.UTC().Format(dateLayout)
	nameless := func(r insertion) bool { return len(im.namesOf(r.user)) == 0 }
	if !slices.ContainsFunc(rows, nameless) {
		return found, nil
	}
	recent := map[string]any{"createdAt": map[string]any{"$gte": found.since}}
	for doc, err := range im.Users.All(ctx, crud.Query{Filter: recent, States: crud.AllStates}) {
		if err != nil {
			return nil, err
		}
		if !im.own[text(doc, "_id")] {
			found.recent = append(found.recent, doc)
		}
	}
	return found, nil
}

func usersOf(rows []insertion) []crud.Document {
	users := make([]crud.Document, len(rows))
	for i, r := range rows {
		users[i] = r.user
	}
	return users
}

// inserted returns the ids of those rows, the first ones, that the store has just made
// users of: not those that are known. All that one call makes have the same createdAt.
func (l *lookup) inserted(rows []insertion, known func(id string) bool) []string {
	var ids []string
	created, used := l.createdFor(rows, known), map[string]bool{}
	for _, r := range rows {
		doc := l.madeOf(r.user, func(doc crud.Document) bool {
			id, at := text(doc, "_id"), text(doc, "createdAt")
			return at >= l.since && (created == "" || at == created) && !used[id] && !known(id)
		})
		if doc == nil {
			return ids
		}
		id := text(doc, "_id")
		created, used[id] = text(doc, "createdAt"), true
		ids = append(ids, id)
	}
	return ids
}

// createdFor returns when those of rows were made that have names, by which it is sure
// which users they are; "" if none was.
func (l *lookup) createdFor(rows []insertion, known func(id string) bool) string {
	for _, r := range rows {
		for _, key := range l.uniques {
			doc, ok := l.byName[key.in(r.user)]
			if ok && !known(text(doc, "_id")) && text(doc, "createdAt") >= l.since && sameFields(r.user, doc) {
				return text(doc, "createdAt")
			}
		}
	}
	return ""
}

// madeOf returns the user that was made of the given fields, among those that may be.
func (l *lookup) madeOf(user crud.Document, may func(crud.Document) bool) crud.Document {
	named := false
	for _, key := range l.uniques {
		name := key.in(user)
		if name == "" {
			continue
		}
		named = true
		if doc, ok := l.byName[name]; ok && may(doc) && sameFields(user, doc) {
			return doc
		}
	}
	if named {
		return nil
	}
	for _, doc := range l.recent {
		if may(doc) && sameFields(user, doc) {
			return doc
		}
	}
	return nil
}

// sameFields reports whether doc has the texts, numbers and booleans of user, dates in
// whatever form.
func sameFields(user, doc crud.Document) bool {
	for field, value := range user {
		switch value := value.(type) {
		case string:
			if !sameText(value, text(doc, field)) {
				return false
			}
		case bool, float64:
			if doc[field] != value {
				return false
			}
		}
	}
	return accountID(doc) == "" && len(withoutOwn(doc)) <= len(withoutOwn(user))
}

func sameText(a, b string) bool {
	if a == b {
		return true
	}
	at, errA := parseDate(a)
	bt, errB := parseDate(b)
	return errA == nil && errB == nil && at.Equal(bt)
}
