// Package atomicfile writes a file whole or not at all: into a temporary file beside it,
// which then takes its name. A reader never sees half of it, and a failure leaves what
// was there before.
//
// The same rules hold for every file written: symbolic links are followed, so that the
// file they lead to is replaced and the link stays; a folder that is missing is an error,
// for a misspelt path would leave folders behind; the mode of a file that is replaced is
// kept. Two processes that must not write one file at once take a Lock.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// File is a file being written. It appears under its name with Commit.
type File struct {
	f       *os.File
	path    string // "" where the target is written in place (a device or pipe)
	printed string // what errors call it
	done    bool
}

// WriteError is a file that could be opened but not written: a full disk, a device that
// gave up. It is no fault of the name that was given.
type WriteError struct {
	Path string // the file as people know it
	Err  error
}

func (e *WriteError) Error() string { return e.Path + ": cannot write: " + e.Err.Error() }
func (e *WriteError) Unwrap() error { return e.Err }

// Write writes to the temporary file; errors name the file it is to become.
func (f *File) Write(b []byte) (int, error) {
	n, err := f.f.Write(b)
	if err != nil {
		err = &WriteError{f.printed, bare(err)}
	}
	return n, err
}

// Resolve follows the symbolic links of a path, to a target that need not exist yet. Links in a
// circle are returned as they are: no file can be opened there.
func Resolve(path string) string {
	const most = 40 // as many as Linux follows
	at := path
	for range most {
		if target, err := filepath.EvalSymlinks(at); err == nil {
			return target
		}
		link, err := os.Readlink(at)
		if err != nil {
			return at
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(at), link)
		}
		at = link
	}
	return path
}

// Create opens a temporary file beside path, following symbolic links. A target that
// exists and is no regular file (/dev/stdout) is opened itself; a directory is an error.
func Create(path string) (*File, error) {
	if path == "" {
		return nil, errors.New("the name of the file to write is empty")
	}
	printed := path
	path = Resolve(path)
	mode := fs.FileMode(0o666)
	switch st, err := os.Stat(path); {
	case err == nil && st.IsDir():
		return nil, fmt.Errorf("%s: is a directory; name a file in it", path)
	case err == nil && !st.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, reason(path, err)
		}
		return &File{f: f, printed: printed}, nil
	case err == nil:
		mode = st.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist): // links in a circle
		return nil, reason(printed, err)
	}
	f, err := temporary(path, mode)
	if err != nil {
		return nil, reason(path, err)
	}
	return &File{f: f, path: path, printed: printed}, nil
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
		if err := f.f.Close(); err != nil {
			return &WriteError{f.printed, bare(err)}
		}
		return nil
	}
	err := f.f.Sync()
	if e := f.f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.f.Name(), f.path)
	}
	if err != nil {
		_ = os.Remove(f.f.Name())
		return &WriteError{f.printed, bare(err)}
	}
	return nil
}

// Discard drops what was written. After Commit it does nothing, so it can be deferred.
func (f *File) Discard() {
	if f.done {
		return
	}
	f.done = true
	_ = f.f.Close()
	if f.path != "" {
		_ = os.Remove(f.f.Name())
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

// reason says why a file cannot be opened for writing, without the temporary file's name.
func reason(path string, err error) error {
	err = bare(err)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EIO):
		return &WriteError{path, err}
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: its folder does not exist: make it first, or name another: %w", path, err)
	}
	return fmt.Errorf("%s: cannot write: %w", path, err)
}

// bare is what the operating system said, without the file it said it of.
func bare(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}
