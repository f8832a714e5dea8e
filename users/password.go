package users

import "user-manager/secret"

// MinPasswordLength is the least length of a random password.
const MinPasswordLength = secret.MinPasswordLength

// randomPassword returns a password for an account whose owner is to set one.
func randomPassword(length int) secret.Text { return secret.RandomPassword(length) }
