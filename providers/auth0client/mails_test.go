package auth0client_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"user-manager/providers"
	"user-manager/upstream"
)

// TestRefusedMails: the account tells why, as the answers are not documented.
func TestRefusedMails(t *testing.T) {
	const (
		whole     = `{"user_id":"auth0|1","email":"ada@example.com","identities":[]}`
		nameless  = `{"user_id":"auth0|1","username":"ada","identities":[]}`
		noAccount = `{"statusCode":404,"error":"Not Found","message":"The user does not exist.","errorCode":"inexistent_user"}`
	)
	tests := map[string]struct {
		status int
		user   string // "": nobody looks
		cause  error
		want   int // status
	}{
		"sent":                           {204, "", nil, 0},
		"sent, with another status":      {200, "", nil, 0},
		"no such account":                {404, noAccount, providers.ErrNotFound, 404},
		"a failure, and no such account": {500, noAccount, providers.ErrNotFound, 404},
		"no address":                     {400, nameless, providers.ErrInvalid, 400},
		"a failure, and no address":      {500, nameless, providers.ErrInvalid, 400},
		"no such route":                  {404, whole, providers.ErrMisconfigured, 404},
		"refused":                        {400, whole, nil, 400},
		"a failure":                      {500, whole, nil, 500},
		"not allowed":                    {403, "", providers.ErrMisconfigured, 403},
		"not this way":                   {405, "", providers.ErrMisconfigured, 405},
		"too many":                       {429, "", nil, 429},
		"not now":                        {503, "", nil, 503},
		"refused, and nobody can look":   {400, "broken", nil, 400},
		"not found, and nobody can look": {404, "broken", nil, 404},
		"a failure, and nobody can look": {500, "broken", nil, 500},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			looks := 0
			p := opened(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/change-password" {
					w.Header().Set("Retry-After", "9")
					w.WriteHeader(test.status)
					return
				}
				looks++
				switch test.user {
				case noAccount:
					w.WriteHeader(http.StatusNotFound)
				case "broken":
					w.WriteHeader(http.StatusInternalServerError)
				}
				fmt.Fprint(w, test.user)
			}), nil)
			err := p.ChangePassword(t.Context(), "auth0|1")
			failed, _ := errors.AsType[*upstream.Error](err)
			switch {
			case test.want == 0 && err != nil, test.want != 0 && failed == nil:
				t.Fatalf("error %v, want status %d", err, test.want)
			case failed != nil && (failed.Status != test.want || failed.Err != test.cause || failed.Route != "POST /change-password"):
				t.Errorf("error %+v, want status %d and cause %v", failed, test.want, test.cause)
			}
			if want := min(1, len(test.user)); looks != want {
				t.Errorf("%d looks at the account, want %d", looks, want)
			}
		})
	}
}

func TestMailIsAskedForByID(t *testing.T) {
	h, last := answering(204, nil, "")
	if err := opened(t, h, nil).ChangePassword(t.Context(), "auth0|1"); err != nil {
		t.Fatal(err)
	}
	if last.call != "POST /change-password" || last.body != `{"authUserId":"auth0|1"}` || last.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s with %v and %s", last.call, last.header, last.body)
	}
}
