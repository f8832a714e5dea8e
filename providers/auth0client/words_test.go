package auth0client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
)

// TestWordsAgainstSettings: what is said against the service's settings goes to the log, and
// so has nothing of a user.
func TestWordsAgainstSettings(t *testing.T) {
	const said = "This client may not do that for Ada.L, ada@example.com, auth0|1 nor Correct-Horse-7-Battery."
	tests := map[string]struct {
		status int
		call   func(p providers.Provider) error
		values []string
	}{
		"log in": {400, func(p providers.Provider) error {
			_, err := p.Login(t.Context(), "ada.l", password)
			return err
		}, []string{"Ada.L", password.Reveal()}},
		"make an account": {400, func(p providers.Provider) error {
			a := newAccount("ada")
			a.Username = "ada.l"
			_, err := p.Create(t.Context(), a)
			return err
		}, []string{"Ada.L", "ada@example.com", password.Reveal()}},
		"block an account": {403, func(p providers.Provider) error {
			_, err := p.Update(t.Context(), "auth0|1", providers.Change{Blocked: new(true)})
			return err
		}, []string{"auth0|1"}},
		"send a mail": {403, func(p providers.Provider) error { return p.ChangePassword(t.Context(), "auth0|1") }, []string{"auth0|1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h, _ := answering(test.status, nil, fmt.Sprintf(`{"message":%q}`, said))
			err := test.call(opened(t, h, nil))
			if !isCause(err, providers.ErrMisconfigured) {
				t.Fatalf("error %v, want that the settings are refused", err)
			}
			words := wordsOf(err)
			for _, value := range test.values {
				if strings.Contains(words, value) {
					t.Errorf("%q has %q", words, value)
				}
			}
			if !strings.HasPrefix(words, "This client may not do that") {
				t.Errorf("%q, want the words", words)
			}
		})
	}
}

// TestReadsAreOurs: nobody else is to blame for the form in which an account is read, but
// its id may be the caller's.
func TestReadsAreOurs(t *testing.T) {
	for words, want := range map[string]error{
		"Payload validation error: 'Too few properties defined (0), minimum 1'.": providers.ErrMisconfigured,
		"app_metadata is not allowed":                                            providers.ErrMisconfigured,
		"Path validation error: 'String is too long (300 chars), maximum 255' on property id (The user_id of the user to update).": providers.ErrInvalid,
	} {
		h, _ := answering(http.StatusBadRequest, nil, fmt.Sprintf(`{"statusCode":400,"message":%q}`, words))
		if _, err := opened(t, h, nil).Account(t.Context(), "auth0|1"); !isCause(err, want) {
			t.Errorf("%q: %v, want cause %v", words, err, want)
		}
	}
}

func wordsOf(err error) string {
	failed, _ := errors.AsType[*upstream.Error](err)
	return failed.Message
}

// TestNumbersAsTheyCome: a number that a float cannot hold.
func TestNumbersAsTheyCome(t *testing.T) {
	const number = "9007199254740993"
	h, _ := answering(200, nil, `{"user_id":"auth0|1","sub":"auth0|1","identities":[{"user_id":1}],"customer":`+number+`}`)
	p := opened(t, h, nil)
	info, err := p.UserInfo(t.Context(), providers.Ticket{AccessToken: secret.New("a")})
	if got := fmt.Sprint(info["customer"]); err != nil || got != number {
		t.Errorf("user info: %s, error %v, want %s", got, err, number)
	}
	account, err := p.Account(t.Context(), "auth0|1")
	if got := fmt.Sprint(account.Properties["customer"]); err != nil || got != number {
		t.Errorf("account: %s, error %v, want %s", got, err, number)
	}
}
