package users

import (
	"context"
	"crypto/sha256"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"

	"user-manager/crud"
	"user-manager/crud/document"
)

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
}

// owners looks for users that have the unique values of the given ones. It asks by texts:
// of the owner of a unique number the store has to tell.
func (im *importer) owners(ctx context.Context, users []crud.Document) (*lookup, error) {
	found := &lookup{uniques: slices.Clone(im.uniques), byName: map[string]crud.Document{}}
	wanted := map[string]bool{}
	for _, user := range users {
		for _, name := range im.namesOf(user) {
			wanted[name] = true
		}
	}
	for _, key := range found.uniques {
		err := readEach(ctx, im.withKey(ctx, key, users), func(doc crud.Document) {
			if name := key.in(doc); wanted[name] {
				found.byName[name] = doc
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// maxNarrow is how many bytes of a URL are for values beside those of the field that is
// asked for.
const maxNarrow = 1 << 10

// withKey yields the users whose values in the fields of key are among those of the given
// users, and maybe others: it asks by the field with the most values, and by the others
// as far as there is room.
func (im *importer) withKey(ctx context.Context, key uniqueKey, users []crud.Document) iter.Seq2[crud.Document, error] {
	var main string
	var values []string
	fields := key.textsOf(users)
	for _, field := range key {
		if len(fields[field]) > len(values) {
			main, values = field, fields[field]
		}
	}
	q := crud.Query{States: crud.AllStates}
	var narrow []any
	for _, field := range key {
		if field != main && len(fields[field]) > 0 && len(url.QueryEscape(strings.Join(fields[field], `","`))) <= maxNarrow/len(key) {
			narrow = append(narrow, map[string]any{field: map[string]any{"$in": fields[field]}})
		}
	}
	if len(narrow) > 0 {
		q.Filter = map[string]any{"$and": narrow}
	}
	return im.Users.AllIn(ctx, main, values, q)
}

// textsOf returns the values of each field of k, each once, of the users that the index
// knows. Of several fields, only one that is a text in all of them can be asked for.
func (k uniqueKey) textsOf(users []crud.Document) map[string][]string {
	texts := map[string][]string{}
	for _, field := range k {
		values := map[string]bool{}
		for _, user := range users {
			if k.in(user) == "" {
				continue
			}
			value, _ := document.Get(user, field)
			if text, ok := value.(string); ok && text != "" {
				values[text] = true
			} else if len(k) > 1 {
				clear(values)
				break
			}
		}
		texts[field] = slices.Sorted(maps.Keys(values))
	}
	return texts
}

// taken returns the unique index of which another user has values that a row gives the
// user before, nil for a new one; or an earlier row of a dry run has. nil means none.
func (im *importer) taken(found *lookup, before, after crud.Document) uniqueKey {
	for _, key := range found.uniques {
		name := key.in(after)
		if name == "" || name == key.in(before) {
			continue
		}
		isTaken, seen := false, false
		if len(im.seen) > 0 {
			isTaken, seen = im.seen[digestOf(name)]
		}
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

func usersOf(rows []insertion) []crud.Document {
	users := make([]crud.Document, len(rows))
	for i, r := range rows {
		users[i] = r.user
	}
	return users
}
