// Package input reads the files people name. A path may lead anywhere: to a device that
// never ends, a pipe nobody writes to, a folder, a file of gigabytes. Every reader of this
// package takes regular files alone and stops at a limit, and each error is one line that
// names the file and what to do.
package input

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Open opens a regular file for reading. Devices, pipes, sockets and folders are errors,
// found before they are opened: opening a pipe waits for someone to write to it.
func Open(path string) (*os.File, error) {
	if path == "" {
		return nil, errors.New("the name of the file to read is empty")
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, Reason(path, err)
	}
	if err := Regular(path, st.Mode()); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, Reason(path, err)
	}
	return f, nil
}

// OpenAtMost opens a regular file of at most most bytes, for readers that keep what they
// read.
func OpenAtMost(path string, most int64) (*os.File, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.Size() > most {
		err = tooLarge(path, most)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ReadDir lists a folder in the order of names.
func ReadDir(path string) ([]fs.DirEntry, error) {
	if path == "" {
		return nil, errors.New("the name of the folder to read is empty")
	}
	switch st, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &because{path + ": no such folder", err}
	case err != nil:
		return nil, Reason(path, err)
	case !st.IsDir():
		return nil, fmt.Errorf("%s: is not a folder: name the one that holds the files", path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, Reason(path, err)
	}
	return entries, nil
}

// Regular is nil for the mode of a regular file, else an error that says what it is.
func Regular(path string, mode fs.FileMode) error {
	what := ""
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return fmt.Errorf("%s: is a folder: name a file in it", path)
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	default:
		what = "no regular file"
	}
	return fmt.Errorf("%s: is %s: save what it holds to a file and name that", path, what)
}

// Read reads a regular file of at most most bytes.
func Read(path string, most int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, Reason(path, err)
	}
	if int64(len(b)) > most {
		return nil, tooLarge(path, most)
	}
	return b, nil
}

func tooLarge(name string, most int64) error {
	return fmt.Errorf("%s: larger than %s: not a file of this kind", name, size(most))
}

// Reason words an error of the operating system: the file first, then what is wrong.
func Reason(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &because{path + ": no such file", err}
	case errors.Is(err, fs.ErrPermission):
		return &because{path + ": no permission to read it", err}
	}
	return fmt.Errorf("%s: cannot read: %w", path, err)
}

// because is an error in words of its own that keeps its cause.
type because struct {
	text  string
	cause error
}

func (b *because) Error() string { return b.text }
func (b *because) Unwrap() error { return b.cause }

// size is a limit in words: 1 MiB, 64 KiB, 10 bytes.
func size(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
