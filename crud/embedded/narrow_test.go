package embedded

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"user-manager/crud/document"

	"github.com/google/go-cmp/cmp"
)

// plan is SQLite's plan for the query of a view.
func plan(t *testing.T, s *Store, c *collection, v view) string {
	t.Helper()
	n := c.narrow(v.filter)
	order, ok := c.orderBy(v.sort)
	if !ok {
		order = ""
	}
	var lines []string
	err := s.db.query(t.Context(), "EXPLAIN QUERY PLAN "+c.selectText("seq, doc", n, order)+" LIMIT 25", n.args, func(rows *sql.Rows) (bool, error) {
		var id, parent, unused int
		var detail string
		err := rows.Scan(&id, &parent, &unused, &detail)
		lines = append(lines, detail)
		return true, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "; ")
}

func TestIndexedFiltersDoNotScan(t *testing.T) {
	users := Users("/users")
	users.Fields = append(users.Fields, Field{Name: "address", Type: kindObject, Schema: []byte(`{"properties":{"city":{"type":"string"}}}`)})
	users.Indexes = append(users.Indexes, compound("in_group", false, "userGroup", "-expirationDate"), index("city", false, "address.city"))
	s := openStore(t, Config{Path: ":memory:", Collections: []Definition{users}})
	c := s.collections["/users"]
	public := document.Equals("__STATE__", "PUBLIC")
	for name, test := range map[string]struct{ query, sort, index string }{
		"id":                    {`{"_id":"6a00000000000000000000aa"}`, "", "autoindex_c_users_1"},
		"ids":                   {`{"_id":{"$in":["6a00000000000000000000aa","6a00000000000000000000ab"]}}`, "", "autoindex_c_users_1"},
		"range of ids":          {`{"_id":{"$gt":"6a00000000000000000000aa"}}`, "", "autoindex_c_users_1"},
		"state alone":           {`{}`, "", "s_users"},
		"unique email":          {`{"email":"a@x.io"}`, "", "email"},
		"unique username":       {`{"username":"a"}`, "", "username"},
		"usernames":             {`{"username":{"$in":["a","b"]}}`, "", "username"},
		"account":               {`{"authUserId":"x"}`, "", "auth"},
		"no account":            {`{"authUserId":null}`, "", "auth"},
		"range of texts":        {`{"username":{"$gte":"a","$lt":"b"}}`, "", "username"},
		"open range":            {`{"username":{"$lte":"b"}}`, "", "username"},
		"range of dates":        {`{"createdAt":{"$gt":"2030-01-01T00:00:00.000Z"}}`, "", "created"},
		"either of two indexes": {`{"$or":[{"username":"a"},{"email":"b"}]}`, "", "username"},
		"email and more":        {`{"email":"a@x.io","address.city":"Rome"}`, "", "email"},
		"several ranges":        {`{"username":{"$gt":"a","$lte":"b"},"createdAt":{"$lt":"2030-01-01T00:00:00.000Z"}}`, "", "c_users USING INDEX i_users"},
		"range of one id":       {`{"_id":{"$gte":"6a00000000000000000000aa","$lte":"6a00000000000000000000aa"}}`, "", "autoindex_c_users_1"},
		"sort by another index": {`{"email":"a@x.io"}`, "-createdAt", "email"},
		"ids, in their order":   {`{"_id":{"$in":["6a00000000000000000000aa","6a00000000000000000000ab"]}}`, "_id", "autoindex_c_users_1"},
		"compound index":        {`{"userGroup":"a","expirationDate":{"$lt":"2030-01-01T00:00:00.000Z"}}`, "", "group"},
		"part of a compound":    {`{"userGroup":{"$in":["a","b"]}}`, "", "group"},
		"compound, its order":   {`{"userGroup":"a"}`, "-expirationDate", "group"},
		"path below an object":  {`{"address.city":"Rome"}`, "", "city"},
		"state by a query":      {`{"__STATE__":{"$in":["PUBLIC","DRAFT"]}}`, "", "s_users"},
		"state within an or":    {`{"$or":[{"__STATE__":"TRASH"},{"email":"a@x.io"}]}`, "", "s_users"},
		"range with its order":  {`{"createdAt":{"$gt":"2030-01-01T00:00:00.000Z"}}`, "-createdAt", "created"},
	} {
		t.Run(name, func(t *testing.T) {
			v := view{filter: document.Join(public, parseFilter(t, test.query))}
			if test.sort != "" {
				v.sort = document.ParseSort(test.sort)
			}
			got := plan(t, s, c, v)
			if strings.Contains(got, "SCAN c_users") || !strings.Contains(got, test.index) {
				t.Errorf("plan of %s: %s; want a search by %s", test.query, got, test.index)
			}
		})
	}
	drafts := document.OneOf("__STATE__", "PUBLIC", "DRAFT")
	for name, sort := range map[string]string{
		"newest first": "-createdAt", "by username": "username", "by username, downwards": "-username", "by id": "_id", "by id, downwards": "-_id",
		"by a compound index": "userGroup,-expirationDate", "by the first of a compound": "userGroup", "by a path": "-address.city",
	} {
		for states, filter := range map[string]document.Filter{"default state": public, "two states": drafts, "any state": {}} {
			t.Run("order: "+name+", "+states, func(t *testing.T) {
				got := plan(t, s, c, view{filter: filter, sort: document.ParseSort(sort)})
				if !strings.Contains(got, "USING INDEX") || strings.Contains(got, "TEMP B-TREE FOR ORDER BY") {
					t.Errorf("plan of _s=%s: %s; want the order of an index", sort, got)
				}
			})
		}
	}
	for name, filter := range map[string]document.Filter{"default state": public, "any state": {}} {
		t.Run("insertion order: "+name, func(t *testing.T) {
			if got := plan(t, s, c, view{filter: filter}); strings.Contains(got, "TEMP B-TREE") {
				t.Errorf("plan: %s; want no sorting", got)
			}
		})
	}
}

func parseFilter(t testing.TB, text string) document.Filter {
	t.Helper()
	v, err := document.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	f, err := document.ParseFilter(v.(map[string]any))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// typedDefinition has an indexed field of each scalar type.
func typedDefinition() Definition {
	return Definition{
		Name: "typed", Path: "/typed", DefaultState: "PUBLIC", Open: true,
		Fields: []Field{
			{Name: "s", Type: kindString, Nullable: true}, {Name: "n", Type: kindNumber, Nullable: true},
			{Name: "b", Type: kindBool, Nullable: true}, {Name: "l", Type: kindArray, Items: &Field{Type: kindString}},
		},
		Indexes: []Index{index("s", false, "s"), index("n", false, "n"), index("b", false, "b"), index("l", false, "l")},
	}
}

// FuzzNarrowedAnswerIsTheFullScan asks that what SQL narrows, sorts and pages is what
// a scan of all documents gives.
func FuzzNarrowedAnswerIsTheFullScan(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed)
	}
	s := openStore(f, Config{Path: ":memory:", Collections: []Definition{typedDefinition()}})
	var docs []document.Document
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		doc := document.Document{}
		for _, name := range []string{"s", "n", "b", "x"} {
			if v := typedValue(r, name); v != missing {
				doc[name] = v
			}
		}
		if r.IntN(2) == 0 {
			doc["l"] = []any{typedValue(r, "t"), typedValue(r, "t")}
		}
		doc["__STATE__"] = states[r.IntN(4)]
		doc["_id"] = insertID(f, s, "/typed/", string(document.AppendJSON(nil, doc)))
		docs = append(docs, doc)
	}
	c := s.collections["/typed"]
	f.Fuzz(func(t *testing.T, seed uint64) {
		var bytes [32]byte
		binary.LittleEndian.PutUint64(bytes[:], seed)
		r := rand.New(rand.NewChaCha8(bytes))
		query := randomQuery(r, 2)
		filter, err := document.ParseFilter(query)
		if err != nil {
			t.Fatalf("%v: %v", query, err)
		}
		v := view{filter: filter, skip: r.IntN(3) * 5, limit: r.IntN(3) * 10}
		if r.IntN(2) == 0 {
			v.sort = document.ParseSort([]string{"s", "-n", "b,-s", "-b,n", "l", "-x,s", "-__STATE__,-_id"}[r.IntN(7)])
		}
		found, err := c.collect(s.db.querier(t.Context()), v)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, one := range found {
			doc, _ := readDocument(one.text)
			got = append(got, doc["_id"].(string))
		}
		text := fmt.Sprintf("%s sort %v skip %d limit %d", document.AppendJSON(nil, query), v.sort, v.skip, v.limit)
		if diff := cmp.Diff(fullScan(docs, v), got); diff != "" {
			t.Errorf("%s: (-full scan +narrowed)\n%s", text, diff)
		}
		n, err := c.countOf(s.db.querier(t.Context()), filter)
		if want := len(fullScan(docs, view{filter: filter})); err != nil || int(n) != want {
			t.Errorf("%s: counted %d, %v; want %d", text, n, err, want)
		}
	})
}

