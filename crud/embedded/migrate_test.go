package embedded

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"user-manager/crud/document"
	"user-manager/internal/logtest"

	"github.com/google/go-cmp/cmp"
)

// things is a collection with a few fields and the given indexes.
func things(indexes ...Index) Definition {
	return Definition{
		Name: "things", Path: "/things", DefaultState: "PUBLIC",
		Fields: []Field{
			{Name: "code", Type: kindString}, {Name: "size", Type: kindNumber},
			{Name: "tags", Type: kindArray, Items: &Field{Type: kindString}},
			{Name: "at", Type: kindObject, Schema: []byte(`{"properties":{"city":{"type":"string"}}}`)},
		},
		Indexes: indexes,
	}
}

// retyped is a definition with another type for one of its fields.
func retyped(def Definition, name string, f Field) Definition {
	def.Fields = slices.Clone(def.Fields)
	for i := range def.Fields {
		if def.Fields[i].Name == name {
			f.Name = name
			def.Fields[i] = f
		}
	}
	return def
}

func compound(name string, unique bool, fields ...string) Index {
	ix := Index{Name: name, Type: "normal", Unique: unique}
	for _, f := range fields {
		order := 1
		if strings.HasPrefix(f, "-") {
			order = -1
		}
		ix.Fields = append(ix.Fields, IndexField{strings.TrimPrefix(f, "-"), order})
	}
	return ix
}

