// Package atomicfile writes a file whole or not at all: into a temporary file beside it,
// which then takes its name. A reader never sees half of it, and a failure leaves what
// was there before.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// File is a file being written. It appears under its name with Commit.
type File struct {
	*os.File
	path string // "" where the target is written in place (a device or pipe)
	done bool
}

// Create opens a temporary file beside path, following symbolic links. A target that
// exists and is no regular file (/dev/stdout) is opened itself; a directory is an error.
func Create(path string) (*File, error) {
	if path == "" {
		return nil, errors.New("the name of the file to write is empty")
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	mode := fs.FileMode(0o666)
	switch st, err := os.Stat(path); {
	case err == nil && st.IsDir():
		return nil, fmt.Errorf("%s: is a directory; name a file in it", path)
	case err == nil && !st.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, reason(path, err)
		}
		return &File{File: f}, nil
	case err == nil:
		mode = st.Mode().Perm()
	}
	f, err := temporary(path, mode)
	if err != nil {
		return nil, reason(path, err)
	}
	return &File{File: f, path: path}, nil
}

// temporary creates a file next to path that no other process has.
func temporary(path string, mode fs.FileMode) (*os.File, error) {
	dir, base := filepath.Split(path)
	for i := 0; ; i++ {
		name := dir + "." + base + ".partial-" + strconv.Itoa(os.Getpid()) + "-" + strconv.Itoa(i)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) && i < 1000 {
			continue
		}
		return f, err
	}
}

// Commit gives the file its name. After an error the target is as it was.
func (f *File) Commit() error {
	if f.done {
		return nil
	}
	f.done = true
	if f.path == "" {
		return f.Close()
	}
	err := f.Sync()
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return reason(f.path, err)
	}
	return nil
}

// Discard drops what was written. After Commit it does nothing, so it can be deferred.
func (f *File) Discard() {
	if f.done {
		return
	}
	f.done = true
	_ = f.Close()
	if f.path != "" {
		_ = os.Remove(f.Name())
	}
}

// Write gives path what fn writes when fn succeeds; on any error path is as it was.
func Write(path string, fn func(io.Writer) error) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := fn(f); err != nil {
		return err
	}
	return f.Commit()
}

// reason keeps what went wrong and drops the temporary file's name.
func reason(path string, err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		err = p.Err
	case errors.As(err, &l):
		err = l.Err
	}
	return fmt.Errorf("%s: cannot write: %w", path, err)
}
