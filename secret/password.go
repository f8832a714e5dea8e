package secret

import (
	"crypto/rand"
	"math/big"
	"strings"
)

// MinPasswordLength is the least length of a random password.
const MinPasswordLength = 8

// kinds are the characters of random passwords. What is easily misread (l, I, O, 0, 1) is
// left out.
var kinds = [...]string{
	"abcdefghijkmnopqrstuvwxyz",
	"ABCDEFGHJKLMNPQRSTUVWXYZ",
	"23456789",
	"!#$%&*+-=?@^_",
}

// RandomPassword returns a password of length characters, [MinPasswordLength] at least, of
// six bits each. It has lower and upper case, a digit and a symbol, and no character twice in
// a row, as the strictest policies ask.
func RandomPassword(length int) Text {
	for {
		password := draw(max(length, MinPasswordLength))
		if hasAllKinds(password) { // nearly half of the shortest have
			return New(password)
		}
	}
}

// draw returns random characters of all kinds, none of them twice in a row.
func draw(length int) string {
	all := strings.Join(kinds[:], "")
	drawn := make([]byte, 0, length)
	for len(drawn) < length {
		n, _ := rand.Int(rand.Reader, big.NewInt(int64(len(all)))) // never fails: crypto/rand ends the program first
		if c := all[n.Int64()]; len(drawn) == 0 || drawn[len(drawn)-1] != c {
			drawn = append(drawn, c)
		}
	}
	return string(drawn)
}

func hasAllKinds(password string) bool {
	for _, kind := range kinds {
		if !strings.ContainsAny(password, kind) {
			return false
		}
	}
	return true
}