// schemaOf gives the statements that made the table and its declared indexes.
func schemaOf(t *testing.T, s *Store) []string {
	t.Helper()
	var texts []string
	err := s.db.query(t.Context(), `SELECT sql FROM sqlite_schema WHERE tbl_name = 'c_things' AND name GLOB 'i_*' ORDER BY name`, nil, func(rows *sql.Rows) (bool, error) {
		var text string
		err := rows.Scan(&text)
		_, columns, _ := strings.Cut(text, " ON ")
		if strings.Contains(text, "UNIQUE") {
			columns += " unique"
		}
		texts = append(texts, strings.TrimPrefix(columns, `"c_things" `))
		return true, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestMigration(t *testing.T) {
	docs := `[{"code":"a","size":1,"tags":["x"],"at":{"city":"Rome"}},{"code":"b","size":2,"tags":["x","y"],"at":{"city":"Oslo"}}]`
	for name, c := range map[string]struct {
		before, after Definition
		indexes       []string
		query, count  string
		planned       string // of the query: what the plan must name; "": a scan
	}{
		"an index added": {things(), things(index("code", false, "code")),
			[]string{`("x_code")`}, `{"code":"a"}`, "1", "i_things$2ecode"},
		"an index dropped": {things(index("code", true, "code")), things(),
			nil, `{"code":"a"}`, "1", ""},
		"an index that is now unique": {things(index("code", false, "code")), things(index("code", true, "code")),
			[]string{`("x_code") unique`}, `{"code":"b"}`, "1", "i_things$2ecode"},
		"an index of one name on another field": {things(index("i", false, "code")), things(index("i", false, "size")),
			[]string{`("x_size")`}, `{"size":2}`, "1", "i_things$2ei"},
		"another order": {things(compound("i", false, "code", "size")), things(compound("i", false, "code", "-size")),
			[]string{`("x_code", "x_size" DESC)`}, `{"code":"a","size":1}`, "1", "i_things$2ei"},
		"a field added to an index": {things(compound("i", false, "code")), things(compound("i", true, "code", "size")),
			[]string{`("x_code", "x_size") unique`}, `{"code":"a","size":{"$gt":0}}`, "1", "i_things$2ei"},
		"an index on a path below an object": {things(), things(index("city", false, "at.city")),
			[]string{`("x_at$2ecity")`}, `{"at.city":"Oslo"}`, "1", "i_things$2ecity"},
		"a text that becomes an array": {things(index("code", false, "code")), retyped(things(index("code", false, "code")), "code", Field{Type: kindArray, Items: &Field{Type: kindString}}),
			[]string{`("x_code")`}, `{"code":"a"}`, "1", ""},
		"an array that becomes a text is still found by its items": {things(index("tags", false, "tags")), retyped(things(index("tags", false, "tags")), "tags", Field{Type: kindString}),
			[]string{`("x_tags")`}, `{"tags":"y"}`, "1", ""},
		"an array that becomes an indexed text": {things(), retyped(things(index("tags", false, "tags")), "tags", Field{Type: kindString}),
			[]string{`("x_tags")`}, `{"tags":"x"}`, "2", ""},
		"a number that becomes a text": {things(index("size", false, "size")), retyped(things(index("size", false, "size")), "size", Field{Type: kindString}),
			[]string{`("x_size")`}, `{"size":{"$gte":1}}`, "2", "i_things$2esize"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			reopen := func(def Definition) *Store {
				s, err := Open(t.Context(), Config{Path: path, Log: logtest.Logger(t), Collections: []Definition{def}})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			s := reopen(c.before)
			must(t, s, "POST", "/things/bulk", docs)
			s.Close()
			for range 2 { // the second start finds nothing to do
				s = reopen(c.after)
				if diff := cmp.Diff(c.indexes, schemaOf(t, s)); diff != "" {
					t.Errorf("indexes (-want +got)\n%s", diff)
				}
				v := view{filter: parseFilter(t, c.query)}
				if n, err := s.collections["/things"].countOf(s.db.querier(t.Context()), v.filter); err != nil || fmt.Sprint(n) != c.count {
					t.Errorf("%s: %d, %v; want %s", c.query, n, err, c.count)
				}
				if got := plan(t, s, s.collections["/things"], v); !strings.Contains(got, c.planned) || (c.planned == "") != strings.Contains(got, "SCAN") {
					t.Errorf("plan of %s: %s, want %q", c.query, got, c.planned)
				}
				s.Close()
			}
		})
	}
}

// TestMixedValues declares an array as a text and back: the index is used again once
// the arrays are gone.
func TestMixedValues(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	reopen := func(def Definition) (s *Store, column string) {
		s = openStore(t, Config{Path: path, Log: logtest.Logger(t), Collections: []Definition{def}})
		return s, s.collections["/things"].byPath["tags"].kind
	}
	array := things(index("tags", false, "tags"))
	text := retyped(array, "tags", Field{Type: kindString})
	s, _ := reopen(array)
	id := insertID(t, s, "/things/", `{"tags":["x"]}`)
	s.Close()
	s, kind := reopen(text)
	if kind != kindMixed {
		t.Errorf("kind %q with an array left, want mixed", kind)
	}
	must(t, s, "PATCH", "/things/"+id, `{"$set":{"tags":"x"}}`)
	s.Close()
	s, kind = reopen(text)
	if kind != kindString {
		t.Errorf("kind %q without arrays, want string", kind)
	}
	if got := plan(t, s, s.collections["/things"], view{filter: document.Equals("tags", "x")}); strings.Contains(got, "SCAN") {
		t.Errorf("plan: %s, want a search", got)
	}
}

func TestBrokenUniqueIndexStopsTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, Config{Path: path, Collections: []Definition{things()}})
	var ids []string
	for _, body := range []string{`{"code":"a","size":1}`, `{"code":"b","size":1}`, `{"code":"a","size":2}`, `{"code":"b","size":1}`, `{"size":1}`, `{"size":1}`} {
		ids = append(ids, insertID(t, s, "/things/", body))
	}
	s.Close()
	for name, c := range map[string]struct {
		index Index
		wants []string
	}{
		"one field":  {index("code_unique", true, "code"), []string{`"things"`, `"code_unique"`, "on code", ids[0] + ", " + ids[2]}},
		"two fields": {compound("both", true, "code", "size"), []string{`"both"`, "on code, size", ids[1] + ", " + ids[3]}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), Config{Path: path, Collections: []Definition{things(c.index)}})
			for _, want := range c.wants {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
		})
	}
	t.Run("nothing has changed", func(t *testing.T) {
		s := openStore(t, Config{Path: path, Collections: []Definition{things()}})
		if got := must(t, s, "GET", "/things/count?code=a", ""); got != "2" || schemaOf(t, s) != nil {
			t.Errorf("%s documents, indexes %v; want 2 and none", got, schemaOf(t, s))
		}
	})
}

