package main

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"user-manager/crud"
)

const (
	multipartType = "Content-Type: multipart/form-data; boundary=" + boundary
	twoContacts   = "userGroup;name\ncontacts;Ann\ncontacts;Bob\n"
)

// upload sends a body to the import, without telling its length when chunked.
func (h *harness) upload(body string, chunked bool) reply {
	h.t.Helper()
	var sent io.Reader = strings.NewReader(body)
	if chunked {
		sent = struct{ io.Reader }{sent}
	}
	r := httptest.NewRequestWithContext(h.t.Context(), "PATCH", "/users/import", sent)
	name, value, _ := strings.Cut(multipartType, ": ")
	r.Header.Set(name, value)
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return reply{w.Code, w.Header(), h.seen.hide(w.Body.String())}
}

// checkUpload checks an answer, and how many users there are then.
func (h *harness) checkUpload(got reply, status int, want string, users int) {
	h.t.Helper()
	if got.status != status || want != "*" && got.body != want {
		h.t.Errorf("got %d %s\nwant %d %s", got.status, got.body, status, want)
	}
	if n := len(h.all("/users")); n != users {
		h.t.Errorf("%d users after %d %s, want %d", n, got.status, got.body, users)
	}
}

// clear deletes all users.
func (h *harness) clear() {
	h.t.Helper()
	if _, err := h.client.Collection("/users").DeleteAll(h.t.Context(), crud.Query{States: crud.AllStates}); err != nil {
		h.t.Fatal(err)
	}
}

const twoInserted = `{"updated":[],"inserted":["<id1>","<id2>"],"invalid":[]}`

func TestUploads(t *testing.T) {
	t.Parallel()
	parts := func(specs ...string) string { return multipartBody(t, specs, []byte(twoContacts)) }
	for what, test := range map[string]struct {
		contentType string // "": multipart
		body        string
		status      int
		want        string
	}{
		"options behind the file": {body: parts("file", "delimiter=;", "escape=null", "encoding=latin1"), status: 200, want: twoInserted},
		"options before the file": {body: parts("delimiter=;", "escape=null", "encoding=latin1", "file"), status: 200, want: twoInserted},
		"options on both sides":   {body: parts("escape=null", "file", "delimiter=;"), status: 200, want: twoInserted},
		"unknown parts":           {body: parts("x=1", "delimiter=;", "quote=|", "File=a", "file", "x=2", "files=b"), status: 200, want: twoInserted},
		"a large unknown part":    {body: parts("x="+strings.Repeat("x", 60<<10), "delimiter=;", "file"), status: 200, want: twoInserted},
		"the file as a field":     {body: parts("delimiter=;", "file="+twoContacts), status: 200, want: twoInserted},
		"the file with a type":    {body: "--" + boundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"users.xlsx\"\r\nContent-Type: application/vnd.ms-excel\r\n\r\n" + twoContacts + "\r\n" + parts("delimiter=;"), status: 200, want: twoInserted},
		"a preamble":              {body: "hello\r\n" + parts("delimiter=;", "file"), status: 200, want: twoInserted},
		"an epilogue":             {body: parts("delimiter=;", "file") + "bye", status: 200, want: twoInserted},
		"line feeds alone":        {body: strings.ReplaceAll(parts("delimiter=;", "file"), "\r\n", "\n"), status: 200, want: twoInserted},
		"boundary in quotes":      {contentType: `multipart/form-data; boundary="` + boundary + `"`, body: parts("delimiter=;", "file"), status: 200, want: twoInserted},
		"type in capitals":        {contentType: "Multipart/Form-Data;boundary=" + boundary, body: parts("delimiter=;", "file"), status: 200, want: twoInserted},
		"text/csv":                {contentType: "text/csv", body: twoContacts, status: 415, want: bad(415, `Content-Type: must be multipart/form-data, not "text/csv"`)},
		"JSON":                    {contentType: "application/json", body: "{}", status: 415, want: bad(415, `Content-Type: must be multipart/form-data, not "application/json"`)},
		"a form":                  {contentType: "application/x-www-form-urlencoded", body: "file=a", status: 415, want: bad(415, `Content-Type: must be multipart/form-data, not "application/x-www-form-urlencoded"`)},
		"another multipart":       {contentType: "multipart/mixed; boundary=" + boundary, body: parts("file"), status: 415, want: bad(415, `Content-Type: must be multipart/form-data, not "multipart/mixed; boundary=XXXXX"`)},
		"a type that is none":     {contentType: "multipart", body: parts("file"), status: 415, want: bad(415, `Content-Type: must be multipart/form-data, not "multipart"`)},
		"no boundary":             {contentType: "multipart/form-data", body: parts("file"), status: 400, want: bad(400, "Content-Type: has no boundary")},
		"an empty boundary":       {contentType: `multipart/form-data; boundary=""`, body: parts("file"), status: 400, want: bad(400, "Content-Type: has no boundary")},
		"an empty file":           {body: parts("file="), status: 400, want: bad(400, "file: is empty")},
		"an empty file, streamed": {body: parts("delimiter=;", "escape=null", "encoding=utf8", "file="), status: 400, want: bad(400, "file: is empty")},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			contentType := multipartType
			if test.contentType != "" {
				contentType = "Content-Type: " + test.contentType
			}
			users := 0
			if test.status == 200 {
				users = 2
			}
			h.checkUpload(h.call("PATCH", "/users/import", test.body, contentType), test.status, test.want, users)
		})
	}
}

