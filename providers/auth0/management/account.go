package management

import (
	"fmt"
	"strconv"
	"strings"

	"user-manager/providers"
	"user-manager/upstream"
)

// scheme begins the ids of accounts in database connections.
const scheme = "auth0|"

// AccountID returns the id of the account that is made with key: a tenant puts "auth0|"
// before the user_id that its client chooses.
func AccountID(key string) string { return scheme + key }

const longestID = 1 << 10 // bytes; of a database's users 255 characters are documented

// IsID reports whether an account may have the id: its connection's kind, a bar and more.
// Others, such as "..", could be the path of another route, or too long for one.
func IsID(id string) bool {
	kind, rest, ok := strings.Cut(id, "|")
	return ok && kind != "" && rest != "" && len(id) <= longestID
}

// AccountOf returns the account of a user document. The document becomes its Properties
// and is not copied. Properties of a form that the documentation does not have, such as a
// number for identities[].user_id, are left as they are; a document without an id, or with
// something else than text for a name, is [upstream.ErrAnswer].
func AccountOf(user map[string]any) (providers.Account, error) {
	a := providers.Account{Properties: user}
	for name, to := range map[string]*string{"user_id": &a.ID, "username": &a.Username, "email": &a.Email} {
		switch value := user[name].(type) {
		case nil:
		case string:
			*to = value
		default:
			return providers.Account{}, fmt.Errorf("%w: the user's %s is no text", upstream.ErrAnswer, name)
		}
	}
	if a.ID == "" {
		return providers.Account{}, fmt.Errorf("%w: the user has no user_id", upstream.ErrAnswer)
	}
	var err error
	a.Blocked, err = truth(user["blocked"])
	if err != nil {
		return providers.Account{}, fmt.Errorf("%w: the user's blocked is neither true nor false", upstream.ErrAnswer)
	}
	return a, nil
}

// truth returns a value that is true or false, also where it is one in words. A property
// that was never set is absent: false.
func truth(value any) (bool, error) {
	switch value := value.(type) {
	case nil:
		return false, nil
	case bool:
		return value, nil
	}
	return strconv.ParseBool(fmt.Sprint(value))
}

// Creation returns the body of the request that makes an account in the named connection,
// with an id of a's key. An empty connection is left out, for an API that has one of its own.
func Creation(a providers.NewAccount, connection string) map[string]any {
	body := map[string]any{"user_id": a.Key, "password": a.Password.Reveal()}
	for name, value := range map[string]string{"connection": connection, "username": a.Username, "email": a.Email} {
		if value != "" {
			body[name] = value
		}
	}
	if a.Blocked {
		body["blocked"] = true
	}
	return body
}
