package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud/document"
)

func queryPath(query string) string { return "/users/?_q=" + url.QueryEscape(query) }

// TestQueryBombs: what a query may cost does not grow beyond its own length.
func TestQueryBombs(t *testing.T) {
	s := usersStore(t, ":memory:")
	insertID(t, s, "/users/", `{"userGroup":"a","x":"`+strings.Repeat("a", 1000)+`"}`)
	pattern := func(text string) string { return `{"x":{"$regex":"` + text + `"}}` }
	several := func(n int, query string) string {
		return `{"$or":[` + strings.Repeat(query+",", n-1) + query + `]}`
	}
	for name, c := range map[string]struct {
		path   string
		status int
	}{
		"repetitions of repetitions":   {queryPath(pattern(strings.Repeat("(.?){1000}", 800))), 400},
		"one repetition too many":      {queryPath(pattern("(?:ab){900}" + strings.Repeat("(?:abcdefgh){1000}", 2))), 400},
		"many large expressions":       {queryPath(several(20, pattern("(?:.?){900}"))), 400},
		"and within arrays":            {queryPath(`{"x":{"$elemMatch":` + several(20, pattern("(?:.?){900}")) + `}}`), 400},
		"classes of many ranges":       {queryPath(pattern(strings.Repeat(`\\pL\\pN`, 100))), 400},
		"nested groups":                {queryPath(pattern(strings.Repeat("(", 2000) + strings.Repeat(")", 2000))), 400},
		"a long alternation":           {queryPath(pattern(strings.Repeat("abc|", 1500) + "abc")), 200},
		"a long repetition":            {queryPath(pattern("^[a-z]{0,1000}$")), 200},
		"letters of all alphabets":     {queryPath(pattern(`^\\p{L}[\\p{L} '-]{1,50}$`)), 200},
		"a script":                     {queryPath(`{"$where":"while(true);"}`), 400},
		"a script in an expression":    {queryPath(`{"$expr":{"$function":{"body":"x"}}}`), 400},
		"a script for a field":         {queryPath(`{"x":{"$where":"while(true);"}}`), 400},
		"a number without end":         {queryPath(`{"x":1e999999}`), 400},
		"a long number":                {queryPath(`{"x":` + strings.Repeat("9", 300) + `}`), 200},
		"the key of all objects":       {queryPath(`{"__proto__":{"x":1}}`), 400},
		"20,000 alternatives":          {queryPath(several(20_000, `{"x":1}`)), 200},
		"all of 20,000 values":         {queryPath(`{"x":{"$all":[` + strings.Repeat("1,", 20_000) + `1]}}`), 400},
		"25,000 ids":                   {queryPath(several(25_000, `{"_id":"000000000000000000000000"}`)), 200},
		"a path of 100,000 parts":      {queryPath(`{"x` + strings.Repeat(".a", 100_000) + `":1}`), 200},
		"a name of a million letters":  {queryPath(`{"` + strings.Repeat("a", 1_000_000) + `":1}`), 200},
		"100,000 fields asked for":     {"/users/?_p=" + strings.Repeat("x.a.b.c,", 100_000) + "x", 200},
		"a field far down":             {"/users/?_p=x" + strings.Repeat(".a", 100_000), 200},
		"an order of many fields":      {"/users/?_s=" + strings.Repeat("x.a,", 20_000) + "x", 400},
		"the longest order":            {"/users/?_s=" + strings.TrimSuffix(strings.Repeat("x,", maxSortKeys), ","), 200},
		"skipping to the end of times": {"/users/?_s=x&_l=200&_sk=9007199254740991", 200},
		"skipping beyond it":           {"/users/?_s=x&_l=200&_sk=9223372036854775807", 400},
	} {
		t.Run(name, func(t *testing.T) {
			if status, answer := do(t, s, "GET", c.path, ""); status != c.status {
				t.Errorf("got %d %.300s, want %d", status, answer, c.status)
			}
		})
	}
}

