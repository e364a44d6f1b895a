package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the outputs shown in README.md and docs")

var blocks = regexp.MustCompile("(?s)```(sh|text|yaml)\n(.*?)```")

// documents are those whose commands are executed: README.md, and the guides it leads to.
var documents = []string{"README.md", "docs/guide.md", "docs/models.md", "docs/planning.md", "docs/speculation.md", "docs/extending.md"}

// slow are the commands that measure or simulate much: go test -short leaves them out.
var slow = regexp.MustCompile(`^(claims$|validate|hardware measure|sweep .*--simulate)`)

// Every command of the documents runs, and outputs they show are what it prints.
func TestReadme(t *testing.T) {
	t.Chdir("../..")
	for _, name := range documents {
		t.Run(filepath.Base(name), func(t *testing.T) { runDocument(t, name) })
	}
}

// ranBefore holds the output of every command of the documents: many stand in two of them.
var ranBefore = map[string]string{}

func runDocument(t *testing.T, name string) {
	wrote := map[string]string{}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	document, last, found := string(b), "", 0
	skipped := false // the last command was left out of a short run: so is what it prints
	for _, m := range blocks.FindAllStringSubmatch(document, -1) {
		switch m[1] {
		case "text":
			if skipped {
				continue
			}
			if last != m[2] && *update {
				document = strings.Replace(document, m[2], last, 1)
			} else if last != m[2] {
				t.Errorf("%s shows\n%s\nbut the command prints\n%s", name, m[2], last)
			}
			continue
		case "yaml":
			file, err := os.ReadFile("docs/examples/my-hybrid.yaml")
			if err != nil || string(file) != m[2] {
				t.Errorf("the model file in %s is not docs/examples/my-hybrid.yaml (%v)", name, err)
			}
			continue
		}
		for _, line := range strings.Split(strings.TrimSpace(m[2]), "\n") {
			args, ok := strings.CutPrefix(line, "go run ./cmd/ridgeline ")
			if !ok {
				if line != "go test ./..." {
					t.Errorf("%s has a command nobody runs: %s", name, line)
				}
				continue
			}
			found++
			if skipped = testing.Short() && slow.MatchString(args); skipped {
				continue
			}
			out, ran := ranBefore[args]
			if !ran {
				out = runLine(t, args, wrote)
				ranBefore[args] = out
			}
			last = out
		}
	}
	if document != string(b) {
		if err := os.WriteFile(name, []byte(document), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if found == 0 || name == "README.md" && found < 8 {
		t.Errorf("only %d commands found", found)
	}
}

// README.md is for a first hour: what does not fit in it has its place in docs.
func TestReadmeIsShort(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(b), "\n"); n >= 150 {
		t.Errorf("README.md has %d lines; it should stay below 150", n)
	}
}

// runLine executes one command line and returns what it prints. Files it writes go to a
// folder of the test's, where later commands of the document find them.
func runLine(t *testing.T, args string, wrote map[string]string) string {
	command := words(args)
	for i, word := range command {
		if i > 0 && (command[i-1] == "-o" || command[i-1] == "--plot-out") { // leave the checkout as it is
			wrote[word] = filepath.Join(t.TempDir(), word)
		}
		if file, ok := wrote[word]; ok {
			command[i] = file
		}
	}
	var out, errs bytes.Buffer
	if command[0] == "explore" { // serves until it is stopped: once it has an address
		ctx, stop := context.WithCancel(context.Background())
		run(ctx, append(command, "--no-open"), stopping{&out, stop}, &errs)
		if stop(); !strings.HasPrefix(out.String(), "http://127.0.0.1:") {
			t.Errorf("%s\nserves no page: %s", args, errs.String())
		}
		return ""
	}
	if code := run(context.Background(), command, &out, &errs); code != 0 {
		t.Errorf("%s\nexit %d: %s", args, code, errs.String())
	}
	for _, l := range strings.Split(out.String(), "\n") {
		if n := len([]rune(l)); n > 100 {
			t.Errorf("%s\nprints a line of %d columns: %s", args, n, l)
		}
	}
	return out.String()
}

// stopping ends what it is the output of at the first word.
type stopping struct {
	*bytes.Buffer
	stop func()
}

func (s stopping) Write(b []byte) (int, error) {
	defer s.stop()
	return s.Buffer.Write(b)
}

// words splits a command line as a shell does for single quotes.
func words(s string) []string {
	var out []string
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}
