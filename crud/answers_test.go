package crud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/internal/logtest"
	"user-manager/upstream"
)

const someID = "66e19957f72ba7349eb7b7b2"

// canned answers every request with the same, and notes what it was sent.
type canned struct {
	status int
	body   string
	err    error // in the place of an answer
	asked  []*http.Request
	sent   []string
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	c.asked = append(c.asked, r)
	body := ""
	if r.Body != nil {
		read, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(read)
	}
	c.sent = append(c.sent, body)
	if c.err != nil {
		return nil, c.err
	}
	return &http.Response{StatusCode: c.status, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(c.body))}, nil
}

func usersOn(t *testing.T, transport http.RoundTripper) Collection {
	t.Helper()
	client, err := New("http://crud-service/base", transport, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return client.Collection("/users")
}

// TestRefusals: the service's words, as they were recorded, are told apart.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const (
		patched = `{"statusCode":500,"code":"11000","error":"Internal Server Error","message":"Plan executor error during findAndModify :: caused by :: E11000 duplicate key error collection: ums.users index: email_1 dup key: { email: \"a@example.com\" }"}`
		nope    = "body must NOT have additional properties. Property \"nope\" is not defined in validation schema"
	)
	insert := func(c Collection) error { _, err := c.Insert(t.Context(), Document{"a": 1}); return err }
	patch := func(c Collection) error {
		_, err := c.Patch(t.Context(), someID, Document{"$set": Document{"a": 1}}, nil)
		return err
	}
	patchAll := func(c Collection) error {
		_, err := c.PatchAll(t.Context(), Query{}, Document{"$set": Document{"a": 1}})
		return err
	}
	patchBulk := func(c Collection) error {
		_, err := c.PatchBulk(t.Context(), []BulkPatch{{ID: someID}, {ID: someID}})
		return err
	}
	tests := map[string]struct {
		do      func(Collection) error
		status  int
		body    string
		kind    error
		refused bool
		message string
	}{
		"a duplicate on insert":            {insert, 409, `{"statusCode":409,"error":"Conflict","message":"E11000 duplicate key error collection: ums.users"}`, ErrDuplicate, true, "E11000 duplicate key error collection: ums.users"},
		"a duplicate on patch":             {patch, 500, patched, ErrDuplicate, true, `Plan executor error during findAndModify :: caused by :: E11000 duplicate key error collection: ums.users index: email_1 dup key: { email: "a@example.com" }`},
		"a duplicate by its words":         {patch, 500, `{"message":"x :: caused by :: E11000 duplicate key error collection"}`, ErrDuplicate, true, "x :: caused by :: E11000 duplicate key error collection"},
		"a duplicate by its code":          {patch, 500, `{"message":"words of another version","code":"11000"}`, ErrDuplicate, true, "words of another version"},
		"a duplicate by its code's number": {patch, 500, `{"message":"words of another version","code":11000}`, ErrDuplicate, true, "words of another version"},
		"a duplicate answered with 409":    {patch, 409, `{"message":"E11000 duplicate key error"}`, ErrDuplicate, true, "E11000 duplicate key error"},
		"a duplicate among several":        {patchAll, 500, patched, ErrDuplicate, false, `Plan executor error during findAndModify :: caused by :: E11000 duplicate key error collection: ums.users index: email_1 dup key: { email: "a@example.com" }`},
		"a duplicate among several items":  {patchBulk, 500, `{"message":"E11000 duplicate key error","code":"11000"}`, ErrDuplicate, false, "E11000 duplicate key error"},
		"another failure of the database":  {patch, 500, `{"message":"not primary","code":"10107"}`, nil, false, "not primary"},
		"a field of that name":             {patch, 400, `{"message":"Unknown field: E11000 duplicate key error"}`, nil, true, "Unknown field: E11000 duplicate key error"},
		"no such document":                 {patch, 404, `{"error":"not found"}`, ErrNotFound, true, "not found"},
		"no such route":                    {patch, 404, `{"message":"Route PATCH:/users/1 not found","error":"Not Found","statusCode":404}`, nil, true, "Route PATCH:/users/1 not found"},
		"a gateway's 404":                  {patch, 404, "<html>404</html>", nil, true, ""},
		"an unknown field":                 {insert, 400, `{"statusCode":400,"error":"Bad Request","message":"body must NOT have additional properties. Property \"nope\" is not defined in validation schema"}`, nil, true, nope},
		"a gateway's page":                 {insert, 502, "<html>Bad Gateway</html>", nil, false, ""},
		"a gateway's words":                {insert, 503, "upstream connect error", nil, false, ""},
		"nothing":                          {insert, 500, "", nil, false, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.do(usersOn(t, &canned{status: test.status, body: test.body}))
			failed, ok := errors.AsType[*upstream.Error](err)
			if !ok {
				t.Fatalf("error %v, want an upstream's", err)
			}
			if failed.Err != test.kind || failed.Refused() != test.refused || failed.Status != test.status || failed.Message != test.message {
				t.Errorf("kind %v, refused %v, status %d, message %q; want %v, %v, %d, %q",
					failed.Err, failed.Refused(), failed.Status, failed.Message, test.kind, test.refused, test.status, test.message)
			}
		})
	}
}

