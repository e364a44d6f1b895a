package input

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Whatever a path leads to, reading it ends: at once, with one line that names it.
func TestReadEnds(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, make([]byte, 1001), 0o600); err != nil {
		t.Fatal(err)
	}
	just := filepath.Join(dir, "just")
	if err := os.WriteFile(just, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	cases := []struct{ path, want string }{
		{dir, "is a folder"}, {filepath.Join(dir, "none"), "no such file"}, {big, "larger than 1000 bytes"}, {"", "empty"},
	}
	if _, err := os.Stat("/dev/zero"); err == nil {
		cases = append(cases, struct{ path, want string }{"/dev/zero", "is a device"})
	}
	if makePipe(pipe) {
		cases = append(cases, struct{ path, want string }{pipe, "is a pipe"})
	}
	for _, c := range cases {
		done := make(chan error, 1)
		go func() {
			_, err := Read(c.path, 1000)
			done <- err
		}()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %v, want %s", c.path, err, c.want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: reading it does not end", c.path)
		}
	}
	if _, err := OpenAtMost(big, 1000); err == nil || !strings.Contains(err.Error(), "larger than 1000 bytes") {
		t.Errorf("a file that is too large: %v", err)
	}
	if f, err := OpenAtMost(just, 1000); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	if b, err := Read(just, 1000); err != nil || len(b) != 1000 {
		t.Errorf("a file of the largest size: %d bytes, %v", len(b), err)
	}
	if entries, err := ReadDir(dir); err != nil || len(entries) < 2 || entries[0].Name() != "big" {
		t.Errorf("a folder lists %v, %v", entries, err)
	}
	for path, want := range map[string]string{filepath.Join(dir, "none"): "no such folder", just: "is not a folder", "": "empty"} {
		if _, err := ReadDir(path); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("listing %q: %v, want %s", path, err, want)
		}
	}
	if _, err := Read(filepath.Join(dir, "none"), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not say that there is none", err)
	}
}

func TestCheckYAML(t *testing.T) {
	deep := func(n int) string { // nested by indentation
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return b.String()
	}
	for _, bad := range []struct{ text, want string }{
		{strings.Repeat("[", 65), "f.yaml:1: nested"},
		{"a: 1\nb: " + strings.Repeat("{a: ", 65), "f.yaml:2: nested"},
		{strings.Repeat("- ", 65), "f.yaml:1: nested"},
		{strings.Repeat("? ", 65), "f.yaml:1: nested"},
		{deep(65), "f.yaml:65: nested"},
		{strings.Repeat(" ", MaxYAML) + "a", "larger than 1 MiB"},
	} {
		if err := CheckYAML("f.yaml", []byte(bad.text)); err == nil || !strings.HasPrefix(err.Error(), strings.SplitN(bad.want, " ", 2)[0]) && !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%.20q…: %v, want %s", bad.text, err, bad.want)
		}
	}
	for _, good := range []string{
		"", "a: 1", strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("- ", 63) + "x", deep(64),
		strings.Repeat("a: [1, 2, {b: 3}]\n", 10000), strings.Repeat("- a\n", 10000), "{" + strings.Repeat("a: 1, ", 900) + "}",
		strings.Repeat("# a comment\n   # another\n", 1000) + "a: -1 - 2 - 3",
	} {
		if err := CheckYAML("f.yaml", []byte(good)); err != nil {
			t.Errorf("%.20q…: %v", good, err)
		}
	}
}
