package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
)

// docs/claims.md shows what its command prints; -update rewrites it.
func TestClaimsDoc(t *testing.T) {
	t.Chdir("../..")
	b, err := os.ReadFile("docs/claims.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	ms := blocks.FindAllStringSubmatch(doc, -1)
	if len(ms) < 2 {
		t.Fatalf("%d blocks", len(ms))
	}
	args, ok := strings.CutPrefix(strings.TrimSpace(ms[0][2]), "go run ./cmd/ridgeline ")
	if !ok {
		t.Fatalf("a command nobody runs: %s", ms[0][2])
	}
	var out, errs bytes.Buffer
	if code := run(context.Background(), words(args), &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	if ms[1][2] == out.String() {
		return
	}
	if !*update {
		t.Fatalf("docs/claims.md shows\n%s\nbut the command prints\n%s", ms[1][2], out.String())
	}
	doc = strings.Replace(doc, ms[1][0], "```text\n"+out.String()+"```", 1)
	if err := os.WriteFile("docs/claims.md", []byte(doc), 0o644); err != nil {
		t.Fatal(err)
	}
}