// TestAnswersOfNoUse: what is a 2xx and is not what was asked for leaves open what was done.
func TestAnswersOfNoUse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ body, cause string }{
		"a page":                {"<html>Sign in</html>", "the answer cannot be used: decode answer: it is a page, not JSON"},
		"nothing":               {"", "the answer cannot be used: decode answer: it is empty"},
		"half a list":           {`[{"_id":`, "the answer cannot be used: decode answer: unexpected end of JSON input"},
		"an object, not a list": {`{"a":1}`, "the answer cannot be used: decode answer: json: cannot unmarshal object into Go value of type []map[string]interface {}"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := usersOn(t, &canned{status: 200, body: test.body}).List(t.Context(), Query{})
			failed, ok := errors.AsType[*upstream.Error](err)
			if !ok || failed.Refused() || failed.Err.Error() != test.cause || failed.Error() != "CRUD GET /users/ gave an answer that cannot be used" {
				t.Errorf("error %v, cause %v; want cause %s", err, errors.Unwrap(err), test.cause)
			}
		})
	}
}

// TestListThatBreaksOff: half a list is an error, over a real connection.
func TestListThatBreaksOff(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "[\n{\"_id\":\"66e19957f72ba7349eb7b7b2\"}\n")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer server.Close()
	client, err := New(server.URL, Network(nil, 1, time.Minute, logtest.Logger(t), upstream.Observer{}), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Collection("users").List(t.Context(), Query{})
	if failed, ok := errors.AsType[*upstream.Error](err); !ok || failed.Status != 0 || !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, upstream.ErrAnswer) {
		t.Errorf("error %v, want an answer that breaks off", err)
	}
}

