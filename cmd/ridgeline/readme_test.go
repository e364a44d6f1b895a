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

var update = flag.Bool("update", false, "rewrite the outputs shown in README.md")

var blocks = regexp.MustCompile("(?s)```(sh|text|yaml)\n(.*?)```")

// Every command of README.md runs, and outputs it shows are what they print.
func TestReadme(t *testing.T) {
	t.Chdir("../..")
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme, last, ran := string(b), "", 0
	for _, m := range blocks.FindAllStringSubmatch(readme, -1) {
		switch m[1] {
		case "text":
			if last != m[2] && *update {
				readme = strings.Replace(readme, m[2], last, 1)
			} else if last != m[2] {
				t.Errorf("README shows\n%s\nbut the command prints\n%s", m[2], last)
			}
			continue
		case "yaml":
			file, err := os.ReadFile("docs/examples/my-hybrid.yaml")
			if err != nil || string(file) != m[2] {
				t.Errorf("the model file in README is not docs/examples/my-hybrid.yaml (%v)", err)
			}
			continue
		}
		for _, line := range strings.Split(strings.TrimSpace(m[2]), "\n") {
			args, ok := strings.CutPrefix(line, "go run ./cmd/ridgeline ")
			if !ok {
				if line != "go test ./..." {
					t.Errorf("README has a command nobody runs: %s", line)
				}
				continue
			}
			ran++
			command := words(args)
			for i := range command[:len(command)-1] {
				if command[i] == "-o" || command[i] == "--plot-out" { // leave the checkout as it is
					command[i+1] = filepath.Join(t.TempDir(), command[i+1])
				}
			}
			var out, errs bytes.Buffer
			if command[0] == "explore" { // serves until it is stopped: once it has an address
				ctx, stop := context.WithCancel(context.Background())
				run(ctx, append(command, "--no-open"), stopping{&out, stop}, &errs)
				if stop(); !strings.HasPrefix(out.String(), "http://127.0.0.1:") {
					t.Errorf("%s\nserves no page: %s", line, errs.String())
				}
				continue
			}
			if code := run(context.Background(), command, &out, &errs); code != 0 {
				t.Errorf("%s\nexit %d: %s", line, code, errs.String())
			}
			last = out.String()
			for _, l := range strings.Split(last, "\n") {
				if n := len([]rune(l)); n > 100 {
					t.Errorf("%s\nprints a line of %d columns: %s", line, n, l)
				}
			}
		}
	}
	if readme != string(b) {
		if err := os.WriteFile("README.md", []byte(readme), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if ran < 8 {
		t.Errorf("only %d commands found", ran)
	}
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
