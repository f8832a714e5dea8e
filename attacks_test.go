package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"user-manager/upstream"
)

// A watcher is a CRUD Service that has nothing, and notes what it is asked.
type watcher struct {
	mu    sync.Mutex // guards asked
	asked []*http.Request
}

func (s *watcher) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r)
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader("[]")), Request: r}, nil
}

// watched is the service on a watcher.
func watched(t *testing.T, env map[string]string) (*watcher, http.Handler) {
	t.Helper()
	vars := map[string]string{"CRUD_SERVICE": "crud", "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/groups"}
	for name, value := range env {
		vars[name] = value
	}
	cfg, err := loadConfig(environment(vars))
	if err != nil {
		t.Fatal(err)
	}
	s := &watcher{}
	log := testLog(t)
	store, err := openNetwork(cfg, s, log, upstream.Observer{})
	if err != nil {
		t.Fatal(err)
	}
	return s, newAPI(cfg, neighbours{store: store}, log).handler()
}

// TestIDsAreNeverPaths: what stands in the place of an id leads to no other route of the
// store, and to no other header.
func TestIDsAreNeverPaths(t *testing.T) {
	store, handler := watched(t, nil)
	for name, id := range map[string]string{
		"a folder up":            "..",
		"a folder up, escaped":   "%2e%2e",
		"up and down":            "..%2f..%2fgroups",
		"with a slash":           "a%2fstate",
		"this folder":            ".",
		"a route's name":         "bulk",
		"another route's name":   "import",
		"a query":                "a%3f_st=DELETED",
		"a condition":            "0000000000000000000000aa%3f_q=%7b%7d",
		"a fragment":             "a%23b",
		"another line":           "a%0d%0aAcl_rows:%20%7b%7d",
		"another request":        "a%20HTTP/1.1%0d%0aHost:%20x%0d%0a%0d%0aGET%20/",
		"a NUL":                  "0000000000000000000000aa%00",
		"half a character":       "%c3",
		"letters of elsewhere":   "%ef%bc%90000000000000000000000aa",
		"a matrix parameter":     "0000000000000000000000aa;x=1",
		"a backslash":            "..%5c..%5cgroups",
		"a long one":             strings.Repeat("a", 8000),
		"one digit too many":     "0000000000000000000000aaa",
		"with a line at its end": "0000000000000000000000aa%0a",
	} {
		t.Run(name, func(t *testing.T) {
			for _, call := range []string{"GET /users/%s", "PATCH /users/%s", "DELETE /users/%s", "POST /users/%s/state", "POST /users/%s/soft-delete", "GET /jobs/bulk-activation/%s", "POST /-/expire/%s"} {
				method, path, _ := strings.Cut(fmt.Sprintf(call, id), " ")
				if strings.HasPrefix(call, "GET /users") && id == "bulk" || method == "PATCH" && (id == "bulk" || id == "import") {
					continue // routes of ours
				}
				r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(`{"$set":{"a":1}}`))
				r.Header.Set("Content-Type", "application/json")
				if strings.HasSuffix(path, "/state") {
					r.Body = io.NopCloser(strings.NewReader(`{"stateTo":"TRASH"}`))
				}
				store.asked = nil
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code < 400 {
					t.Errorf("%s = %d %s", call, w.Code, w.Body)
				}
				if len(store.asked) > 0 && !strings.Contains(call, "/jobs/") {
					t.Errorf("%s asked the store for %s", call, store.asked[0].URL)
				}
			}
		})
	}
}

