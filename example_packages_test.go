package ridgeline_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every package that others can import shows how it is used.
func TestEveryPackageHasAnExample(t *testing.T) {
	has := map[string]bool{} // by folder, those that hold a package
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			name := d.Name()
			nested := false
			if path != "." {
				_, err := os.Stat(filepath.Join(path, "go.mod"))
				nested = err == nil
			}
			if nested || path != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) ||
				name == "internal" || name == "testdata" || name == "cmd" || name == "tools" || name == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir, src := filepath.Dir(path), string(b)
		if strings.HasSuffix(path, "_test.go") {
			if strings.Contains(src, "\nfunc Example") {
				has[dir] = true
			}
		} else if !strings.Contains(src, "\npackage main\n") && !strings.HasPrefix(src, "package main\n") {
			if !has[dir] {
				has[dir] = false // a package, whether or not its example was seen yet
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, ok := range has {
		if !ok {
			t.Errorf("%s has no Example", dir)
		}
	}
}
