package management

import "user-manager/secret"

const passwordLength = 40 // more than 240 bits, and below the 72 bytes that bcrypt looks at

// UnknownPassword returns a password that nobody learns, for an account whose owner sets one
// by mail. The strictest policy of a tenant takes it.
func UnknownPassword() secret.Text { return secret.RandomPassword(passwordLength) }