// TestHeadersAreNeverTwo: values of headers come to upstreams as they are or not at all, and
// those that would be several lines never begin a request.
func TestHeadersAreNeverTwo(t *testing.T) {
	store, handler := watched(t, map[string]string{"ADDITIONAL_HEADERS_TO_PROXY": "x-tenant"})
	c := dialed(t, handler)
	for name, test := range map[string]struct{ line, header, want string }{
		"conditions":                  {`acl_rows: [{"a":"\r\n"}]`, "Acl_rows", `[{"a":"\r\n"}]`},
		"a return alone":              {"acl_rows: [{}]\rX-Evil: 1", "", ""},
		"a NUL":                       {"acl_rows: a\x00b", "", ""},
		"a folded line":               {"acl_rows: [{}]\r\n X-Evil: 1", "Acl_rows", "[{}] X-Evil: 1"},
		"properties":                  {`miauserproperties: {"a": "b\r\nX-Evil: 1"}`, "Miauserproperties", `{"a":"b\r\nX-Evil: 1"}`},
		"properties that are no JSON": {`miauserproperties: {"a": }`, "Miauserproperties", ""},
		"letters of elsewhere":        {"x-tenant: Z\u00fcrich", "X-Tenant", "Z\u00fcrich"},
		"bytes that are no letters":   {"x-tenant: \xff\xfe", "X-Tenant", "\xff\xfe"},
		"a control character":         {"x-tenant: a\x1b[2Jb", "", ""},
		"a header of the connection":  {"Connection: acl_rows, x-tenant", "Connection", ""},
		"the store's own credentials": {"Authorization: Bearer x", "Authorization", ""},
		"a space before the colon":    {"x-tenant : a", "", ""},
		"a name with a line break":    {"x-te\rnant: a", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			store.asked = nil
			status := c.ask(t, "GET /users/ HTTP/1.1\r\nHost: localhost\r\n"+test.line+"\r\n\r\n")
			if refused := test.header == ""; refused != (strings.HasPrefix(status, "400 Bad Request")) || refused != (len(store.asked) == 0) {
				t.Fatalf("%s, %d calls", status, len(store.asked))
			}
			if test.header == "" {
				return
			}
			sent := store.asked[0].Header
			if got := sent.Get(test.header); got != test.want || sent.Get("X-Evil") != "" {
				t.Errorf("%s: %q, want %q", test.header, got, test.want)
			}
		})
	}
}

// TestRequestsAreNeverTwo: a request whose end can be told in two ways is refused, or ends
// the connection; what follows it is not taken for a request of whoever comes next.
func TestRequestsAreNeverTwo(t *testing.T) {
	store, handler := watched(t, nil)
	c := dialed(t, handler)
	const hidden = "GET /users/?_q=hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
	ask := func(header string) int {
		store.asked = nil
		c.ask(t, "POST /users/state HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+header+hidden)
		return len(store.asked)
	}
	if ask("Content-Length: 0\r\n\r\n") != 1 {
		t.Fatal("what follows a request is never one here")
	}
	for name, header := range map[string]string{
		"a length and chunks":             "Content-Length: 72\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks and a length":             "Transfer-Encoding: chunked\r\nContent-Length: 72\r\n\r\n0\r\n\r\n",
		"two lengths":                     "Content-Length: 0\r\nContent-Length: 60\r\n\r\n",
		"a list of lengths":               "Content-Length: 0, 60\r\n\r\n",
		"a length with a sign":            "Content-Length: +0\r\n\r\n",
		"a length that is none":           "Content-Length: 0x0\r\n\r\n",
		"chunks twice":                    "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		"chunks of another kind":          "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"chunks, as they are":             "Transfer-Encoding: identity\r\n\r\n",
		"chunks behind a vertical tab":    "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
		"a chunk whose size is none":      "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
		"a chunk that is larger than any": "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if ask(header) != 0 {
				t.Errorf("the store was asked for %s", store.asked[0].URL)
			}
		})
	}
}

// A dialer makes connections to a server that answers with a handler.
type dialer struct{ addr string }

func dialed(t *testing.T, h http.Handler) dialer {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return dialer{server.Listener.Addr().String()}
}

// ask sends a text as it is, and returns the status of the first answer, once no more can
// come.
func (d dialer) ask(t *testing.T, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, text)
	c.(*net.TCPConn).CloseWrite()
	answers := bufio.NewReader(c)
	line, _ := answers.ReadString('\n')
	io.Copy(io.Discard, answers)
	_, status, _ := strings.Cut(strings.TrimSpace(line), " ")
	return status
}

