package embedded

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"user-manager/crud/document"
)

// FuzzRequest asks that no request makes the store fail: every answer is below 500,
// but for what is left out on purpose, and an answer in JSON is JSON.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][4]string{
		{"POST", "", "", `{"userGroup":"a","username":"n","roles":["x",null],"expirationDate":"2030-02-30","address":{"a":[1]}}`},
		{"POST", "bulk", "", `[{"userGroup":"a"},{"userGroup":null,"age":"1e2"}]`},
		{"PATCH", "", "_st=PUBLIC,DRAFT&username=n", `{"$set":{"address.b":1,"tags":"solo"},"$inc":{"age":1},"$push":{"roles":{"$each":["a"]}}}`},
		{"PATCH", "bulk", "", `[{"filter":{"_q":"{\"age\":1}"},"update":{"$unset":{"name":true}}}]`},
		{"POST", "state", "", `[{"filter":{"$or":[{"username":"n"}]},"stateTo":"TRASH"}]`},
		{"POST", "upsert-one", "username=q", `{"$setOnInsert":{"userGroup":"b"},"$addToSet":{"roles":1}}`},
		{"GET", "", `_q={"$or":[{"age":{"$gt":1}},{"expirationDate":"1 Jan 2031"}]}&_s=-address.a&_p=name,address.a`, ""},
		{"GET", "", `_rawp={"name":1,"_id":0}&_l=2&_sk=1&age=1`, ""},
		{"GET", "count", `_q={"tags":{"$elemMatch":{"$in":[1]}},"blocked":{"$in":[null]}}`, ""},
		{"GET", "export", `_exportOpts={"delimiter":";"}&_p=address`, ""},
		{"DELETE", "", "roles=x&roles=y", ""},
		{"POST", "6a00000000000000000000aa/state", "", `{"stateTo":"DRAFT"}`},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	var defs map[string]Definition
	readJSON(f, "testdata/contract/collections.json", &defs)
	users, articles := defs["users"], defs["articles"]
	users.Path, articles.Path, users.Open = "/open", "/articles", true
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		s := openStore(t, Config{Path: ":memory:", Collections: []Definition{users, articles}})
		must(t, s, "POST", "/open/", `{"userGroup":"a","username":"n","age":1,"tags":["x"],"address":{"a":{"b":[1,{"c":2}]}},"extra":[{}]}`)
		must(t, s, "POST", "/articles/", `{"title":"t","seo":{"title":"s","og":{"lang":"en"}},"scores":[1],"__STATE__":"PUBLIC"}`)
		for _, base := range []string{"/open/", "/articles/"} {
			w := serveFuzzed(s, method, base+path, query, body)
			if w == nil {
				return
			}
			if w.Code >= 500 && w.Code != http.StatusNotImplemented {
				t.Errorf("%s %s?%s %s: %d %s", method, base+path, query, body, w.Code, w.Body)
			}
			if strings.HasPrefix(w.Header().Get("Content-Type"), typeJSON) && method != "HEAD" {
				if _, err := document.Parse(w.Body.String()); err != nil {
					t.Errorf("%s %s?%s: %v in %s", method, base+path, query, err, w.Body)
				}
			}
			for _, check := range []string{"", "export?_st=PUBLIC,DRAFT,TRASH,DELETED"} {
				if status, answer := do(t, s, "GET", base+check, ""); status != http.StatusOK {
					t.Errorf("after %s %s?%s %s: %d %s", method, base+path, query, body, status, answer)
				}
			}
		}
	})
}

// serveFuzzed answers a request, or nil where net/http would not let it through.
func serveFuzzed(s *Store, method, path, query, body string) *httptest.ResponseRecorder {
	r, err := http.NewRequest(method, "http://store", strings.NewReader(body))
	if err != nil {
		return nil
	}
	r.URL.Path, r.URL.RawQuery = path, query
	r.Header.Set("Accept", "text/csv")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}
