package secret_test

import (
	"strings"
	"testing"

	"user-manager/secret"
)

// TestRandomPassword: passwords are of the length that is asked for, have all kinds of
// characters and none twice in a row, and no two are the same.
func TestRandomPassword(t *testing.T) {
	seen := map[string]bool{}
	for i := range 1000 {
		length := i % 73 // up to what bcrypt looks at
		password := secret.RandomPassword(length).Reveal()
		if want := max(length, secret.MinPasswordLength); len(password) != want || seen[password] {
			t.Errorf("of length %d: it has %d characters, was there before: %v", length, len(password), seen[password])
		}
		seen[password] = true
		for _, kind := range []string{"abcdefghijkmnopqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789", "!#$%&*+-=?@^_"} {
			if !strings.ContainsAny(password, kind) {
				t.Errorf("of length %d: it has none of %s", length, kind)
			}
		}
		for i := range len(password) - 1 {
			if password[i] == password[i+1] {
				t.Errorf("of length %d: it has a character twice in a row", length)
			}
		}
	}
}
