package management

import (
	"crypto/rand"
	"math/big"

	"user-manager/secret"
)

// classes are the kinds of characters that a policy may ask for.
var classes = [...]string{"ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789", "!#$%*+-=?@^_"}

const passwordLength = 40 // 157 bits, and below the 72 bytes that bcrypt looks at

// randomPassword returns a password that nobody learns, for an account whose owner sets one
// by mail. It has all kinds of characters and no two of one kind in a row, which the
// strictest policy of a tenant takes.
func randomPassword() secret.Text {
	password := make([]byte, passwordLength)
	for i := range password {
		class := classes[i%len(classes)]
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(class)))) // never fails: crypto/rand ends the program first
		password[i] = class[n.Int64()]
	}
	return secret.New(string(password))
}
