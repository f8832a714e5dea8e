package providers

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"user-manager/upstream"
)

// Codes of refusals that all drivers have; others may be a provider's own.
const (
	CodeNotUnique = "NON_UNIQUE_PROPERTY_VALUE" // another account has it
	CodeInvalid   = "INVALID_FORMAT"            // the provider does not accept the data
	CodeNotFound  = "USER_NOT_FOUND"            // there is no account with the given id
	CodeRefused   = "PROVIDER_REFUSED"          // any other definite no
)

// ImportRefusal is why an account was not imported. Its Message has no personal data,
// save the value of a property that is not unique.
type ImportRefusal struct {
	Code    string
	Message string
}

// RefusalOf returns what err, of a call that made or changed one account, is as an
// import's refusal, or nil when it is no definite one (see [upstream.Refused]).
// username and email are what the call gave the account.
func RefusalOf(err error, username, email string) *ImportRefusal {
	failed, ok := errors.AsType[*upstream.Error](err)
	switch {
	case !ok || !failed.Refused() || upstream.Unreached(failed):
		return nil
	case errors.Is(failed, ErrConflict):
		return notUnique(failed, username, email)
	case errors.Is(failed, ErrInvalid):
		words := cmp.Or(failed.Message, failed.Error())
		return &ImportRefusal{CodeInvalid, Mask(words, username, email)}
	case errors.Is(failed, ErrNotFound):
		return &ImportRefusal{CodeNotFound, "The account does not exist"}
	}
	return &ImportRefusal{CodeRefused, failed.Error()}
}

// notUnique returns the refusal for a conflict, with the value where it is known which
// property it is about.
func notUnique(err error, username, email string) *ImportRefusal {
	taken, _ := errors.AsType[Taken](err)
	value := map[string]string{"username": username, "email": email}[taken.Property]
	if value == "" {
		return &ImportRefusal{CodeNotUnique, "A property has a non-unique value"}
	}
	return &ImportRefusal{CodeNotUnique, fmt.Sprintf("Property %q has non-unique value: %s", taken.Property, value)}
}

// mask stands where a value was.
const mask = "***"

// Mask returns words with *** in the place of the given values, in whatever case they are
// there.
func Mask(words string, values ...string) string {
	var patterns []string
	for _, value := range values {
		if value != "" && utf8.RuneCountInString(value) <= len(words) { // a longer one is not in them
			patterns = append(patterns, regexp.QuoteMeta(strings.ToValidUTF8(value, "\uFFFD")))
		}
	}
	if len(patterns) == 0 {
		return words
	}
	value := regexp.MustCompile("(?i:" + strings.Join(patterns, "|") + ")")
	value.Longest() // an address goes as a whole, also when the name is its beginning
	return value.ReplaceAllString(strings.ToValidUTF8(words, "\uFFFD"), mask)
}
