package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ridgeline": func() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// The command line, verb by verb. Each script names a verb or a kind of mistake.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Condition: func(cond string) (bool, error) {
			// root writes into any folder.
			return cond == "root" && os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// oneline checks that stderr of the last command is exactly one line.
			"oneline": func(ts *testscript.TestScript, neg bool, _ []string) {
				s := ts.ReadFile("stderr")
				n := 0
				for _, r := range s {
					if r == '\n' {
						n++
					}
				}
				if (n == 1) == neg {
					ts.Fatalf("stderr has %d lines: %q", n, s)
				}
			},
			// nopartial checks that a folder holds no file that was left half-written.
			"nopartial": func(ts *testscript.TestScript, _ bool, args []string) {
				files, err := os.ReadDir(ts.MkAbs(args[0]))
				ts.Check(err)
				for _, f := range files {
					if strings.Contains(f.Name(), ".partial") {
						ts.Fatalf("%s is left behind", f.Name())
					}
				}
			},
			// deep writes a file of n opening brackets.
			"deep": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.Atoi(args[2])
				ts.Check(err)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Repeat(args[1], n)), 0o644))
			},
			// bad runs ridgeline and wants exit code 2, one line on stderr and nothing on stdout.
			"bad": func(ts *testscript.TestScript, _ bool, args []string) {
				var out, errs lines
				code := run(context.Background(), resolve(ts, args), &out, &errs)
				if code != exitBadInput || errs.n != 1 || out.n != 0 {
					ts.Fatalf("%v: exit %d, %d lines on stderr, %d on stdout: %s", args, code, errs.n, out.n, errs.text)
				}
				ts.Logf("%s", errs.text)
			},
		},
	})
}

// resolve turns arguments that are files of the script's folder into full paths.
func resolve(ts *testscript.TestScript, args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if _, err := os.Stat(ts.MkAbs(a)); err == nil {
			out[i] = ts.MkAbs(a)
		}
	}
	return out
}

type lines struct {
	n    int
	text string
}

func (l *lines) Write(b []byte) (int, error) {
	for _, c := range b {
		if c == '\n' {
			l.n++
		}
	}
	l.text += string(b)
	return len(b), nil
}
