package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra/doc"
)

// Man pages are made where RIDGELINE_MAN names a folder; without one they are made and
// thrown away.
func TestManPages(t *testing.T) {
	dir := os.Getenv("RIDGELINE_MAN")
	if dir == "" {
		dir = t.TempDir()
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	date := time.Unix(0, 0).UTC() // so that the same source gives the same pages
	root := rootCommand(&bytes.Buffer{})
	root.DisableAutoGenTag = true
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "ridgeline", Date: &date}, dir); err != nil {
		t.Fatal(err)
	}
	for _, c := range root.Commands() {
		if !c.IsAvailableCommand() || c.Name() == "help" {
			continue
		}
		b, err := os.ReadFile(dir + "/ridgeline-" + c.Name() + ".1")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), c.Short) && !strings.Contains(string(b), "SYNOPSIS") {
			t.Errorf("the page of %s says nothing", c.Name())
		}
	}
}
