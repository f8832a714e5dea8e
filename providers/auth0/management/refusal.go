package management

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"user-manager/providers"
	"user-manager/upstream"
)

const (
	mostRefusal = 64 << 10 // bytes of an error body that are looked at; larger ones are no words
	mostWords   = 1 << 10  // bytes that are kept of other words
)

// Refusal returns the error of an answer that is not a success: route is the call, such as
// "PATCH /api/v2/users/:id". Its Status is the tenant's, its Message the tenant's words if
// the body has some, whole, so that values in them can be masked; its cause tells who is to
// blame:
//
//   - [providers.ErrNotFound]: there is no such account. A 404 of anything else has no cause.
//   - [providers.ErrConflict], where the words tell as [providers.Taken].
//   - [providers.ErrInvalid]: data of the account that the tenant does not accept, a
//     password among them.
//   - [providers.ErrMisconfigured]: the service's client, its scopes or its connection.
//
// Any other has none. RetryAfter is for whoever has the answer's header.
func Refusal(route string, status int, body []byte) error {
	said := wordsOf(body)
	return &upstream.Error{
		Service: providers.Service, Route: route, Status: status, Message: said.message,
		Err: causeOf(status, said),
	}
}

// words are what an error body says.
type words struct{ message, code string }

// wordsOf returns what body says, nothing for one that is not an object in JSON.
func wordsOf(body []byte) words {
	var said struct {
		Message     any `json:"message"`
		Description any `json:"error_description"`
		Error       any `json:"error"`
		Code        any `json:"errorCode"`
	}
	if len(body) > mostRefusal || json.Unmarshal(body, &said) != nil {
		return words{}
	}
	message := cmp.Or(textOf(said.Message), textOf(said.Description), textOf(said.Error))
	return words{message: message, code: textOf(said.Code)}
}

// textOf returns value if it is text, else "".
func textOf(value any) string {
	text, _ := value.(string)
	return text
}

// Clip cuts words that are too long to keep. Values are masked before: of one that is cut a
// part would stay.
func Clip(text string) string {
	if len(text) > mostWords {
		text = text[:mostWords]
	}
	return strings.ToValidUTF8(text, "")
}

// causeOf returns who is to blame for an answer, or nil.
func causeOf(status int, said words) error {
	switch status {
	case http.StatusBadRequest:
		return badRequestCause(said)
	case http.StatusUnauthorized, http.StatusForbidden:
		return providers.ErrMisconfigured
	case http.StatusNotFound:
		if said.code == "inexistent_user" || noUser.MatchString(said.message) {
			return providers.ErrNotFound
		}
	case http.StatusConflict:
		return conflictOver(said.message)
	}
	return nil
}

var (
	noUser = regexp.MustCompile(`(?i)^(user not found|the user does not exist)\.?$`)
	// exists finds the conflicts among bad requests: a PATCH was seen to refuse so.
	exists = regexp.MustCompile(`(?i)^(the )?user already exists|\b(already (exists|in use)|in use already)\.?$`)
	// takenName and takenEmail find what a conflict is over, but not in a user's value.
	takenName  = regexp.MustCompile(`(?i)\(username:|\b(new|this) username\b|\busername provided\b`)
	takenEmail = regexp.MustCompile(`(?i)\(email:|\b(new|this) email\b`)
	// aboutClient finds words about what the service is configured with. In those about a
	// property the name of the property tells, since the rest may be a user's value.
	aboutClient    = regexp.MustCompile(`(?i)\bconnections?\b|\brequires_username\b|\bclient\b|HTTP authentication header`)
	schemaProperty = regexp.MustCompile(`(?is)^payload validation error:.* on property (\w+)`)
	isSchema       = regexp.MustCompile(`(?i)^payload validation error:`)
	clientProperty = regexp.MustCompile(`^(connection|connection_id|client_id)$`)
	// unusable finds words about a connection that takes no import at all.
	unusable = regexp.MustCompile(`(?i)^(the )?connection (does not exist|is disabled|must be)\b|\bwithout import mode are not allowed\b`)
)

// badRequestCause returns who is to blame for status 400. Queries and paths are the
// service's own, so nobody is to blame for those.
func badRequestCause(said words) error {
	switch {
	case exists.MatchString(said.message) && !isSchema.MatchString(said.message):
		return conflictOver(said.message)
	case said.code == "invalid_query_string", said.code == "invalid_paging":
		return nil
	case isAboutClient(said.message):
		return providers.ErrMisconfigured
	}
	return providers.ErrInvalid
}

// isAboutClient reports whether words are about what the service is configured with.
func isAboutClient(message string) bool {
	if isSchema.MatchString(message) {
		property := schemaProperty.FindStringSubmatch(message)
		return property != nil && clientProperty.MatchString(property[1])
	}
	return aboutClient.MatchString(message)
}

// conflictOver returns the cause of a conflict, with the property where the words tell it.
func conflictOver(message string) error {
	name, email := takenName.MatchString(message), takenEmail.MatchString(message)
	switch {
	case name && !email:
		return providers.Taken{Property: "username"}
	case email && !name:
		return providers.Taken{Property: "email"}
	}
	return providers.ErrConflict
}