func fullScan(docs []document.Document, v view) []string {
	var found []document.Document
	for _, doc := range docs {
		if v.filter.Match(doc) {
			found = append(found, doc)
		}
	}
	slices.SortStableFunc(found, func(a, b document.Document) int {
		return document.CompareSorted(v.sort, document.SortValues(v.sort, a), document.SortValues(v.sort, b))
	})
	found = found[min(v.skip, len(found)):]
	if v.limit > 0 {
		found = found[:min(v.limit, len(found))]
	}
	ids := []string{}
	for _, doc := range found {
		ids = append(ids, doc["_id"].(string))
	}
	return ids
}

var missing any = struct{}{}

// typedValue is a value that a field of the name can hold.
func typedValue(r *rand.Rand, name string) any {
	switch r.IntN(6) {
	case 0:
		if name != "t" {
			return missing
		}
	case 1:
		if name != "t" {
			return nil
		}
	}
	switch name {
	case "n":
		return []any{-1.0, 0.0, 1.0, 1.5, 1e300}[r.IntN(5)]
	case "b":
		return r.IntN(2) == 0
	}
	return []any{"", "a", "B", "é", "1"}[r.IntN(5)]
}

// randomQuery is a query on any field with any operator and any operand.
func randomQuery(r *rand.Rand, depth int) map[string]any {
	query := map[string]any{}
	for range 1 + r.IntN(2) {
		if depth > 0 && r.IntN(3) == 0 {
			query[[]string{"$and", "$or"}[r.IntN(2)]] = []any{randomQuery(r, depth-1), randomQuery(r, depth-1)}
			continue
		}
		field := []string{"s", "n", "b", "l", "x", "__STATE__", "x.y"}[r.IntN(7)]
		op := []string{"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists"}[r.IntN(9)]
		switch op {
		case "$in", "$nin":
			items := []any{}
			for range r.IntN(4) {
				items = append(items, randomOperand(r))
			}
			query[field] = map[string]any{op: items}
		case "$exists":
			query[field] = map[string]any{op: r.IntN(2) == 0}
		default:
			query[field] = map[string]any{op: randomOperand(r)}
		}
	}
	return query
}

func randomOperand(r *rand.Rand) any {
	return []any{nil, true, false, -1.0, 0.0, 1.0, 1.5, "", "a", "B", "é", "1", "PUBLIC", "TRASH", []any{"a"}, []any{}, map[string]any{"y": 1.0}}[r.IntN(17)]
}
