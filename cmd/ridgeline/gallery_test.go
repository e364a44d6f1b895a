package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const gallery = "../../reports/gallery"

// Every file of the gallery is what the command in its README writes, byte for byte, and
// there is no other.
func TestGallery(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(gallery, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{"README.md": true}
	for _, line := range strings.Split(string(readme), "\n") {
		command, ok := strings.CutPrefix(line, "    ridgeline ")
		if !ok {
			continue
		}
		args := words(command)
		name := args[len(args)-1]
		made[name] = true
		out := filepath.Join(t.TempDir(), name)
		if *update {
			out = filepath.Join(gallery, name)
		}
		args[len(args)-1] = out
		var errs bytes.Buffer
		if code := run(context.Background(), args, &errs, &errs); code != 0 {
			t.Fatalf("%s: exit %d: %s", command, code, errs.String())
		}
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(gallery, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what `ridgeline %s` writes: make it anew with go test ./cmd/ridgeline -run TestGallery -update", name, command)
		}
	}
	entries, err := os.ReadDir(gallery)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !made[e.Name()] {
			t.Errorf("%s is made by no command of the gallery's README", e.Name())
		}
	}
	if len(made) < 10 {
		t.Errorf("only %d files are made", len(made))
	}
}
