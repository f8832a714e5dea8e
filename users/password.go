package users

import (
	"crypto/rand"
	"math/big"
	"strings"

	"user-manager/secret"
)

// MinPasswordLength is the least length of a random password.
const MinPasswordLength = 8

// kinds are the characters of random passwords: at least one of each kind is in
// every password. What is easily misread (l, I, O, 0, 1) is left out.
var kinds = []string{
	"abcdefghijkmnopqrstuvwxyz",
	"ABCDEFGHJKLMNPQRSTUVWXYZ",
	"23456789",
	"!#$%&*+-=?@^_",
}

// randomPassword returns a password of length characters, with lower and upper
// case, a digit and a symbol.
func randomPassword(length int) secret.Text {
	length = max(length, MinPasswordLength)
	password := make([]byte, 0, length)
	for _, kind := range kinds {
		password = append(password, pick(kind))
	}
	all := strings.Join(kinds, "")
	for len(password) < length {
		password = append(password, pick(all))
	}
	for i := len(password) - 1; i > 0; i-- { // the first four must not tell their kind
		j := below(i + 1)
		password[i], password[j] = password[j], password[i]
	}
	return secret.New(string(password))
}

func pick(from string) byte { return from[below(len(from))] }

func below(n int) int {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // crypto/rand's reader never fails
	}
	return int(i.Int64())
}
