//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package embedded

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile takes the lock of a database file: a second process is refused. The lock
// ends with the process, however it ends.
func lockFile(path string) (release func() error, err error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take the lock of the database (its folder must exist and be writable): %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f.Close, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("the database %s is in use by another process: stop it, or choose another file", path)
	}
	return nil, fmt.Errorf("take the lock of the database %s.lock: %w", path, err)
}
