package embedded

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLeftOut asks for everything that is left out, and that the list names no more.
func TestLeftOut(t *testing.T) {
	s := usersStore(t, ":memory:")
	insertID(t, s, "/users/", `{"userGroup":"a"}`)
	multipartOf := func(kind string, fields ...string) (string, string) {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		for i := 0; i < len(fields); i += 2 {
			w.WriteField(fields[i], fields[i+1])
		}
		part, _ := w.CreatePart(map[string][]string{"Content-Disposition": {`form-data; name="file"; filename="f"`}, "Content-Type": {kind}})
		part.Write([]byte("x"))
		w.Close()
		return body.String(), w.FormDataContentType()
	}
	sheet, sheetType := multipartOf(typeXLSX)
	utf16, utf16Type := multipartOf(typeCSV, "encoding", "utf16le")
	query := func(text string) string { return "/users/?_q=" + url.QueryEscape(text) }
	answered := map[string]bool{}
	for name, c := range map[string]struct{ method, path, body, contentType, accept, want string }{
		"near a point":             {"GET", query(`{"roles":{"$nearSphere":{"from":[1,2]}}}`), "", "", "", "geographic search ($nearSphere)"},
		"within an area":           {"GET", query(`{"username":{"$geoWithin":{}}}`), "", "", "", "geographic search ($geoWithin)"},
		"words":                    {"GET", query(`{"$text":{"$search":"x"}}`), "", "", "", "text search ($text)"},
		"words, one of several":    {"GET", query(`{"$or":[{"$text":{"$search":"x"}}]}`), "", "", "", "text search ($text)"},
		"a spreadsheet":            {"GET", "/users/export", "", "", typeXLSX, "a spreadsheet"},
		"an old spreadsheet":       {"GET", "/users/export", "", "", typeXLS, "a spreadsheet"},
		"import of a spreadsheet":  {"POST", "/users/import", sheet, sheetType, "", "a spreadsheet"},
		"import of UTF-16":         {"POST", "/users/import", utf16, utf16Type, "", "another encoding than UTF-8 or Latin-1 (utf16le)"},
		"a computed projection":    {"GET", "/users/?_rawp=" + url.QueryEscape(`{"x":{"$first":"$roles"}}`), "", "", "", "an operator or a value in _rawp (x)"},
		"$push that cuts":          {"PATCH", "/users/", `{"$push":{"roles":{"$each":["a"],"$slice":1}}}`, typeJSON, "", "$push with $slice or $sort ($slice)"},
		"$push that sorts":         {"PATCH", "/users/", `{"$push":{"roles":{"$each":["a"],"$sort":1}}}`, typeJSON, "", "$push with $slice or $sort ($sort)"},
		"an item replaced":         {"PATCH", "/users/?roles=a", `{"$set":{"roles.$.replace":"b"}}`, typeJSON, "", ".$.merge or .$.replace (roles.$.replace)"},
		"an item merged":           {"PATCH", "/users/", `{"$set":{"list.$.merge":{"a":1}}}`, typeJSON, "", ".$.merge or .$.replace (list.$.merge)"},
		"an item replaced in bulk": {"PATCH", "/users/bulk", `[{"filter":{},"update":{"$set":{"roles.$.replace":"b"}}}]`, typeJSON, "", ".$.merge or .$.replace"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := do(t, s, c.method, c.path, c.body, "Content-Type", c.contentType, "Accept", c.accept)
			if status != http.StatusNotImplemented || !strings.Contains(answer, c.want) || !strings.Contains(answer, "is not supported by the embedded store") {
				t.Errorf("got %d %s, want 501 %s", status, answer, c.want)
			}
			for _, what := range LeftOut() {
				if strings.Contains(answer, what) {
					answered[what] = true
				}
			}
		})
	}
	if len(answered) != len(LeftOut()) {
		t.Errorf("of %q only these are answered with 501: %v", LeftOut(), answered)
	}
}

func TestLimits(t *testing.T) {
	s := usersStore(t, ":memory:")
	query := func(text string) string { return "/users/?_q=" + url.QueryEscape(text) }
	nested := func(depth int) string {
		return query(`{"x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`)
	}
	filter := func(depth int) string {
		return query(strings.Repeat(`{"$or":[`, depth) + `{"x":1}` + strings.Repeat(`]}`, depth))
	}
	long := func(n int) string { return query(`{"x":"` + strings.Repeat("x", n-len(`{"x":""}`)) + `"}`) }
	body := func(n int) string {
		return `{"userGroup":"` + strings.Repeat("x", n-len(`{"userGroup":""}`)) + `"}`
	}
	for name, c := range map[string]struct {
		method, path, body string
		status             int
	}{
		"the largest page":            {"GET", "/users/?_l=200", "", 200},
		"a larger page":               {"GET", "/users/?_l=201", "", 400},
		"the deepest value of a _q":   {"GET", nested(maxQueryDepth - 1), "", 200},
		"a deeper one":                {"GET", nested(maxQueryDepth + 1), "", 400},
		"a deep filter":               {"GET", filter(maxQueryDepth/2 - 1), "", 200},
		"a deeper filter":             {"GET", filter(maxQueryDepth/2 + 1), "", 400},
		"the longest _q":              {"GET", long(maxQuery), "", 200},
		"a longer _q":                 {"GET", long(maxQuery + 1), "", 400},
		"a look-ahead":                {"GET", query(`{"username":{"$regex":"(?=a)"}}`), "", 400},
		"a backreference":             {"GET", query(`{"username":{"$regex":"(a)\\1"}}`), "", 400},
		"the largest body":            {"POST", "/users/", body(maxBody), 200},
		"a larger body":               {"POST", "/users/", body(maxBody + 1), 413},
		"a larger body of a patch":    {"PATCH", "/users/", body(maxBody + 1), 413},
		"a body nested too deeply":    {"POST", "/users/", `{"userGroup":"a","x":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`, 400},
		"a query of many alternative": {"GET", query(`{"x":{"$in":[` + strings.Repeat("1,", 100_000) + `1]}}`), "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			if status, answer := do(t, s, c.method, c.path, c.body); status != c.status {
				t.Errorf("got %d %s, want %d", status, answer[:min(len(answer), 300)], c.status)
			}
		})
	}
}

