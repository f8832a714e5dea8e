package management

import (
	"errors"
	"strings"
	"testing"

	"user-manager/providers"
	"user-manager/upstream"
)

func TestRefusal(t *testing.T) {
	said := func(message, code string) string {
		return `{"statusCode":0,"error":"Reason","message":"` + message + `","errorCode":"` + code + `"}`
	}
	email, username := providers.Taken{Property: "email"}, providers.Taken{Property: "username"}
	tests := map[string]struct {
		status  int
		body    string
		cause   error
		message string
	}{
		"no such user, by code":         {404, said("The user does not exist.", "inexistent_user"), providers.ErrNotFound, "The user does not exist."},
		"no such user, by words":        {404, said("User not found.", ""), providers.ErrNotFound, "User not found."},
		"no such user, without a dot":   {404, `{"message":"the user does not exist"}`, providers.ErrNotFound, "the user does not exist"},
		"no such job":                   {404, said("Job not found.", ""), nil, "Job not found."},
		"no such route":                 {404, "404 page not found", nil, ""},
		"a conflict":                    {409, said("The user already exists.", "auth0_idp_error"), providers.ErrConflict, "The user already exists."},
		"a conflict over a name":        {400, said("The user already exists (username: email).", ""), username, "The user already exists (username: email)."},
		"a conflict over an address":    {409, said("The specified new email already exists", "auth0_idp_error"), email, "The specified new email already exists"},
		"a name in use":                 {409, said("The username provided is in use already.", "auth0_idp_error"), username, "The username provided is in use already."},
		"an address, as a bad request":  {400, said("The specified new email already exists", "auth0_idp_error"), email, "The specified new email already exists"},
		"a user name, as a bad request": {400, said("The specified new username already exists", "auth0_idp_error"), username, "The specified new username already exists"},
		"a value like a conflict":       {400, said("Payload validation error: it already exists", "invalid_body"), providers.ErrInvalid, "Payload validation error: it already exists"},
		"a conflict without words":      {409, "", providers.ErrConflict, ""},
		"a bad address":                 {400, said("Payload validation error: 'Object didn't pass validation for format email: connection' on property email (The user's email).", "invalid_body"), providers.ErrInvalid, "Payload validation error: 'Object didn't pass validation for format email: connection' on property email (The user's email)."},
		"a property too many":           {400, said("Payload validation error: 'Additional properties not allowed: a,b'.", "invalid_body"), providers.ErrInvalid, "Payload validation error: 'Additional properties not allowed: a,b'."},
		"a weak password":               {400, said("PasswordStrengthError: Password is too weak", ""), providers.ErrInvalid, "PasswordStrengthError: Password is too weak"},
		"names at once":                 {400, said("Cannot update username and email simultaneously.", ""), providers.ErrInvalid, "Cannot update username and email simultaneously."},
		"no address":                    {400, said("The user does not have an email address.", ""), providers.ErrInvalid, "The user does not have an email address."},
		"an unknown connection":         {400, said("Connection does not exist.", ""), providers.ErrMisconfigured, "Connection does not exist."},
		"a connection without names":    {400, said("Cannot set username for connection without requires_username.", ""), providers.ErrMisconfigured, "Cannot set username for connection without requires_username."},
		"a connection not enabled":      {400, said("Connection must be enabled for this client to perform single user creation and signup operations (client_id: x - connection: y)", ""), providers.ErrMisconfigured, "Connection must be enabled for this client to perform single user creation and signup operations (client_id: x - connection: y)"},
		"a connection's id":             {400, said("Payload validation error: 'String does not match pattern ^con_[A-Za-z0-9]{16}$' on property connection_id.", "invalid_body"), providers.ErrMisconfigured, "Payload validation error: 'String does not match pattern ^con_[A-Za-z0-9]{16}$' on property connection_id."},
		"a bad header":                  {400, said("Bad HTTP authentication header format", ""), providers.ErrMisconfigured, "Bad HTTP authentication header format"},
		"a bad query":                   {400, said("Query validation error: 'x'", "invalid_query_string"), nil, "Query validation error: 'x'"},
		"too far a page":                {400, said("You can only page through the first 1000 records.", "invalid_paging"), nil, "You can only page through the first 1000 records."},
		"a bad request, unsaid":         {400, "", providers.ErrInvalid, ""},
		"an expired token":              {401, `{"message":"Expired token received for JSON Web Token validation","attributes":{"error":"x"}}`, providers.ErrMisconfigured, "Expired token received for JSON Web Token validation"},
		"a missing scope":               {403, said("Insufficient scope, expected any of: read:users", "insufficient_scope"), providers.ErrMisconfigured, "Insufficient scope, expected any of: read:users"},
		"too large":                     {413, said("Payload content length greater than maximum allowed: 512000.", ""), nil, "Payload content length greater than maximum allowed: 512000."},
		"too many":                      {429, said("Global limit has been reached", "too_many_requests"), nil, "Global limit has been reached"},
		"a failure":                     {500, said("Internal error.", ""), nil, "Internal error."},
		"a gateway":                     {502, "<html>Bad Gateway</html>", nil, ""},
		"words of OAuth":                {403, `{"error":"access_denied","error_description":"Unauthorized"}`, providers.ErrMisconfigured, "Unauthorized"},
		"only a reason":                 {500, `{"error":"Internal Server Error"}`, nil, "Internal Server Error"},
		"an array":                      {500, `["x"]`, nil, ""},
		"a code that is no text":        {500, `{"message":"x","errorCode":7}`, nil, "x"},
		"words that are no text":        {500, `{"message":{"a":1},"error":"x"}`, nil, "x"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := Refusal("PATCH /api/v2/users/:id", test.status, []byte(test.body))
			failed, ok := errors.AsType[*upstream.Error](err)
			if !ok || failed.Service != providers.Service || failed.Route != "PATCH /api/v2/users/:id" {
				t.Fatalf("error %#v", err)
			}
			if failed.Status != test.status || failed.Message != test.message || failed.Err != test.cause {
				t.Errorf("status %d, message %q, cause %v; want %d, %q, %v", failed.Status, failed.Message, failed.Err, test.status, test.message, test.cause)
			}
		})
	}
}

func TestRefusalOfLargeBodies(t *testing.T) {
	long := strings.Repeat("ü", mostWords)
	if got := Refusal("x", 500, []byte(`{"message":"`+long+`"}`)); got.(*upstream.Error).Message != long {
		t.Errorf("%d bytes of a long message are kept, want %d", len(got.(*upstream.Error).Message), len(long))
	}
	huge := strings.Repeat("ü", mostRefusal)
	if got := Refusal("x", 409, []byte(`{"message":"`+huge+`"}`)); got.(*upstream.Error).Message != "" || !errors.Is(got, providers.ErrConflict) {
		t.Errorf("a huge body gives %v with words", got)
	}
}
