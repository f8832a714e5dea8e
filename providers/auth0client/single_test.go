package auth0client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/internal/logtest"
	"user-manager/providers"
	"user-manager/upstream"
)

// TestOneByOne: what becomes of accounts that are made without import jobs. Nothing is kept
// of an import that is over.
func TestOneByOne(t *testing.T) {
	tests := map[string]struct {
		statuses []int    // of making the accounts
		codes    []string // of refusals; nil: the import fails
		refused  bool     // the failure says that nothing was done
	}{
		"all are made":                   {[]int{201, 201}, []string{"", ""}, false},
		"one is not valid":               {[]int{400, 201}, []string{providers.CodeInvalid, ""}, false},
		"one is there":                   {[]int{201, 409}, []string{"", providers.CodeNotUnique}, false},
		"none may be made":               {[]int{403}, nil, true},
		"no more may be made":            {[]int{201, 403}, nil, false},
		"one is not known to be made":    {[]int{500}, nil, false},
		"the next is not known likewise": {[]int{201, 500}, nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { oneByOne(t, test.statuses, test.codes, test.refused) })
		})
	}
}

func oneByOne(t *testing.T, statuses []int, codes []string, refused bool) {
	p, err := Open(providers.Settings{
		Getenv: func(name string) string { return map[string]string{"AUTH_SERVICE": "auth0-client"}[name] },
		Log:    logtest.Logger(t), Timeout: 10 * time.Second, Base: crud.InProcess(withoutJobs(statuses)),
	})
	if err != nil {
		t.Fatal(err)
	}
	accounts := []providers.ImportAccount{
		{Key: "000000000000000000000001", Email: "a@example.com"}, {Key: "000000000000000000000002", Email: "b@example.com"},
	}
	outcomes, err := p.Import(t.Context(), accounts)
	if (err == nil) != (codes != nil) || upstream.Refused(err) != refused {
		t.Fatalf("error %v, refused: %v", err, upstream.Refused(err))
	}
	for i, code := range codes {
		got := outcomes[i]
		if code == "" && (got.Refusal != nil || !got.Inserted) || code != "" && (got.Refusal == nil || got.Refusal.Code != code) {
			t.Errorf("account %d: %+v, want code %q", i+1, got, code)
		}
	}
	if kept := p.importer.Jobs.(*importJobs).singly; len(kept) != 0 {
		t.Errorf("%d imports are kept", len(kept))
	}
}

// TestOneByOneCutShort: an import that ends before its second account has made the first.
func TestOneByOneCutShort(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	made := withoutJobs([]int{201})
	p, err := Open(providers.Settings{
		Getenv: func(name string) string { return map[string]string{"AUTH_SERVICE": "auth0-client"}[name] },
		Log:    logtest.Logger(t), Timeout: 10 * time.Second, Base: crud.InProcess(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			made.ServeHTTP(w, r)
			stop()
		})),
	})
	if err != nil {
		t.Fatal(err)
	}
	jobs := p.importer.Jobs.(*importJobs)
	_, err = jobs.makeSingly(ctx, []byte(`[{"user_id":"1","email":"a@example.com"},{"user_id":"2","email":"b@example.com"}]`))
	if !errors.Is(err, context.Canceled) || upstream.Refused(err) || upstream.Unreached(err) {
		t.Errorf("error %v, refused: %v, never sent: %v", err, upstream.Refused(err), upstream.Unreached(err))
	}
}

// withoutJobs is an Auth0 Client without import jobs, which makes accounts with the given
// answers and then says that there are none.
func withoutJobs(statuses []int) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /users", func(w http.ResponseWriter, r *http.Request) {
		var user map[string]any
		_ = json.NewDecoder(r.Body).Decode(&user)
		w.WriteHeader(statuses[0])
		if statuses[0] == http.StatusCreated {
			fmt.Fprintf(w, `{"user_id":"auth0|%s","email":%q,"identities":[]}`, user["user_id"], user["email"])
		}
		statuses = statuses[1:]
	})
	mux.HandleFunc("PATCH /users/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"statusCode":404,"error":"Not Found","message":"The user does not exist.","errorCode":"inexistent_user"}`)
	})
	return mux
}
