package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/internal/logtest"
)

// do sends a JSON request and gives status and body.
func do(t testing.TB, h http.Handler, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// must is do for a request that has to succeed.
func must(t testing.TB, h http.Handler, method, path, body string) string {
	t.Helper()
	status, answer := do(t, h, method, path, body)
	if status >= 300 {
		t.Fatalf("%s %s %s: %d %s", method, path, body, status, answer)
	}
	return answer
}

// insertID inserts a document and gives its id.
func insertID(t testing.TB, h http.Handler, path, body string) string {
	t.Helper()
	var answer struct {
		ID string `json:"_id"`
	}
	if err := json.Unmarshal([]byte(must(t, h, "POST", path, body)), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.ID
}

func usersStore(t testing.TB, path string) *Store {
	return openStore(t, Config{Path: path, Collections: []Definition{
		Users("/users"), Groups("/ums/config"), Roles("/roles"),
		{Name: "hidden", Path: "/hidden", Internal: true, DefaultState: "PUBLIC", Open: true},
	}})
}

func TestOpenCollection(t *testing.T) {
	s := usersStore(t, ":memory:")
	ann := insertID(t, s, "/users/", `{"userGroup":"a","username":"ann","nick":"7","n":7,"deep":{"z":1,"a":[{"k":"v"}]}}`)
	insertID(t, s, "/users/", `{"userGroup":"a","username":"bob","n":3}`)
	for name, c := range map[string]struct{ path, want string }{
		"filter on a further text":        {"/users/?nick=7&_p=username", "ann"},
		"filter on a further number":      {"/users/?n=7&_p=username", "ann"},
		"filter on a further path":        {"/users/?deep.z=1&_p=username", "ann"},
		"query on a further path":         {`/users/?_q={"deep.a.k":"v"}&_p=username`, "ann"},
		"query for a further object":      {`/users/?_q={"deep":{"a":[{"k":"v"}],"z":1}}&_p=username`, "ann"},
		"sort by a further field":         {"/users/?_s=-n&_l=1&_p=username", "ann"},
		"sort by a further field upwards": {"/users/?_s=n&_l=1&_p=username", "bob"},
	} {
		t.Run(name, func(t *testing.T) {
			got := must(t, s, "GET", strings.ReplaceAll(c.path, `"`, "%22"), "")
			if !strings.Contains(got, c.want) || strings.Count(got, "username") != 1 {
				t.Errorf("GET %s: got %s, want only %s", c.path, got, c.want)
			}
		})
	}
	t.Run("patch of further paths, declared fields keep their types", func(t *testing.T) {
		got := must(t, s, "PATCH", "/users/"+ann, `{"$set":{"deep.z":2,"new":true,"blocked":"true"},"$unset":{"nick":true},"$inc":{"n":1},"$push":{"list":"x"}}`)
		var doc map[string]any
		if err := json.Unmarshal([]byte(got), &doc); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"_id", "createdAt", "updatedAt", "creatorId", "updaterId", "__STATE__"} {
			delete(doc, name)
		}
		want := map[string]any{"userGroup": "a", "username": "ann", "n": 8.0, "new": true, "blocked": true, "list": []any{"x"},
			"deep": map[string]any{"z": 2.0, "a": []any{map[string]any{"k": "v"}}}}
		if diff := cmp.Diff(want, doc); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
	t.Run("a further field is kept as it was written", func(t *testing.T) {
		id := insertID(t, s, "/users/", `{"userGroup":"a","z": {"b": 1, "a" : [ 1.50, "é" ]}}`)
		if got, want := must(t, s, "GET", "/users/"+id, ""), `"z":{"b":1,"a":[1.50,"é"]}`; !strings.Contains(got, want) {
			t.Errorf("got %s, want %s in it", got, want)
		}
	})
}

func TestRefusals(t *testing.T) {
	s := usersStore(t, ":memory:")
	insertID(t, s, "/users/", `{"userGroup":"a","username":"ann"}`)
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		message            string
	}{
		"unknown parameter with an underscore": {"GET", "/users/?_x=1", "", 400, `Property \"_x\"`},
		"look-ahead in a pattern":              {"GET", "/users/?_q=%7B%22username%22:%7B%22$regex%22:%22(?=a)%22%7D%7D", "", 400, "RE2"},
		"body nested too deeply":               {"POST", "/users/", `{"userGroup":"a","x":` + deep + `}`, 400, "too many levels"},
		"query nested too deeply":              {"GET", "/users/?_q=%7B%22x%22:" + strings.Repeat("[", 60) + strings.Repeat("]", 60) + "%7D", "", 400, "too deeply"},
		"further field with a dot":             {"POST", "/users/", `{"userGroup":"a","x.y":1}`, 400, `\"x.y\"`},
		"further field with a dollar":          {"POST", "/users/", `{"userGroup":"a","$x":1}`, 400, `\"$x\"`},
		"duplicate by a patch":                 {"PATCH", "/users/", `{"$set":{"username":"same"},"$inc":{"username.x":1}}`, 400, "username.x"},
		"number operator on a text":            {"PATCH", "/users/", `{"$inc":{"username":1}}`, 400, "username"},
		"index far beyond an array":            {"PATCH", "/users/", `{"$set":{"list":[]},"$push":{"list.99999999":1}}`, 400, "conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := do(t, s, c.method, c.path, c.body, "Accept", typeXLSX)
			if status != c.status || !strings.Contains(answer, c.message) {
				t.Errorf("got %d %s, want %d with %q", status, answer, c.status, c.message)
			}
		})
	}
}

func TestUniqueWherePresent(t *testing.T) {
	s := usersStore(t, ":memory:")
	for range 3 {
		insertID(t, s, "/users/", `{"userGroup":"a"}`)
	}
	insertID(t, s, "/users/", `{"userGroup":"a","email":"e@x.io"}`)
	status, answer := do(t, s, "POST", "/users/", `{"userGroup":"a","email":"e@x.io"}`)
	want := `E11000 duplicate key error collection: ums.users index: email_unique dup key: { email: \"e@x.io\" }`
	if status != http.StatusConflict || !strings.Contains(answer, want) {
		t.Errorf("got %d %s, want 409 %s", status, answer, want)
	}
	status, answer = do(t, s, "PATCH", "/users/", `{"$set":{"email":"f@x.io"}}`)
	if status != http.StatusBadRequest || !strings.Contains(answer, "E11000") {
		t.Errorf("patch of four to one email: got %d %s, want 400 E11000", status, answer)
	}
	if got := must(t, s, "GET", "/users/count?email=f@x.io", ""); got != "0" {
		t.Errorf("a refused patch changed %s users", got)
	}
}

func TestPublicHidesInternalCollections(t *testing.T) {
	s := usersStore(t, ":memory:")
	for name, c := range map[string]struct {
		h      http.Handler
		path   string
		status int
	}{
		"internal, all":          {s, "/hidden/", 200},
		"internal, public":       {s.Public(), "/hidden/", 404},
		"path with inner slash":  {s.Public(), "/ums/config", 200},
		"route below that":       {s.Public(), "/ums/config/count", 200},
		"first part of the path": {s.Public(), "/ums", 404},
		"status, all":            {s, "/-/ready", 200},
		"status, public":         {s.Public(), "/-/ready", 404},
	} {
		t.Run(name, func(t *testing.T) {
			if status, answer := do(t, c.h, "GET", c.path, ""); status != c.status {
				t.Errorf("got %d %s, want %d", status, answer, c.status)
			}
		})
	}
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	cfg := Config{Path: path, Log: logtest.Logger(t), Collections: []Definition{Users("/users")}}
	first, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	id := insertID(t, first, "/users/", `{"userGroup":"a","username":"ann","tier":"gold"}`)
	insertID(t, first, "/users/", `{"userGroup":"a","username":"bob","tier":"gold"}`)
	if _, err := Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("second Open: got %v, want it refused", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _ := do(t, first, "POST", "/users/", `{"userGroup":"a"}`); status != http.StatusInternalServerError {
		t.Errorf("write after Close: got %d", status)
	}

	t.Run("a unique index that the documents break names them", func(t *testing.T) {
		broken := cfg
		def := Users("/users")
		def.Indexes = append(def.Indexes, index("tier", true, "tier"))
		broken.Collections = []Definition{def}
		if _, err := Open(t.Context(), broken); err == nil || !strings.Contains(err.Error(), id) || !strings.Contains(err.Error(), `"tier"`) {
			t.Errorf("got %v, want an error with the index and %s", err, id)
		}
	})
	t.Run("an index added, and one dropped", func(t *testing.T) {
		def := Users("/users")
		def.Indexes = append(standardIndexes(), index("tier", false, "tier"))
		s, err := Open(t.Context(), Config{Path: path, Collections: []Definition{def}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		insertID(t, s, "/users/", `{"userGroup":"a","username":"ann","tier":"tin"}`)
		if got := must(t, s, "GET", "/users/count?tier=gold", ""); got != "2" {
			t.Errorf("count by the new index: %s", got)
		}
		later := insertID(t, s, "/users/", `{"userGroup":"a"}`)
		if later <= id {
			t.Errorf("ids do not grow over a restart: %s then %s", id, later)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	damaged := filepath.Join(folder, "damaged.db")
	if err := os.WriteFile(damaged, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"no path":         {Config{}, "no path"},
		"unknown sync":    {Config{Path: ":memory:", Sync: "off"}, "full or normal"},
		"folder missing":  {Config{Path: filepath.Join(folder, "none", "x.db")}, "no such file"},
		"a damaged file":  {Config{Path: damaged}, "damaged or no database"},
		"a folder":        {Config{Path: folder}, "cannot be opened"},
		"unknown type":    {Config{Path: ":memory:", Collections: []Definition{{Name: "a", Path: "/a", Fields: []Field{{Name: "f", Type: "text"}}}}}, `unknown type "text"`},
		"the same path":   {Config{Path: ":memory:", Collections: []Definition{Users("/u"), Roles("u/")}}, `taken by the collection "users"`},
		"the same name":   {Config{Path: ":memory:", Collections: []Definition{Users("/u"), Users("/v")}}, `taken by the collection "users"`},
		"status as path":  {Config{Path: ":memory:", Collections: []Definition{Users("/-/users")}}, "endpointBasePath"},
		"field with dots": {Config{Path: ":memory:", Collections: []Definition{{Name: "a", Path: "/a", Fields: []Field{{Name: "f.g", Type: "string"}}}}}, "dot"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.Context(), c.cfg)
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestWriteGivenUpBeforeItStarts(t *testing.T) {
	s := usersStore(t, filepath.Join(t.TempDir(), "store.db"))
	ctx, cancel := context.WithCancel(t.Context())
	started, release := make(chan bool), make(chan bool)
	done := make(chan error)
	go func() {
		done <- s.db.writes.do(t.Context(), false, func(*tx) error { started <- true; <-release; return nil })
	}()
	<-started
	ran := false
	given := make(chan error)
	go func() {
		given <- s.db.writes.do(ctx, false, func(*tx) error { ran = true; return nil })
	}()
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) || ran {
		t.Errorf("got %v, ran %v; want it given up", err, ran)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFailedWriteLeavesOthersAlone(t *testing.T) {
	s := usersStore(t, ":memory:")
	wrong := errors.New("wrong")
	batch := []*write{
		{ctx: t.Context(), run: func(t *tx) error { _, err := t.exec(`CREATE TABLE kept (x)`); return err }},
		{ctx: t.Context(), run: func(t *tx) error {
			if _, err := t.exec(`CREATE TABLE undone (x)`); err != nil {
				return err
			}
			return wrong
		}},
		{ctx: t.Context(), run: func(*tx) error { panic("oh") }},
		{ctx: t.Context(), run: func(t *tx) error { _, err := t.exec(`INSERT INTO kept VALUES (1)`); return err }},
	}
	s.db.writes.runBatch(batch)
	if batch[0].err != nil || batch[1].err != wrong || batch[2].panicked != "oh" || batch[3].err != nil {
		t.Errorf("got %v, %v, %v, %v", batch[0].err, batch[1].err, batch[2].panicked, batch[3].err)
	}
	var n int
	if err := s.db.readRow(t.Context(), `SELECT count(*) FROM kept`, nil, &n); err != nil || n != 1 {
		t.Errorf("kept: %d, %v", n, err)
	}
	if err := s.db.readRow(t.Context(), `SELECT count(*) FROM undone`, nil, &n); err == nil {
		t.Error("the failed write's table is there")
	}
}

func TestDeepPageAndStreams(t *testing.T) {
	s := usersStore(t, ":memory:")
	var items []string
	for i := range 1000 {
		items = append(items, fmt.Sprintf(`{"userGroup":"g%d","username":"u%04d","n":%d}`, i%2, i, i))
	}
	must(t, s, "POST", "/users/bulk", "["+strings.Join(items, ",")+"]")
	for name, c := range map[string]struct {
		path string
		rows int
		last string
	}{
		"export of all":              {"/users/export?_p=username", 1000, "u0999"},
		"export with a filter in Go": {"/users/export?_p=username&userGroup=g1", 500, "u0999"},
		"export sorted in Go":        {"/users/export?_p=username&_s=-n", 1000, "u0000"},
		"export sorted by an index":  {"/users/export?_p=username&_s=-username&_sk=10", 990, "u0000"},
		"export skipped":             {"/users/export?_p=username&_sk=900&_l=90", 90, "u0989"},
		"page sorted in Go":          {"/users/?_p=username&_s=-n&_sk=100&_l=50", 50, "u0850"},
		"page filtered in Go":        {"/users/?_p=username&userGroup=g0&_sk=100&_l=50", 50, "u0298"},
	} {
		t.Run(name, func(t *testing.T) {
			got := must(t, s, "GET", c.path, "")
			rows := strings.Count(got, "username")
			at := strings.LastIndex(got, `"username":"`)
			if rows != c.rows || got[at+12:at+17] != c.last {
				t.Errorf("got %d rows, last %s; want %d, last %s", rows, got[at+12:at+17], c.rows, c.last)
			}
		})
	}
}

func TestLargeQueriesStillAnswer(t *testing.T) {
	s := usersStore(t, ":memory:")
	for i := range 20 {
		insertID(t, s, "/users/", fmt.Sprintf(`{"userGroup":"a","username":"u%d"}`, i))
	}
	var names, terms []string
	for i := range 2000 {
		names = append(names, fmt.Sprintf(`"u%d"`, i*3))
		terms = append(terms, fmt.Sprintf(`{"username":"u%d"}`, i*3))
	}
	nested := `{"username":"u3"}`
	for range 8 {
		nested = `{"$or":[{"$and":[` + nested + `,{"username":{"$gt":"a"}}]},{"username":"u6"}]}`
	}
	for name, c := range map[string]struct{ query, want string }{
		"$in of 2000":   {`{"username":{"$in":[` + strings.Join(names, ",") + `]}}`, "7"},
		"$nin of 2000":  {`{"username":{"$nin":[` + strings.Join(names, ",") + `]}}`, "13"},
		"$or of 2000":   {`{"$or":[` + strings.Join(terms, ",") + `]}`, "7"},
		"$and of 2000":  {`{"$and":[` + strings.Join(terms, ",") + `]}`, "0"},
		"nested deeply": {nested, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/users/count", nil)
			r.URL.RawQuery = "_q=" + url.QueryEscape(c.query)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if got := w.Body.String(); got != c.want {
				t.Errorf("got %s, want %s", got[:min(200, len(got))], c.want)
			}
		})
	}
}
