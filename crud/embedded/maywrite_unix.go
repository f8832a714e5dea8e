//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package embedded

import "syscall"

// mayWrite asks the system whether this process may make files in a folder, as access(2)
// has it.
func mayWrite(folder string) error {
	const writeAndSearch = 2 | 1
	return syscall.Access(folder, writeAndSearch)
}