// TestUploadBombs: an upload costs no more than its bytes, which are counted as they come:
// nothing is unpacked.
func TestUploadBombs(t *testing.T) {
	h := newHarness(t, nil)
	zeros := strings.Repeat("0", 4<<20)
	var zipped, archive bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, multipartBody(t, []string{"file"}, []byte("userGroup\n"+zeros)))
	z.Close()
	a := zip.NewWriter(&archive)
	sheet, err := a.Create("xl/worksheets/sheet1.xml")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(sheet, zeros)
	a.Close()
	part := func(header, body string) string {
		return "--b\r\n" + header + "\r\n\r\n" + body + "\r\n"
	}
	file := `Content-Disposition: form-data; name="file"; filename="f.csv"`
	const csv = "userGroup,name\ncontacts,Ann\n"
	for name, test := range map[string]struct {
		body, boundary, encoding string
		status                   int
	}{
		"compressed":                   {body: zipped.String(), boundary: "b", encoding: "gzip", status: 415},
		"compressed, called plain":     {body: zipped.String(), boundary: "b", encoding: "identity", status: 400},
		"twice compressed":             {body: zipped.String(), boundary: "b", encoding: "gzip, gzip", status: 415},
		"a spreadsheet":                {body: part(file, archive.String()) + "--b--", boundary: "b", status: 400},
		"parts without end":            {body: strings.Repeat(part(`Content-Disposition: form-data; name="x"`, ""), 15_000) + part(file, csv) + "--b--", boundary: "b", status: 200},
		"a header without end":         {body: "--b\r\n" + file + "\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n" + csv + "\r\n--b--", boundary: "b", status: 200},
		"headers without end":          {body: "--b\r\n" + file + "\r\n" + strings.Repeat("X: y\r\n", 50_000) + "\r\n" + csv + "\r\n--b--", boundary: "b", status: 400},
		"uploads within uploads":       {body: part(`Content-Disposition: form-data; name="x"`+"\r\nContent-Type: multipart/mixed; boundary=c", strings.Repeat("--c\r\n\r\n", 10_000)) + part(file, csv) + "--b--", boundary: "b", status: 200},
		"a boundary without end":       {body: "--" + strings.Repeat("b", 30_000), boundary: strings.Repeat("b", 30_000), status: 400},
		"a boundary that is not there": {body: strings.Repeat("x", 1<<20), boundary: "b", status: 400},
		"the same part twice":          {body: part(file, csv) + part(file, csv) + "--b--", boundary: "b", status: 400},
		"the same option twice":        {body: part(`Content-Disposition: form-data; name="escape"`, "null") + part(`Content-Disposition: form-data; name="escape"`, "null") + "--b--", boundary: "b", status: 400},
		"a name that is a path":        {body: part(`Content-Disposition: form-data; name="file"; filename="`+strings.Repeat("../", 10_000)+`etc/passwd"`, csv) + "--b--", boundary: "b", status: 200},
		"a column without end":         {body: part(file, strings.Repeat("a", 1<<20)) + "--b--", boundary: "b", status: 400},
		"columns without end":          {body: part(file, strings.Repeat("a,", 400_000)) + "--b--", boundary: "b", status: 400},
		"quotes that never close":      {body: part(file, "userGroup\n\""+strings.Repeat("\n", 500_000)) + "--b--", boundary: "b", status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			h.clear()
			r := httptest.NewRequestWithContext(t.Context(), "PATCH", "/users/import", strings.NewReader(test.body))
			r.Header.Set("Content-Type", "multipart/form-data; boundary="+test.boundary)
			if test.encoding != "" {
				r.Header.Set("Content-Encoding", test.encoding)
			}
			w := httptest.NewRecorder()
			h.api.handler().ServeHTTP(w, r)
			if w.Code != test.status {
				t.Errorf("%d %.300s, want %d", w.Code, w.Body, test.status)
			}
		})
	}
}

// TestJSONBombs: numbers, keys and texts that other programs stumble over.
func TestJSONBombs(t *testing.T) {
	h := newHarness(t, nil)
	user := func(fields string) string { return `{"userGroup":"contacts","name":"Ann",` + fields + `}` }
	for name, test := range map[string]struct {
		body   string
		status int
	}{
		"a number beyond all":             {user(`"age":1e999999`), 400},
		"a long number":                   {user(`"age":` + strings.Repeat("9", 100_000)), 400},
		"a long fraction":                 {user(`"age":0.` + strings.Repeat("0", 100_000) + "1"), 400},
		"no number":                       {user(`"age":NaN`), 400},
		"a key twice, the last counts":    {`{"userGroup":"nobody","userGroup":"contacts","name":"Ann"}`, 200},
		"the key of all objects":          {user(`"__proto__":{"admin":true}`), 400},
		"and that of what makes them":     {user(`"constructor":{"prototype":{"admin":true}}`), 400},
		"a NUL":                           {user(`"name":"a\u0000b"`), 200},
		"half a pair":                     {user(`"name":"\ud800"`), 200},
		"bytes that are no text":          {user("\"name\":\"\xff\""), 400},
		"a key of a million letters":      {user(`"` + strings.Repeat("a", 1_000_000) + `":1`), 400},
		"compressed":                      {"\x1f\x8b\x08\x00", 400},
		"two values":                      {user(`"a":1`) + user(`"a":1`), 400},
		"a fake account":                  {user(`"authUserId":"fake|000000000000000000000000"`), 400},
		"its own id":                      {user(`"_id":"000000000000000000000001"`), 400},
		"its own state":                   {user(`"__STATE__":"DELETED"`), 400},
		"its own maker":                   {user(`"creatorId":"admin"`), 400},
		"a time of its own":               {user(`"createdAt":"2000-01-01T00:00:00.000Z"`), 400},
		"a field that no schema declares": {user(`"isAdmin":true`), 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/users/?postponeAuthUserCreation=true", strings.NewReader(test.body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			h.api.handler().ServeHTTP(w, r)
			if w.Code != test.status {
				t.Errorf("%d %.300s, want %d", w.Code, w.Body, test.status)
			}
		})
	}
}

