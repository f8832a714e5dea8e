package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestRefusedUploads: what cannot be used is told, and nothing is written.
func TestRefusedUploads(t *testing.T) {
	t.Parallel()
	parts := func(specs ...string) string { return multipartBody(t, specs, []byte(twoContacts)) }
	for what, test := range map[string]struct {
		contentType string // "": multipart
		body        string
		status      int
		want        string
	}{
		"another boundary":            {contentType: "multipart/form-data; boundary=YYYYY", body: parts("delimiter=;", "file"), status: 400, want: bad(400, "body: is not a whole multipart/form-data body")},
		"no parts in text":            {body: "hello", status: 400, want: bad(400, "body: is not a whole multipart/form-data body")},
		"an empty body":               {body: "", status: 400, want: bad(400, "body: is not a whole multipart/form-data body")},
		"a malformed header":          {body: "--" + boundary + "\r\nnonsense\r\n\r\n" + parts("delimiter=;"), status: 400, want: bad(400, "body: is not a whole multipart/form-data body")},
		"no file":                     {body: parts("delimiter=;"), status: 400, want: bad(400, "file: is required")},
		"no file but an unknown part": {body: parts("users=a"), status: 400, want: bad(400, "file: is required")},
		"no parts":                    {body: "--" + boundary + "--\r\n", status: 400, want: bad(400, "file: is required")},
		"a delimiter twice":           {body: parts("delimiter=;", "delimiter=;", "file"), status: 400, want: bad(400, "delimiter: is there twice")},
		"an encoding twice":           {body: parts("encoding=utf8", "file", "encoding=utf8"), status: 400, want: bad(400, "encoding: is there twice")},
		"an escape twice":             {body: parts("file", "escape=null", "escape="), status: 400, want: bad(400, "escape: is there twice")},
		"a file twice":                {body: parts("delimiter=;", "file", "file"), status: 400, want: bad(400, "file: is there twice")},
		"a delimiter too long":        {body: parts("file", "delimiter="+strings.Repeat(";", 257)), status: 400, want: bad(400, "delimiter: must not be longer than 256 bytes")},
		"an encoding too long":        {body: parts("encoding="+strings.Repeat("u", 1000), "file"), status: 400, want: bad(400, "encoding: must not be longer than 256 bytes")},
		"an escape as long as can be": {body: parts("escape="+strings.Repeat("x", 256), "file"), status: 400, want: bad(400, "escape: must be one character, or null")},
		"a delimiter not UTF-8":       {body: parts("delimiter=\xff", "file"), status: 400, want: bad(400, "delimiter: must be one character")},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, nil)
			contentType := multipartType
			if test.contentType != "" {
				contentType = "Content-Type: " + test.contentType
			}
			h.checkUpload(h.call("PATCH", "/users/import", test.body, contentType), test.status, test.want, 0)
		})
	}
}

// TestUploadsOverTheLimit: a file that is one byte too large is refused and nothing of it
// is written, whether it is spooled or read while it arrives, with and without a
// Content-Length.
func TestUploadsOverTheLimit(t *testing.T) {
	t.Parallel()
	file := strings.Repeat("contacts;Ann\n", 20)
	file = "userGroup;name\n" + file
	tooLarge := bad(413, fmt.Sprintf("file: must not be larger than %d bytes", len(file)))
	for _, size := range batchSizes {
		h := newHarness(t, map[string]string{"USER_IMPORT_MAX_BYTES": strconv.Itoa(len(file)), "USER_IMPORT_BATCH_SIZE": size})
		for _, order := range [][]string{{"file", "delimiter=;"}, {"delimiter=;", "file"}, {"delimiter=;", "escape=null", "encoding=utf8", "file"}, {"x=1", "file", "delimiter=;"}} {
			for _, chunked := range []bool{false, true} {
				h.clear()
				h.checkUpload(h.upload(multipartBody(t, order, []byte(file)), chunked), 200, "*", 20)
				h.clear()
				h.checkUpload(h.upload(multipartBody(t, order, []byte(file+"\n")), chunked), 413, tooLarge, 0)
				h.checkUpload(h.upload(multipartBody(t, order, []byte(strings.Repeat(file, 1000))), chunked), 413, tooLarge, 0)
				h.checkUpload(h.upload(multipartBody(t, append([]string{"x=" + strings.Repeat("x", 100<<10)}, order...), []byte(file)), chunked), 413, tooLarge, 0)
			}
		}
	}
}