// TestUpdateBombs: an update costs no more than its length and its documents', and leaves
// none that cannot be read or changed any more.
func TestUpdateBombs(t *testing.T) {
	numbers := func(n int) string {
		var list strings.Builder
		for i := range n {
			fmt.Fprintf(&list, "%d,", i)
		}
		return "[" + list.String() + "0]"
	}
	objects := strings.ReplaceAll(numbers(20_000), ",", "},{\"a\":")
	objects = strings.ReplaceAll(strings.ReplaceAll(objects, "[", `[{"a":`), "]", "}]")
	var indexes strings.Builder
	for i := 1; i <= 9; i++ {
		fmt.Fprintf(&indexes, `,"y.%d":1`, i*1000)
	}
	nested := strings.Repeat("[", 150) + strings.Repeat("]", 150)
	for name, c := range map[string]struct {
		update string
		status int
	}{
		"60,000 items, each once":      {`{"$addToSet":{"w":{"$each":` + numbers(60_000) + `}}}`, 200},
		"20,000 objects, each once":    {`{"$addToSet":{"w":{"$each":` + objects + `}}}`, 200},
		"60,000 items taken out":       {`{"$pull":{"w":{"$in":` + numbers(60_000) + `}}}`, 200},
		"a path of 300 levels":         {`{"$set":{"v` + strings.Repeat(".a", 300) + `":1}}`, 400},
		"a path of 400,000 levels":     {`{"$set":{"v` + strings.Repeat(".a", 400_000) + `":1}}`, 400},
		"a deep value on a deep path":  {`{"$set":{"v` + strings.Repeat(".a", 100) + `":` + nested + `}}`, 400},
		"a path of 150 levels":         {`{"$set":{"v` + strings.Repeat(".a", 150) + `":1}}`, 200},
		"indexes far apart":            {`{"$set":{"z":1` + indexes.String() + `}}`, 400},
		"an index far beyond the end":  {`{"$set":{"y.999999999":1}}`, 400},
		"an index a bit beyond":        {`{"$set":{"y.900":1}}`, 200},
		"the key of all objects":       {`{"$set":{"x":{"__proto__":{"admin":true}}}}`, 400},
		"and in a path":                {`{"$set":{"__proto__.admin":true}}`, 400},
		"in a path, behind another":    {`{"$set":{"x.constructor":{"prototype":1}}}`, 400},
		"a number beyond all":          {`{"$mul":{"n":1e308}}`, 400},
		"an operator that is a script": {`{"$function":{"x":"y"}}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			s := usersStore(t, ":memory:")
			id := insertID(t, s, "/users/", `{"userGroup":"a","y":[],"n":1e300,"w":[]}`)
			if status, answer := do(t, s, "PATCH", "/users/"+id, c.update); status != c.status {
				t.Errorf("got %d %.300s, want %d", status, answer, c.status)
			}
			must(t, s, "GET", queryPath(`{"v":{"$exists":false},"y.1":{"$exists":false}}`), "")
			must(t, s, "PATCH", "/users/"+id, `{"$set":{"after":1}}`)
		})
	}
}

// TestImportBombs: files that are small and stand for much, or never end.
func TestImportBombs(t *testing.T) {
	file := func(kind, text string) (body, contentType string) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		part, _ := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="` + strings.Repeat("../", 1000) + `etc/passwd"`}, "Content-Type": {kind}})
		part.Write([]byte(text))
		w.Close()
		return b.String(), w.FormDataContentType()
	}
	for name, c := range map[string]struct {
		kind, text string
		status     int
	}{
		"a million columns":          {typeCSV, strings.Repeat("a,", 1_000_000) + "a\n", 400},
		"as many as there may be":    {typeCSV, "userGroup" + strings.Repeat(",x", maxColumns-1) + "\n", 201},
		"a row without end":          {typeCSV, "userGroup\n" + strings.Repeat("a", maxRecord+1), 400},
		"a quote that never closes":  {typeCSV, "userGroup\n\"" + strings.Repeat("a\n", 100_000), 400},
		"the key of all objects":     {typeCSV, "userGroup,__proto__\na,b\n", 400},
		"a cell that is nested":      {typeCSV, "userGroup,x\na," + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "\n", 400},
		"brackets without end":       {typeJSON, strings.Repeat("[", 100_000), 400},
		"an archive, called a table": {typeCSV, "PK\x03\x04\x14\x00\x08\x00", 201},
		"a compressed file":          {"application/gzip", "\x1f\x8b\x08\x00", 415},
		"a program for a type":       {strings.Repeat("application/", 1000), "x", 415},
	} {
		t.Run(name, func(t *testing.T) {
			s := usersStore(t, ":memory:")
			body, contentType := file(c.kind, c.text)
			if status, answer := do(t, s, "POST", "/users/import", body, "Content-Type", contentType); status != c.status {
				t.Errorf("got %d %.300s, want %d", status, answer, c.status)
			}
			must(t, s, "GET", queryPath(`{"x":{"$exists":true}}`), "") // every document can be read
		})
	}
}

