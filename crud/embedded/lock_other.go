//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package embedded

// lockFile does nothing where there is no flock: that only one process opens the
// file is then up to its owner.
func lockFile(string) (release func() error, err error) {
	return func() error { return nil }, nil
}
