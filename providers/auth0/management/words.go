package management

import "user-manager/providers"

// fixed are sentences of a tenant that never have a value in them.
var fixed = map[string]bool{
	"Wrong email or password.":            true,
	"user is blocked":                     true,
	"Multifactor authentication required": true,
	"Unknown or invalid refresh token.":   true,
	"The refresh_token was generated for a user who doesn't exist anymore.": true,
	"Unauthorized":                                true,
	"The user already exists.":                    true,
	"The user does not exist.":                    true,
	"User not found.":                             true,
	"The username provided is in use already.":    true,
	"The specified new email already exists":      true,
	"The user does not have an email address.":    true,
	"PasswordStrengthError: Password is too weak": true,
	"Your account has been blocked after multiple consecutive login attempts. We've sent you an email with instructions on how to unblock it.": true,
}

// Mask is [providers.Mask] that leaves sentences of the tenant's own alone: a user may be
// called "email", or have the password "wrong".
func Mask(words string, values ...string) string {
	if fixed[words] {
		return words
	}
	return providers.Mask(words, values...)
}