// TestWhichWritesAreMadeAgain: those of one document that do no more the second time.
func TestWhichWritesAreMadeAgain(t *testing.T) {
	t.Parallel()
	set := Document{"$set": Document{"a": 1}}
	patch := func(update Document, params url.Values) func(context.Context, Collection) error {
		return func(ctx context.Context, c Collection) error {
			_, err := c.Patch(ctx, someID, update, params)
			return err
		}
	}
	acl := func(do func(context.Context, Collection) error, name string) func(context.Context, Collection) error {
		return func(ctx context.Context, c Collection) error { return do(ctx, c.With(http.Header{name: {"{}"}})) }
	}
	tests := map[string]struct {
		do    func(context.Context, Collection) error
		again bool
	}{
		"a deletion by id":              {func(ctx context.Context, c Collection) error { return c.Delete(ctx, someID) }, true},
		"a change by id":                {patch(set, nil), true},
		"a change by id in any state":   {patch(set, url.Values{"_st": {"PUBLIC,DRAFT"}}), true},
		"every operator that sets":      {patch(Document{"$set": 1, "$unset": 1, "$addToSet": 1, "$pull": 1}, nil), true},
		"a limit of columns":            {acl(patch(set, nil), upstream.ACLWriteColumnsHeader), true},
		"a change that adds up":         {patch(Document{"$inc": Document{"a": 1}}, nil), false},
		"one among others that adds up": {patch(Document{"$set": 1, "$push": 1}, nil), false},
		"a change with a query":         {patch(set, url.Values{"_q": {"{}"}}), false},
		"a change with a filter":        {patch(set, url.Values{"_st": {"PUBLIC"}, "name": {"Ann"}}), false},
		"a change with a limit of rows": {acl(patch(set, nil), upstream.ACLRowsHeader), false},
		"an insertion":                  {func(ctx context.Context, c Collection) error { _, err := c.Insert(ctx, set); return err }, false},
		"an insertion of several":       {func(ctx context.Context, c Collection) error { _, err := c.InsertAll(ctx, []Document{set}); return err }, false},
		"a change of all":               {func(ctx context.Context, c Collection) error { _, err := c.PatchAll(ctx, Query{}, set); return err }, false},
		"a change of several": {func(ctx context.Context, c Collection) error {
			_, err := c.PatchBulk(ctx, []BulkPatch{{ID: someID, Update: set}})
			return err
		}, false},
		"a deletion of all":       {func(ctx context.Context, c Collection) error { _, err := c.DeleteAll(ctx, Query{}); return err }, false},
		"a move to another state": {func(ctx context.Context, c Collection) error { return c.SetState(ctx, someID, Trash, Document{}) }, false},
		"a call with the caller's own key": {func(ctx context.Context, c Collection) error {
			ctx = upstream.WithCaller(ctx, upstream.Caller{Header: http.Header{"Idempotency-Key": {"k"}, "X-Idempotency-Key": {"k"}}})
			_, err := c.Insert(ctx, set)
			return err
		}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &canned{err: io.ErrUnexpectedEOF}
				network := upstream.NewNetwork(upstream.NetworkConfig{Service: Service, Timeout: time.Minute, Log: logtest.Logger(t), Base: store})
				if err := test.do(t.Context(), usersOn(t, network)); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("error %v", err)
				}
				if again := len(store.asked) == 3; again != test.again || !again && len(store.asked) != 1 {
					t.Errorf("%d tries; want more than one: %v", len(store.asked), test.again)
				}
				for _, r := range store.asked {
					_, marked := r.Header["Idempotency-Key"]
					_, markedToo := r.Header["X-Idempotency-Key"]
					if marked || markedToo {
						t.Error("net/http may make it again, and nobody would learn of it")
					}
				}
			})
		})
	}
}

// TestBulksAreCut: the service takes 90 items at once.
func TestBulksAreCut(t *testing.T) {
	t.Parallel()
	store := &canned{status: 200, body: "7"}
	n, err := usersOn(t, store).PatchBulk(t.Context(), make([]BulkPatch, 200))
	if n != 21 || err != nil {
		t.Errorf("%d, %v; want 21", n, err)
	}
	var items []int
	for _, sent := range store.sent {
		items = append(items, strings.Count(sent, `"filter"`))
	}
	if diff := cmp.Diff([]int{90, 90, 20}, items); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

// failsLater answers requests but the last like next, and that with a refusal.
type failsLater struct {
	next  canned
	fails int // which
}

func (f *failsLater) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(f.next.asked) == f.fails {
		f.next.status, f.next.body = 400, `{"message":"no"}`
	}
	return f.next.RoundTrip(r)
}

// TestRefusalInTheMiddle: what was refused after a part was done is not refused as a whole.
func TestRefusalInTheMiddle(t *testing.T) {
	t.Parallel()
	ids := make([]any, 500)
	for i := range ids {
		ids[i] = strings.Repeat("0", 21) + string(rune('0'+i/100)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10))
	}
	q := Query{Filter: Document{"_id": Document{"$in": ids}}}
	tests := map[string]struct {
		do     func(Collection) (int, error)
		done   string // what the first request answers
		fails  int
		n      int
		refuse bool
	}{
		"a bulk, at once":                  {func(c Collection) (int, error) { return c.PatchBulk(t.Context(), make([]BulkPatch, 100)) }, "90", 0, 0, true},
		"a bulk, later":                    {func(c Collection) (int, error) { return c.PatchBulk(t.Context(), make([]BulkPatch, 100)) }, "90", 1, 90, false},
		"a bulk, later, after nothing":     {func(c Collection) (int, error) { return c.PatchBulk(t.Context(), make([]BulkPatch, 100)) }, "0", 1, 0, true},
		"a change of all, at once":         {func(c Collection) (int, error) { return c.PatchAll(t.Context(), q, Document{}) }, "9", 0, 0, true},
		"a change of all, later":           {func(c Collection) (int, error) { return c.PatchAll(t.Context(), q, Document{}) }, "9", 2, 18, false},
		"a deletion of all, later":         {func(c Collection) (int, error) { return c.DeleteAll(t.Context(), q) }, "9", 1, 9, false},
		"a deletion, later, after nothing": {func(c Collection) (int, error) { return c.DeleteAll(t.Context(), q) }, "0", 1, 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &failsLater{next: canned{status: 200, body: test.done}, fails: test.fails}
			n, err := test.do(usersOn(t, store))
			if n != test.n || upstream.Status(err) != 400 || upstream.Refused(err) != test.refuse {
				t.Errorf("%d, %v, refused %v; want %d, refused %v", n, err, upstream.Refused(err), test.n, test.refuse)
			}
		})
	}
}