// TestUploadOverTheStandardLimit: it is 1 MiB, whatever other bodies may be.
func TestUploadOverTheStandardLimit(t *testing.T) {
	t.Parallel()
	h := newHarness(t, map[string]string{"HTTP_MAX_BODY_BYTES": "10"})
	file := []byte("userGroup;name" + strings.Repeat("\n", 1<<20-len("userGroup;name")))
	h.checkUpload(h.upload(multipartBody(t, []string{"file", "delimiter=;"}, file), false), 200, `{"updated":[],"inserted":[],"invalid":[]}`, 0)
	h.checkUpload(h.upload(multipartBody(t, []string{"file", "delimiter=;"}, append(file, '\n')), false), 413, bad(413, "file: must not be larger than 1048576 bytes"), 0)
}

// TestUploadsCutShort cuts an upload at every byte. One that is spooled writes nothing;
// one that is read while it arrives says what it wrote.
func TestUploadsCutShort(t *testing.T) {
	t.Parallel()
	file := []byte("userGroup,name\ncontacts,Ann\ncontacts,Bob\ncontacts,Cid\ncontacts,Dan\n")
	for what, test := range map[string]struct {
		order    []string
		chunked  bool
		streamed bool
	}{
		"file first":               {order: []string{"file", "delimiter=,"}},
		"file last":                {order: []string{"delimiter=,", "file"}},
		"all options first":        {order: []string{"delimiter=,", "escape=null", "encoding=utf8", "file"}, streamed: true},
		"all options, length open": {order: []string{"delimiter=,", "escape=null", "encoding=utf8", "file"}, chunked: true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": "1"})
			whole := multipartBody(t, test.order, file)
			for n := range len(whole) - len("-\r\n") {
				h.clear()
				got := h.upload(whole[:n], test.chunked)
				h.checkCut(got, whole[:n], test.streamed)
			}
		})
	}
}

// checkCut checks the answer to the first bytes of an upload of four users.
func (h *harness) checkCut(got reply, sent string, streamed bool) {
	h.t.Helper()
	if !streamed {
		h.checkUpload(got, 400, "*", 0)
		return
	}
	users := len(h.all("/users"))
	some := ""
	for row := range 6 {
		message := fmt.Sprintf("%s; before that %d users were inserted and 0 updated, and 0 rows were invalid, up to row %d", notWhole, users, row)
		if got.body == bad(400, message) && row == users+1 {
			some = got.body
		}
	}
	allThere := got.status == 200 && users == 4 && strings.Contains(sent, "Dan\n\r\n--"+boundary)
	if !allThere && got.body != some && (got.status != 400 || users != 0) {
		h.t.Errorf("%d users after %q was answered by %d %s", users, sent, got.status, got.body)
	}
}

// TestUploadsLeaveNoFiles: nothing that was spooled is left on disk.
func TestUploadsLeaveNoFiles(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	h := newHarness(t, nil)
	whole := multipartBody(t, []string{"file", "delimiter=;"}, []byte(twoContacts))
	h.checkUpload(h.upload(whole, false), 200, twoInserted, 2)
	h.checkUpload(h.upload(whole[:150], false), 400, bad(400, notWhole), 2)
	h.checkUpload(h.upload(multipartBody(t, []string{"file", "delimiter=;;"}, []byte(twoContacts)), false), 400, "*", 2)
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 0 {
		t.Errorf("%d files are left: %v", len(left), err)
	}
}
