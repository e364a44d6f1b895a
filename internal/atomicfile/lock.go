package atomicfile

import (
	"fmt"
	"os"

	"github.com/gofrs/flock"
)

// Lock keeps other processes from writing path until release is called or this process
// ends, however it ends: the lock is the operating system's, held on PATH.lock, and a
// PATH.lock that a killed process left behind locks nothing. It does not wait: where
// another process holds the lock, that is an error.
func Lock(path string) (release func(), err error) {
	path = Resolve(path)
	name := path + ".lock"
	for range 100 {
		l := flock.New(name)
		got, err := l.TryLock()
		switch {
		case err != nil:
			return nil, reason(path, err)
		case !got:
			return nil, fmt.Errorf("%s: another ridgeline is writing it: wait for that one, or name another file", path)
		case sameFile(l, name):
			return func() {
				_ = os.Remove(name) // before it is unlocked, so that nobody locks a file without a name
				_ = l.Unlock()
			}, nil
		}
		_ = l.Unlock() // its holder removed it between our opening and our locking it
	}
	return nil, fmt.Errorf("%s: cannot lock it: %s comes and goes", path, name)
}

// sameFile reports whether the file that was locked still has its name.
func sameFile(l *flock.Flock, name string) bool {
	held, err := l.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(name)
	return err == nil && os.SameFile(held, now)
}
