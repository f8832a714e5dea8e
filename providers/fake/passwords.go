package fake

import (
	"fmt"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"

	"user-manager/secret"
)

// hashCost is bcrypt's lowest: these accounts are for development, where a thousand
// of them should be made in a second rather than be hard to guess.
const hashCost = bcrypt.MinCost

// maxPassword is how many bytes of a password bcrypt looks at.
const maxPassword = 72

// noPassword is kept of an account without a password: it has the form of a hash, and
// to compare with it takes as long, but nothing is known to have it.
var noPassword = fmt.Sprintf("$2a$%02d$%s", hashCost, strings.Repeat(".", 53))

// nobody is what the password of a missing account is compared with, so that its
// refusal takes as long as that of a wrong password.
var nobody = sync.OnceValue(func() string {
	hash, err := hashPassword(secret.New("a password that nobody has"))
	if err != nil {
		panic(err) // that one can be hashed
	}
	return hash
})

// hashPassword returns what is kept of a password, or why it cannot be one.
func hashPassword(password secret.Text) (string, error) {
	switch plain := password.Reveal(); {
	case plain == "":
		return "", invalid("The password is missing.")
	case len(plain) > maxPassword:
		return "", invalid("The password must not be longer than 72 bytes.")
	case strings.Contains(plain, "\x00"): // bcrypt takes "a" and "a\x00a" for the same
		return "", invalid("The password must not contain a zero byte.")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password.Reveal()), hashCost)
	return string(hash), err
}

// matches reports whether hash was made of password.
func matches(hash string, password secret.Text) bool {
	plain := password.Reveal()
	same := bcrypt.CompareHashAndPassword([]byte(hash), []byte(plain)) == nil
	return same && len(plain) <= maxPassword && !strings.Contains(plain, "\x00")
}