// TestOpenIsFast opens a file with many documents: no time depends on their number.
func TestOpenIsFast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	open := func() (*Store, time.Duration) {
		started := time.Now()
		s := openStore(t, Config{Path: path, Sync: "normal", Collections: []Definition{Users("/users"), Groups("/groups"), Roles("/roles")}})
		return s, time.Since(started)
	}
	s, fresh := open()
	users := 100_000
	if testing.Short() {
		users = 10_000
	}
	for from := 0; from < users; from += 5000 {
		var items []string
		for i := from; i < from+5000; i++ {
			items = append(items, fmt.Sprintf(`{"userGroup":"g","username":"u%d","email":"u%d@x.io"}`, i, i))
		}
		must(t, s, "POST", "/users/bulk", "["+strings.Join(items, ",")+"]")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var best time.Duration
	for i := range 5 {
		s, took := open()
		if i == 0 || took < best {
			best = took
		}
		s.Close()
	}
	t.Logf("a new file %v, one with %d users %v", fresh, users, best)
	if best > 50*time.Millisecond {
		t.Errorf("a file with %d users took %v to open", users, best)
	}
}

// TestOpenCollectionBecomesFixed opens a file that was written while journal and jobs
// took any field: what is in it is found, changed and deleted as before.
func TestOpenCollectionBecomesFixed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	open := func(defs ...Definition) *Store {
		s, err := Open(t.Context(), Config{Path: path, Log: logtest.Logger(t), Collections: defs})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	before := open(
		Definition{Name: "journal", Path: "/journal", DefaultState: "PUBLIC", Open: true, Internal: true},
		Definition{Name: "jobs", Path: "/jobs", DefaultState: "PUBLIC", Open: true, Internal: true, Indexes: Jobs("").Indexes})
	for range 2 {
		insertID(t, before, "/journal/", `{"operation":"o","kind":"create","names":["a"],"unblock":true,"former":"x"}`)
	}
	job := insertID(t, before, "/jobs/", `{"type":"job","jobId":"j","status":"pending","leaseUntil":1795279416306,"counts":{"done":1},"former":1}`)
	insertID(t, before, "/jobs/", `{"type":"part","jobId":"j","part":0,"ids":["a","b"],"outcomes":[{"id":"a","result":"done"}]}`)
	before.Close()

	after := open(Journal("/journal"), Jobs("/jobs"))
	for name, c := range map[string]struct{ method, path, body, want string }{
		"notes by their operation":     {"GET", `/journal/count?_q={"operation":"o"}`, "", "2"},
		"a note as it was":             {"GET", "/journal/?_l=1", "", `"former":"x"`},
		"a job by its status":          {"GET", `/jobs/count?_q={"status":{"$in":["pending"]},"leaseUntil":{"$lt":1795279416307}}`, "", "1"},
		"a part by one of its ids":     {"GET", `/jobs/count?_q={"jobId":"j","ids":{"$in":["b"]},"part":{"$gte":0,"$lt":1}}`, "", "1"},
		"an outcome added":             {"PATCH", `/jobs/?_q={"type":"part"}`, `{"$addToSet":{"outcomes":{"$each":[{"id":"a","result":"done"},{"id":"b","result":"failed","problems":[{"code":"C","message":"m"}]}]}}}`, "1"},
		"a change beside an old field": {"PATCH", "/jobs/" + job, `{"$set":{"counts":{"done":2}}}`, `"counts":{"done":2}`},
		"a lock":                       {"POST", "/journal/", `{"operation":"p","kind":"delete","lock":"l","holder":"h"}`, "_id"},
		"a field that is not declared": {"POST", "/journal/", `{"operation":"p","kind":"delete","former":"x"}`, "additional properties"},
	} {
		t.Run(name, func(t *testing.T) {
			method, path := c.method, strings.NewReplacer(`"`, "%22", "{", "%7B", "}", "%7D").Replace(c.path)
			if _, got := do(t, after, method, path, c.body); !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	if status, answer := do(t, after, "POST", "/journal/", `{"operation":"q","kind":"delete","lock":"l"}`); status != http.StatusConflict {
		t.Errorf("a lock that is taken: %d %s, want a 409", status, answer)
	}
	if got := must(t, after, "DELETE", "/journal/?_q=%7B%22operation%22:%22o%22%7D", ""); got != "2" {
		t.Errorf("%s notes deleted, want 2", got)
	}
}