// TestImportLimit sends a file that never ends, and holds nothing but blanks.
func TestImportLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a whole import")
	}
	s := usersStore(t, ":memory:")
	head := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\nContent-Type: application/json\r\n\r\n["
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/users/import", io.MultiReader(strings.NewReader(head), endless{}))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d %s, want 413", w.Code, w.Body)
	}
}

// endless is blanks without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestGivenUpRequestFreesItsReader(t *testing.T) {
	s := usersStore(t, filepath.Join(t.TempDir(), "store.db"))
	must(t, s, "POST", "/users/bulk", `[{"userGroup":"a"},{"userGroup":"b"},{"userGroup":"c"}]`)
	t.Run("between two rows", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		err := s.db.query(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n`, nil, func(*sql.Rows) (bool, error) {
			cancel()
			return true, nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	t.Run("while SQLite works on one", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			done <- s.db.query(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n`, nil,
				func(*sql.Rows) (bool, error) { return true, nil })
		}()
		for s.db.read.Stats().InUse == 0 {
			runtime.Gosched()
		}
		cancel()
		if err := <-done; err == nil {
			t.Error("a query without end has ended")
		}
	})
	t.Run("in the midst of an answer", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "GET", "/users/export?_q=%7B%22x%22:null%7D", nil)
		s.ServeHTTP(&onWrite{header: http.Header{}, do: cancel}, r)
	})
	if n := s.db.read.Stats().InUse; n != 0 {
		t.Errorf("%d readers are still in use", n)
	}
}

// onWrite is an answer that does something at its first write.
type onWrite struct {
	header http.Header
	body   bytes.Buffer
	do     func()
}

func (w *onWrite) Header() http.Header { return w.header }
func (w *onWrite) WriteHeader(int)     {}
func (w *onWrite) Write(p []byte) (int, error) {
	if do := w.do; do != nil {
		w.do = nil
		do()
	}
	return w.body.Write(p)
}

// manyUsers stores n users of 2 kB each, the first of them unreadable.
func manyUsers(t *testing.T, s *Store, n, unreadable int) {
	t.Helper()
	var items []string
	for i := range n {
		items = append(items, fmt.Sprintf(`{"userGroup":"g","username":"u%05d","x":%q}`, i, strings.Repeat("x", 2000)))
	}
	must(t, s, "POST", "/users/bulk", "["+strings.Join(items, ",")+"]")
	err := s.db.writes.do(t.Context(), true, func(x *tx) error {
		_, err := x.exec(`UPDATE c_users SET doc = 'unreadable' WHERE seq <= ?`, unreadable)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSkippedDocumentsAreNotRead skips documents that cannot be read.
func TestSkippedDocumentsAreNotRead(t *testing.T) {
	s := usersStore(t, filepath.Join(t.TempDir(), "store.db"))
	manyUsers(t, s, 3000, 2900)
	for name, path := range map[string]string{
		"insertion order":      "/users/?_sk=2900&_p=username",
		"order of an index":    "/users/?_s=username&_sk=2900&_p=username",
		"a filter by an index": "/users/?_q=%7B%22username%22:%7B%22$gte%22:%22u%22%7D%7D&_sk=2900&_p=username",
		"several states":       "/users/?_st=PUBLIC,DRAFT&_sk=2900&_p=username",
		"export":               "/users/export?_sk=2900&_l=25&_p=username",
	} {
		t.Run(name, func(t *testing.T) {
			got := must(t, s, "GET", path, "")
			if strings.Count(got, "username") != 25 || !strings.Contains(got, "u02900") {
				t.Errorf("GET %s: %s, want 25 users from u02900", path, got[:min(len(got), 300)])
			}
		})
	}
}

// TestExportStreams writes the first users before the last are read, and holds no
// reader while the client is slow.
func TestExportStreams(t *testing.T) {
	for name, path := range map[string]string{
		"decided by SQL":         "/users/export",
		"decided by the matcher": "/users/export?_q=%7B%22x%22:%7B%22$exists%22:true%7D%7D",
		"sorted without index":   "/users/export?_s=x",
	} {
		t.Run(name, func(t *testing.T) {
			s := usersStore(t, filepath.Join(t.TempDir(), "store.db"))
			manyUsers(t, s, 1000, 0)
			w := &onWrite{header: http.Header{}}
			w.do = func() {
				if n := s.db.read.Stats().InUse; n != 0 {
					t.Errorf("%d readers in use while the client reads", n)
				}
				must(t, s, "DELETE", "/users/", "")
			}
			s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
			if rows := strings.Count(w.body.String(), "\n"); rows == 0 || rows >= 1000 {
				t.Errorf("%d of 1000 users, of which most were deleted after the first was written", rows)
			}
		})
	}
}

func TestLimitsAreNamed(t *testing.T) {
	got := map[string]int{}
	for _, l := range Limits() {
		got[l.Name] = l.Value
	}
	if diff := cmp.Diff(len(Limits()), len(got)); diff != "" {
		t.Errorf("a limit is named twice (-want +got)\n%s", diff)
	}
}
