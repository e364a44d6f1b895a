//go:build unix

package input

import "syscall"

// makePipe makes a named pipe that nobody writes to.
func makePipe(path string) bool { return syscall.Mkfifo(path, 0o600) == nil }