// TestStatesOfManyAtOnce: changes of states are bounded by number, as others of many users
// are.
func TestStatesOfManyAtOnce(t *testing.T) {
	h := newHarness(t, map[string]string{"USERS_BULK_LIMIT": "2"})
	item := `{"filter":{"a":1},"stateTo":"DRAFT"}`
	for n, status := range map[int]int{2: 200, 3: 400} {
		body := "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
		if got := h.call("POST", "/users/state", body); got.status != status {
			t.Errorf("%d changes = %d %s, want %d", n, got.status, got.body, status)
		}
	}
}

// TestNobodyLearnsWhoHasAnAccount: a login is refused in the same words whether there is no
// such account or its password is another. That an account is blocked learns only who has its
// password.
func TestNobodyLearnsWhoHasAnAccount(t *testing.T) {
	h := newHarness(t, nil)
	h.must("POST", "/users/?sendResetPwdEmail=false", `{"userGroup":"customers","email":"ann@example.com","username":"ann","name":"Ann","password":"correct horse"}`)
	wrong := h.call("POST", "/oauth/token", `{"username":"ann","password":"wrong horse"}`)
	missing := h.call("POST", "/oauth/token", `{"username":"bob","password":"wrong horse"}`)
	h.must("POST", "/users/state", `[{"filter":{"username":"ann"},"stateTo":"DRAFT"}]`)
	stillWrong := h.call("POST", "/oauth/token", `{"username":"ann","password":"wrong horse"}`)
	right := h.call("POST", "/oauth/token", `{"username":"ann","password":"correct horse"}`)
	if wrong.status < 400 || wrong.status != missing.status || wrong.body != missing.body || stillWrong.body != wrong.body {
		t.Errorf("wrong: %d %s\nmissing: %d %s\nblocked: %s", wrong.status, wrong.body, missing.status, missing.body, stillWrong.body)
	}
	if right.status < 400 || right.body == wrong.body {
		t.Errorf("blocked, with its password: %d %s", right.status, right.body)
	}
}

// TestLinksOfMailsAreTheReaders: a mail is kept without an address of this service: whoever
// looks into the outbox is led to where it looked, and nobody else can have it led elsewhere.
func TestLinksOfMailsAreTheReaders(t *testing.T) {
	h := newHarness(t, nil)
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/users/", strings.NewReader(`{"userGroup":"customers","email":"ann@example.com","username":"ann","name":"Ann"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "evil.example")
	h.api.handler().ServeHTTP(httptest.NewRecorder(), r)
	mails := h.must("GET", "/fake/outbox", "", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example")
	if strings.Contains(mails.body, "evil") || !strings.Contains(mails.body, "http://localhost/fake/change-password?ticket=") {
		t.Errorf("outbox: %s", mails.body)
	}
}

// TestPagesShowNobodyElsesFiles: what follows /documentation/ is a name among few, and no
// path.
func TestPagesShowNobodyElsesFiles(t *testing.T) {
	h := newHarness(t, nil).api.handler()
	for _, path := range []string{
		"/documentation/static/../../go.mod", "/documentation/static/%2e%2e/%2e%2e/go.mod", "/documentation/static/..%2f..%2fgo.mod",
		"/documentation/static/%5c..%5c..%5cgo.mod", "/documentation/static//etc/passwd", "/documentation/static/", "/documentation//evil.example", "/documentation/static/page.css%00.html",
		"//evil.example/documentation", "/fake/../users", "/fake//evil.example",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost"+path, nil))
		if w.Code != http.StatusNotFound || w.Header().Get("Location") != "" {
			t.Errorf("GET %s = %d to %q", path, w.Code, w.Header().Get("Location"))
		}
	}
}
