package management

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
)

func TestAccountOf(t *testing.T) {
	type account = providers.Account
	tests := map[string]struct {
		doc  string
		want account // without Properties
		err  bool
	}{
		"a user":                      {`{"user_id":"auth0|1","email":"ada@example.com","username":"ada","blocked":true}`, account{ID: "auth0|1", Username: "ada", Email: "ada@example.com", Blocked: true}, false},
		"nothing but an id":           {`{"user_id":"auth0|1"}`, account{ID: "auth0|1"}, false},
		"not blocked":                 {`{"user_id":"auth0|1","blocked":false}`, account{ID: "auth0|1"}, false},
		"names of null":               {`{"user_id":"auth0|1","email":null,"username":null,"blocked":null}`, account{ID: "auth0|1"}, false},
		"of another provider":         {`{"user_id":"github|7","email_verified":"true","identities":[{"user_id":7}]}`, account{ID: "github|7"}, false},
		"a block in words":            {`{"user_id":"auth0|1","blocked":"true"}`, account{ID: "auth0|1", Blocked: true}, false},
		"a block that is none":        {`{"user_id":"auth0|1","blocked":{}}`, account{}, true},
		"no id":                       {`{"email":"ada@example.com"}`, account{}, true},
		"an id that is no text":       {`{"user_id":1}`, account{}, true},
		"an address that is no text":  {`{"user_id":"auth0|1","email":["ada@example.com"]}`, account{}, true},
		"a user name that is no text": {`{"user_id":"auth0|1","username":1}`, account{}, true},
		"no document":                 {`null`, account{}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var doc map[string]any
			if err := json.Unmarshal([]byte(test.doc), &doc); err != nil {
				t.Fatal(err)
			}
			got, err := AccountOf(doc)
			if errors.Is(err, upstream.ErrAnswer) != test.err || (err != nil) != test.err {
				t.Errorf("error %v, want one: %v", err, test.err)
			}
			if !test.err {
				test.want.Properties = doc
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("account (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCreation(t *testing.T) {
	tests := map[string]struct {
		account    providers.NewAccount
		connection string
		want       map[string]any
	}{
		"all":                  {providers.NewAccount{Key: "1f", Username: "ada", Email: "Ada@example.com", Password: secret.New("pw"), Blocked: true}, "people", map[string]any{"user_id": "1f", "connection": "people", "username": "ada", "email": "Ada@example.com", "password": "pw", "blocked": true}},
		"one name":             {providers.NewAccount{Key: "1f", Email: "ada@example.com", Password: secret.New("pw")}, "people", map[string]any{"user_id": "1f", "connection": "people", "email": "ada@example.com", "password": "pw"}},
		"without a connection": {providers.NewAccount{Key: "1f", Username: "ada", Password: secret.New("pw")}, "", map[string]any{"user_id": "1f", "username": "ada", "password": "pw"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Creation(test.account, test.connection)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzAccountOf(f *testing.F) {
	f.Add([]byte(`{"user_id":"auth0|1","email":"ada@example.com","blocked":"1","identities":[{"user_id":7}]}`))
	f.Add([]byte(`{"user_id":"auth0|1","username":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var doc map[string]any
		if json.Unmarshal(data, &doc) != nil {
			return
		}
		a, err := AccountOf(doc)
		if (err == nil) != (a.ID != "") {
			t.Errorf("account %+v, error %v", a, err)
		}
	})
}