// TestQueriesThatMayCloseConnections do not count against the service.
func TestQueriesThatMayCloseConnections(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method, url string
		header      http.Header
		err         error
		want        bool
	}{
		"a list with a query":            {"GET", "/users/?_q=%7B%7D", nil, io.EOF, true},
		"one of which only the head":     {"HEAD", "/users/?_l=1&_q=%7B%7D", nil, io.EOF, true},
		"a list with a limit of rows":    {"GET", "/users/", http.Header{upstream.ACLRowsHeader: {"{}"}}, io.EOF, true},
		"a list of all":                  {"GET", "/users/?_l=1", nil, io.EOF, false},
		"a change by a query":            {"PATCH", "/users/?_q=%7B%7D", nil, io.EOF, false},
		"a list that could not be asked": {"GET", "/users/?_q=%7B%7D", nil, upstream.ErrNotSent, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := httptest.NewRequestWithContext(t.Context(), test.method, test.url, nil)
			for name, values := range test.header {
				req.Header[name] = values
			}
			if got := closesOnQuery(req, test.err); got != test.want {
				t.Errorf("excused: %v, want %v", got, test.want)
			}
		})
	}
}

// TestLimitThatIsNone: a service that refuses what it says it takes is not asked for ever.
func TestLimitThatIsNone(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"200", "201", "0", "99999999999999999999"} {
		store := &canned{status: 400, body: `{"message":"querystring/_l must be <= ` + limit + `"}`}
		for _, err := range usersOn(t, store).All(t.Context(), Query{}) {
			if upstream.Status(err) != 400 {
				t.Errorf("limit %s: error %v, want the refusal", limit, err)
			}
		}
		if len(store.asked) != 1 {
			t.Errorf("limit %s: %d requests, want 1", limit, len(store.asked))
		}
	}
}

// fullPage answers a first page that is full, and then none.
type fullPage struct{ longest, asked int }

func (f *fullPage) RoundTrip(r *http.Request) (*http.Response, error) {
	f.longest = max(f.longest, len(r.URL.String()))
	f.asked++
	body := "[]"
	if f.asked%2 == 1 {
		body = "[" + strings.TrimSuffix(strings.Repeat(`{"_id":"`+someID+`"},`, pageSize), ",") + "]"
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// TestFollowingPagesHaveRoom: what is added to a filter for the next page makes no URL too
// long, nor is a list cut far earlier.
func TestFollowingPagesHaveRoom(t *testing.T) {
	t.Parallel()
	longest := 0
	for n := 215; n < 245; n++ {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprintf("66e19957f72ba7349eb7%04x", i)
		}
		store := &fullPage{}
		for _, err := range usersOn(t, store).AllIn(t.Context(), "_id", ids, Query{States: AllStates}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if store.longest > maxURL {
			t.Errorf("with %d ids a URL of %d bytes, want at most %d", n, store.longest, maxURL)
		}
		longest = max(longest, store.longest)
	}
	if longest < maxURL-100 {
		t.Errorf("the longest URL has %d bytes, want nearly %d", longest, maxURL)
	}
	long := make([]string, 40)
	for i := range long {
		long[i] = strings.Repeat("x", 500) + fmt.Sprint(i)
	}
	for extra := range 40 {
		store := &fullPage{}
		long[0] = strings.Repeat("x", 500+10*extra)
		for _, err := range usersOn(t, store).AllIn(t.Context(), "name", long, Query{}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if store.longest > maxURL {
			t.Errorf("a URL of %d bytes, want at most %d", store.longest, maxURL)
		}
	}
}