// TestNamesReachSQLQuoted: a definition or a request may name what it likes; the text of SQL
// has only names that were made harmless.
func TestNamesReachSQLQuoted(t *testing.T) {
	const evil = `a"; DROP TABLE c_users; --`
	s, err := Open(t.Context(), Config{Path: ":memory:", Collections: []Definition{{
		Name: evil, Path: "/evil", Open: true, DefaultState: "PUBLIC",
		Fields:  []Field{{Name: evil, Type: kindString}},
		Indexes: []Index{{Name: evil + "\x00", Unique: true, Fields: []IndexField{{Name: evil, Order: 1}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	quotedEvil := `"a\"; DROP TABLE c_users; --"`
	must(t, s, "POST", "/evil/", `{`+quotedEvil+`:"`+`x' OR 1=1 --`+`"}`)
	for _, path := range []string{
		"/evil/?_q=" + url.QueryEscape(`{`+quotedEvil+`:"x' OR 1=1 --"}`),
		"/evil/?_s=" + url.QueryEscape(evil) + "&_q=" + url.QueryEscape(`{`+quotedEvil+`:{"$gt":"a","$in":["x' OR 1=1 --"]}}`),
		"/evil/?" + url.QueryEscape(evil) + "=" + url.QueryEscape("x' OR 1=1 --"),
	} {
		if answer := must(t, s, "GET", path, ""); !strings.Contains(answer, "OR 1=1") {
			t.Errorf("%s found %s", path, answer)
		}
	}
	for _, path := range []string{"/evil/?_s=seq", "/evil/?_s=" + url.QueryEscape("a) FROM sqlite_master --"), "/evil/x'%20OR%201=1", "/evil/?_l=1;DROP"} {
		if status, answer := do(t, s, "GET", path, ""); status == http.StatusInternalServerError {
			t.Errorf("%s reached SQL: %s", path, answer)
		}
	}
}

// TestWriteEndsWithItsCaller: a write that looks through all documents holds up the others;
// it does not go on for a caller that is gone, and changes nothing then.
func TestWriteEndsWithItsCaller(t *testing.T) {
	s := usersStore(t, ":memory:")
	must(t, s, "POST", "/users/bulk", `[{"userGroup":"a"},{"userGroup":"b"},{"userGroup":"c"}]`)
	ctx, cancel := context.WithCancel(t.Context())
	c := s.collections["/users"]
	seen := 0
	err := s.db.writes.do(ctx, false, func(tx *tx) error {
		return c.each(tx.query, view{}, func(stored) (bool, error) {
			seen++
			cancel()
			return true, nil
		})
	})
	if !errors.Is(err, context.Canceled) || seen != 1 {
		t.Errorf("%v after %d documents, want the end after the first", err, seen)
	}
	must(t, s, "PATCH", "/users/", `{"$set":{"x":1}}`) // nobody holds it up
}

// TestSearchEnds: a search that asks every document is given up after a while, also when
// its caller waits on.
func TestSearchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := newScanLimit()
		time.Sleep(maxScan)
		if err := late(); err != nil {
			t.Errorf("after %v: %v", maxScan, err)
		}
		time.Sleep(time.Millisecond)
		if failed, ok := errors.AsType[*fault](late()); !ok || failed.status != http.StatusServiceUnavailable {
			t.Errorf("after more than %v: %v", maxScan, failed)
		}
	})
}

// TestDocumentsStayReadable: what grows by one update after the other ends where documents
// do, and the deepest that is stored can be read.
func TestDocumentsStayReadable(t *testing.T) {
	if failed, ok := errors.AsType[*fault](row{text: make([]byte, maxDocument+1)}.check()); !ok || failed.status != http.StatusBadRequest {
		t.Errorf("more than %d bytes: %v", maxDocument, failed)
	}
	for levels := range slices.Values([]int{document.MaxDepth - 1, document.MaxDepth, document.MaxDepth + 1}) {
		text := `{"x":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`
		_, unreadable := document.Parse(text)
		if refused := (row{text: []byte(text)}).check(); (refused != nil) != (unreadable != nil) {
			t.Errorf("%d levels: stored: %v, read: %v", levels, refused, unreadable)
		}
	}
}
