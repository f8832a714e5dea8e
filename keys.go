package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
)

// keyHeaders are those in which a caller may send its key.
var keyHeaders = []string{"Client-Key", "Secret"}

// shortKey is how many characters a key should have at least: fewer can be found by trying.
const shortKey = 16

// A keyring is the keys of those who may call, as digests. The zero value has none.
type keyring struct {
	digests [][sha256.Size]byte
	short   int // how many have fewer characters than they should
}

// size is how many keys there are.
func (k keyring) size() int { return len(k.digests) }

// has reports whether candidate is one of the keys. How long that takes says nothing of
// the keys but how many they are.
func (k keyring) has(candidate string) bool {
	digest, found := sha256.Sum256([]byte(candidate)), 0
	for i := range k.digests {
		found |= subtle.ConstantTimeCompare(digest[:], k.digests[i][:])
	}
	return found == 1
}

// hasAny reports whether value is one of the keys, or a list with one, as a proxy makes it
// of a header that comes twice.
func (k keyring) hasAny(value string) bool {
	for part := range strings.SplitSeq(value, ",") {
		if k.has(strings.TrimSpace(part)) {
			return true
		}
	}
	return false
}

// add takes a key in. Its error does not name the key.
func (k *keyring) add(key string) error {
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' || c == ',' {
			return errors.New("must be of visible ASCII characters without a comma")
		}
	}
	if len(key) < shortKey {
		k.short++
	}
	k.digests = append(k.digests, sha256.Sum256([]byte(key)))
	return nil
}

// and returns the keys of both.
func (k keyring) and(other keyring) keyring {
	return keyring{slices.Concat(k.digests, other.digests), k.short + other.short}
}

// readKeys reads a file of keys, one a line. Blank lines and those that begin with # are
// left out. A file without any key is an error; no error names a key.
func readKeys(path string) (keyring, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return keyring{}, err
	}
	var keys keyring
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := keys.add(line); err != nil {
			return keyring{}, fmt.Errorf("%s: the key in line %d %w", path, number, err)
		}
	}
	if keys.size() == 0 {
		return keyring{}, fmt.Errorf("%s: has no key", path)
	}
	return keys, nil
}

// keys reads the keys that a variable lists.
func (r *reader) keys(name string) keyring {
	var keys keyring
	for i, key := range r.list(name) {
		if err := keys.add(key); err != nil {
			r.wrong(name, "key %d %v", i+1, err)
		}
	}
	if r.text(name) != "" && len(r.list(name)) == 0 {
		r.wrong(name, "has no key")
	}
	return keys
}

// maxCandidates bounds the values of a header that are held against the keys.
const maxCandidates = 8

// takeKeys returns header without the values that are keys of k, and whether there were any.
// A header of more values than any client has is left out whole: it might hide one. What is
// given stays as it is.
func (k keyring) takeKeys(header http.Header) (_ http.Header, found bool) {
	if k.size() == 0 {
		return header, false
	}
	cloned := false
	for _, name := range keyHeaders {
		values := header[name]
		tooMany := strings.Count(strings.Join(values, ","), ",") >= maxCandidates
		if !tooMany && !slices.ContainsFunc(values, k.hasAny) {
			continue
		}
		if !cloned {
			header, cloned = header.Clone(), true
		}
		rest := header[name][:0]
		if !tooMany {
			rest, found = slices.DeleteFunc(header[name], k.hasAny), true
		}
		if header[name] = rest; len(rest) == 0 {
			delete(header, name)
		}
	}
	return header, found
}
