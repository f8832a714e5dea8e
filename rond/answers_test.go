package rond_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/rond"
	"user-manager/rond/rondtest"
	"user-manager/upstream"
)

// failure is what callers look at in an error.
type failure struct {
	Text       string
	Cause      string // "" for none
	Message    string
	Refused    bool
	Unusable   bool
	RetryAfter time.Duration
}

func failureOf(t *testing.T, err error) failure {
	t.Helper()
	if err == nil {
		return failure{}
	}
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		t.Fatalf("%v is no *upstream.Error", err)
	}
	f := failure{Text: err.Error(), Message: e.Message, Refused: e.Refused(), Unusable: errors.Is(err, upstream.ErrAnswer), RetryAfter: e.RetryAfter}
	if e.Err != nil && !f.Unusable {
		f.Cause = e.Err.Error()
	}
	return f
}

// saying answers always the same.
func saying(status int, body string, header ...string) http.RoundTripper {
	return crud.InProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
}

// breaking answers with the start of a success.
type breaking struct{}

func (breaking) RoundTrip(req *http.Request) (*http.Response, error) {
	body := io.MultiReader(strings.NewReader(`{"bind`), brokenReader{})
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body), Request: req}, nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAnswersToAGrant(t *testing.T) {
	const route = "Rond POST /grant/bindings"
	unusable := failure{Text: route + " gave an answer that cannot be used", Unusable: true}
	for name, test := range map[string]struct {
		transport http.RoundTripper
		want      failure
	}{
		"JSON that is called text":  {saying(200, `{"bindingId":"b"}`, "Content-Type", "text/plain; charset=utf-8"), failure{}},
		"any success":               {saying(201, `{"bindingId":"b","more":1}`), failure{}},
		"no body":                   {saying(200, ""), unusable},
		"no content":                {saying(204, ""), unusable},
		"no binding":                {saying(200, `{}`), unusable},
		"an empty binding":          {saying(200, `{"bindingId":""}`), unusable},
		"a binding that is no text": {saying(200, `{"bindingId":7}`), unusable},
		"null":                      {saying(200, `null`), unusable},
		"a page":                    {saying(200, `<html>`), unusable},
		"something behind":          {saying(200, `{"bindingId":"b"}{`), unusable},
		"it breaks off":             {breaking{}, unusable},
		"it does not end":           {saying(200, strings.Repeat(" ", 2<<20)), unusable},
		"bad input": {saying(400, `{"error":"missing resource id","message":"Internal server error, please try again later","statusCode":400}`),
			failure{Text: route + " responded with a 400 status code", Cause: "missing resource id", Message: "missing resource id", Refused: true}},
		"bad input that Rönd takes for its own fault": {saying(500, `{"error":"EOF","message":"Internal server error, please try again later","statusCode":500}`),
			failure{Text: route + " responded with a 500 status code", Cause: "EOF", Message: "EOF"}},
		"a page instead of an error": {saying(404, "404 page not found\n"),
			failure{Text: route + " responded with a 404 status code", Refused: true}},
		"a gateway that asks to wait": {saying(503, "<html>", "Retry-After", "7"),
			failure{Text: route + " responded with a 503 status code", RetryAfter: 7 * time.Second}},
		"words without an end": {saying(400, `{"error":"`+strings.Repeat("é", 1000)+`"}`),
			failure{Text: route + " responded with a 400 status code", Cause: strings.Repeat("é", 512), Message: strings.Repeat("é", 512), Refused: true}},
		"a redirect": {saying(302, "", "Location", "http://elsewhere"),
			failure{Text: route + " responded with a 302 status code"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := client(t, test.transport, "").Grant(t.Context(), ada, []string{"editor"})
			if diff := cmp.Diff(test.want, failureOf(t, err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTimeRunsOut: an answer that stays away in the middle is none, and no bad one.
func TestTimeRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := crud.InProcess(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"bind`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}))
		start := time.Now()
		got := failureOf(t, client(t, transport, "").Grant(t.Context(), ada, []string{"editor"}))
		if took := time.Since(start); took != timeout || got.Unusable || got.Refused || got.Text != "Rond POST /grant/bindings could not be reached" {
			t.Errorf("after %v: %+v", took, got)
		}
	})
}

func TestAnswersToARevoke(t *testing.T) {
	const route = "Rond POST /revoke/bindings/resource/:resourceType"
	unusable := failure{Text: route + " gave an answer that cannot be used", Unusable: true}
	for name, test := range map[string]struct {
		transport http.RoundTripper
		want      failure
	}{
		"nothing found":              {saying(200, `{"deletedBindings":0,"modifiedBindings":0}`), failure{}},
		"no counts":                  {saying(200, `{}`), unusable},
		"one count":                  {saying(200, `{"deletedBindings":0}`), unusable},
		"counts that are no numbers": {saying(200, `{"deletedBindings":"0","modifiedBindings":"0"}`), unusable},
		"no body":                    {saying(200, ""), unusable},
		"nothing could be looked for": {saying(500, `{"error":"failed crud request for finding bindings"}`),
			failure{Text: route + " responded with a 500 status code", Cause: "failed crud request for finding bindings", Message: "failed crud request for finding bindings", Refused: true}},
		"the same words of a gateway": {saying(502, `{"error":"failed crud request for finding bindings"}`),
			failure{Text: route + " responded with a 502 status code", Cause: "failed crud request for finding bindings", Message: "failed crud request for finding bindings"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := client(t, test.transport, "user").Revoke(t.Context(), ada)
			if diff := cmp.Diff(test.want, failureOf(t, err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

// TestStoreBehind: what the CRUD Service behind Rönd does decides what a failure leaves behind.
func TestStoreBehind(t *testing.T) {
	grant := func(c *rond.Client, t *testing.T) error { return c.Grant(t.Context(), ada, []string{"new"}) }
	revoke := func(c *rond.Client, t *testing.T) error { return c.Revoke(t.Context(), ada) }
	for name, test := range map[string]struct {
		store   rondtest.Store
		do      func(*rond.Client, *testing.T) error
		message string
		refused bool // surely nothing was done
		left    []string
	}{
		"a grant is not written":            {rondtest.Store{Create: rondtest.Refused}, grant, "failed crud request for creating bindings", false, []string{"own", "shared"}},
		"a grant is written, it seems not":  {rondtest.Store{Create: rondtest.Lost}, grant, "failed crud request for creating bindings", false, []string{"new", "own", "shared"}},
		"nothing is there":                  {rondtest.Gone(), revoke, "failed crud request for finding bindings", true, []string{"own", "shared"}},
		"nothing is found":                  {rondtest.Store{Find: rondtest.Lost}, revoke, "failed crud request for finding bindings", true, []string{"own", "shared"}},
		"pages of fewer than 200":           {rondtest.Store{MaxLimit: 100}, revoke, "failed crud request for finding bindings", true, []string{"own", "shared"}},
		"nothing is deleted":                {rondtest.Store{Delete: rondtest.Refused}, revoke, "failed crud request for deleting unused bindings", false, []string{"own", "shared"}},
		"it is deleted, it seems not":       {rondtest.Store{Delete: rondtest.Lost}, revoke, "failed crud request for deleting unused bindings", false, []string{"shared"}},
		"the shared one stays":              {rondtest.Store{Update: rondtest.Refused}, revoke, "failed crud request to modify existing bindings. removed bindings: 1", false, []string{"shared"}},
		"the shared one goes, it seems not": {rondtest.Store{Update: rondtest.Lost}, revoke, "failed crud request to modify existing bindings. removed bindings: 1", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := rondtest.New(rondtest.Config{})
			r.Put(rondtest.Binding{Subjects: []string{ada}, Roles: []string{"own"}})
			r.Put(rondtest.Binding{Subjects: []string{ada, bob}, Roles: []string{"shared"}})
			transport := &counting{next: crud.InProcess(r)}
			c := client(t, transport, "")
			r.SetStore(test.store)
			got := failureOf(t, test.do(c, t))
			if got.Message != test.message || got.Cause != test.message || got.Refused != test.refused || transport.calls != 1 {
				t.Errorf("after %d calls %+v, want message %q, refused %v", transport.calls, got, test.message, test.refused)
			}
			wantRoles(t, r, ada, test.left...)

			r.SetStore(rondtest.Store{})
			if err := revoke(c, t); err != nil {
				t.Error(err)
			}
			wantRoles(t, r, ada)
			wantRoles(t, r, bob, "shared")
		})
	}
}