// TestUploadPartsInEveryOrder: whatever comes first, the same is read.
func TestUploadPartsInEveryOrder(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	file := []byte("userGroup;name\ncontacts;\"\xc4nne\\\";\"\n")
	each := func(done, left []string) {}
	each = func(done, left []string) {
		for i, next := range left {
			rest := append(append([]string{}, left[:i]...), left[i+1:]...)
			each(append(done[:len(done):len(done)], next), rest)
		}
		if len(left) > 0 {
			return
		}
		for _, chunked := range []bool{false, true} {
			h.clear()
			h.checkUpload(h.upload(multipartBody(t, done, file), chunked), 200, "*", 1)
			for _, user := range h.all("/users") {
				if user["name"] != `Änne";` {
					t.Errorf("%q: the name is %q", done, user["name"])
				}
			}
		}
	}
	each(nil, []string{"file", "delimiter=;", "escape=\\", "encoding=latin1"})
}

const notWhole = "body: is not a whole multipart/form-data body"

// TestUploadsCutWhileTheyAreRead cuts an upload at every byte of a file that is read while
// it arrives. The answer says what was written.
func TestUploadsCutWhileTheyAreRead(t *testing.T) {
	t.Parallel()
	file := "userGroup,name\ncontacts,Ann\ncontacts,Bob\ncontacts,Cid\ncontacts,Dan\n"
	h := newHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": "1"})
	whole := multipartBody(t, []string{"delimiter=,", "escape=null", "encoding=utf8", "file"}, []byte(file))
	start := strings.Index(whole, file)
	for n := start + 1; n < start+len(file)+len("\r\n--"+boundary); n++ {
		h.clear()
		got := h.upload(whole[:n], false)
		users := len(h.all("/users"))
		told := func(row int) string {
			return bad(400, fmt.Sprintf("%s; before that %d users were inserted and 0 updated, and 0 rows were invalid, up to row %d", notWhole, users, row))
		}
		if got.body != told(users+1) && (got.body != bad(400, notWhole) || users > 0) {
			t.Errorf("%d users after %q was answered by %d %s", users, whole[start:n], got.status, got.body)
		}
	}
}

// TestSpoolThatCannotBe: without a place for the file it is our failure, and nothing is
// written.
func TestSpoolThatCannotBe(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/nowhere")
	h := newHarness(t, nil)
	h.checkUpload(h.upload(multipartBody(t, []string{"file", "delimiter=;"}, []byte(twoContacts)), false), 500, bad(500, "internal error"), 0)
	streamed := multipartBody(t, []string{"delimiter=;", "escape=null", "encoding=utf8", "file"}, []byte(twoContacts))
	h.checkUpload(h.upload(streamed, false), 200, twoInserted, 2)
}
