package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(path, text string) error {
	return Write(path, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range es {
		out = append(out, e.Name())
	}
	return out
}

func TestWriteReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.json")
	if err := os.WriteFile(path, []byte("old, and longer"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := write(path, "new"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "new" {
		t.Errorf("content %q", got)
	}
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, want the old file's", st.Mode())
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
}

func TestDiscardLeavesOld(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	if err := write(path, "old"); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "half"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "old" {
		t.Errorf("before Commit the file holds %q", got)
	}
	f.Discard()
	if got := read(t, path); got != "old" {
		t.Errorf("after Discard the file holds %q", got)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
}

func TestFailedWriteLeavesOld(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	if err := write(path, "old"); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err := Write(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return boom
	})
	if !errors.Is(err, boom) || read(t, path) != "old" || len(names(t, dir)) != 1 {
		t.Errorf("%v; file holds %q; folder %v", err, read(t, path), names(t, dir))
	}
}

// A device is written to, not replaced by a file.
func TestDevice(t *testing.T) {
	before, err := os.Stat(os.DevNull)
	if err != nil {
		t.Skip(err)
	}
	if err := write(os.DevNull, "x"); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(os.DevNull)
	if err != nil || before.Mode() != after.Mode() {
		t.Errorf("%s was %v, is %v (%v)", os.DevNull, before.Mode(), after.Mode(), err)
	}
}

func TestSymlinkKept(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Skip(err)
	}
	if err := write(link, "x"); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Lstat(link); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v %v", st.Mode(), err)
	}
	if got := read(t, target); got != "x" {
		t.Errorf("target holds %q", got)
	}
}

// A link to a file that is not there yet makes that file; links in a circle are refused.
func TestLinksWithoutTarget(t *testing.T) {
	dir := t.TempDir()
	link := func(target, name string) string {
		name = filepath.Join(dir, name)
		if err := os.Symlink(target, name); err != nil {
			t.Skip(err)
		}
		return name
	}
	for _, target := range []string{"made", filepath.Join(dir, "made too"), "between"} {
		if target == "between" {
			link("made last", "between")
		}
		name := link(target, "to "+filepath.Base(target))
		if err := write(name, "x"); err != nil {
			t.Errorf("%s: %v", target, err)
		}
		if st, err := os.Lstat(name); err != nil || st.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the link to %s was replaced: %v", target, err)
		}
		if got := read(t, name); got != "x" {
			t.Errorf("%s holds %q", target, got)
		}
	}
	if got := read(t, filepath.Join(dir, "made last")); got != "x" {
		t.Errorf("behind two links: %q", got)
	}
	circle := link("b", "a")
	link("a", "b")
	if err := write(circle, "x"); err == nil || !strings.Contains(err.Error(), "too many levels of symbolic links") {
		t.Errorf("links in a circle: %v", err)
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"", dir, filepath.Join(dir, "no", "such", "file")} {
		err := write(path, "")
		if err == nil {
			t.Fatalf("Write(%q) succeeded", path)
		}
		if m := err.Error(); !strings.Contains(m, path) || strings.Contains(m, "partial") {
			t.Errorf("Write(%q): %v", path, err)
		}
	}
}

// A device that cannot take the bytes is a failed write, a folder that is missing is not.
func TestWriteError(t *testing.T) {
	var failed *WriteError
	if _, err := os.Stat("/dev/full"); err == nil {
		err := write("/dev/full", "x")
		if !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), "/dev/full: cannot write: ") {
			t.Errorf("a full device: %v", err)
		}
	}
	err := write(filepath.Join(t.TempDir(), "no", "file"), "x")
	if err == nil || errors.As(err, &failed) || !strings.Contains(err.Error(), "folder does not exist") {
		t.Errorf("a missing folder: %v", err)
	}
}
