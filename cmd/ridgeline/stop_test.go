//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A signal cancels the context, and the next one is the system's again.
func TestSecondSignalEnds(t *testing.T) {
	if os.Getenv("STOP_CHILD") != "" {
		ctx, stop := interruptible(context.Background())
		defer stop()
		os.Stdout.WriteString("ready\n")
		<-ctx.Done()
		os.Stdout.WriteString("caught\n")
		time.Sleep(20 * time.Second) // work that does not look at its context
		os.Exit(0)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(sig) { // as under nohup or in a script's background: then it is for children too
			continue
		}
		cmd := exec.Command(os.Args[0], "-test.run", "TestSecondSignalEnds")
		cmd.Env = append(os.Environ(), "STOP_CHILD=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		wait := func(word string) {
			b := make([]byte, 64)
			for seen := ""; !strings.Contains(seen, word); {
				n, err := out.Read(b)
				if seen += string(b[:n]); err != nil {
					t.Fatalf("%v: %q before %s", sig, seen, word)
				}
			}
		}
		wait("ready")
		start := time.Now()
		_ = cmd.Process.Signal(sig)
		wait("caught")
		for range 100 { // stop runs beside the work
			time.Sleep(20 * time.Millisecond)
			if cmd.Process.Signal(sig) != nil {
				break
			}
		}
		_ = cmd.Wait()
		if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !s.Signaled() || s.Signal() != sig {
			t.Errorf("%v twice: %v after %v", sig, cmd.ProcessState, time.Since(start))
		}
	}
}

// What was stopped never exits 0 and leaves no file, whatever the verb was doing.
func TestStoppedIsNotDone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	for _, args := range [][]string{
		{"models"}, {"hardware"}, {"hardware", "measure"}, {"estimate", "phi4-mini"}, {"compare", "phi4-mini", "phi4-mini-flash"},
		{"scale", "sambay(d=8)", "--match", "transformer++(d=8)", "--by", "throughput"}, {"scale", "mup", "sambay(d=8)"},
		{"scale", "train", "phi4-mini"}, {"advise", "phi4-mini"}, {"claims"}, {"validate", "--only", "golden"},
		{"plot", "throughput", "phi4-mini"}, {"report", "phi4-mini"},
		{"sweep", "--model", "sambay(d=8)", "--iso-params", "1B", "--vary", "batch=1,2"},
	} {
		file := filepath.Join(dir, "out."+map[string]string{"plot": "svg", "report": "html", "sweep": "csv"}[args[0]])
		if strings.HasSuffix(file, ".") {
			file += "json"
		}
		var out, errs lines
		code := run(ctx, append(args, "-o", file), &out, &errs)
		if code != exitStopped || errs.n != 1 {
			t.Errorf("%v: exit %d, %q", args, code, errs.text)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%v: stopped, and wrote a file", args)
		}
		out, errs = lines{}, lines{}
		if args[0] != "plot" && args[0] != "report" {
			if code := run(ctx, args, &out, &errs); code != exitStopped {
				t.Errorf("%v to standard output: exit %d, %q", args, code, errs.text)
			}
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// Standard output that cannot be written is exit 1 and one line, for every verb and for
// help; so is a file, and neither is bad input.
func TestFailedWrites(t *testing.T) {
	for _, args := range [][]string{
		{"--help"}, {"--version"}, {"help", "estimate"}, {"estimate", "--help"}, {"calibrate"}, {"models"}, {"models", "phi4-mini", "--format", "yaml"}, {"hardware"},
		{"estimate", "phi4-mini"}, {"estimate", "phi4-mini", "--format", "csv"}, {"compare", "phi4-mini", "--format", "json"}, {"claims", "--format", "markdown"},
		{"advise", "phi4-mini"}, {"scale", "mup", "sambay(d=8)", "--format", "yaml"}, {"completion", "bash"}, {"completion"},
		{"report", "phi4-mini", "--format", "markdown"}, {"validate", "--only", "golden"}, {"sweep", "--model", "phi4-mini"},
		{"sweep", "--model", "phi4-mini", "--vary", "batch=1,2", "--pareto", "tpot_seconds"},
		{"sweep", "--model", "phi4-mini", "--vary", "batch=1,2", "--pareto", "tpot_seconds", "--format", "csv"},
	} {
		var errs lines
		if code := run(t.Context(), args, full{}, &errs); code != exitFailed || errs.n != 1 || !strings.Contains(errs.text, "standard output: cannot write: no space left") {
			t.Errorf("%v: exit %d, %q", args, code, errs.text)
		}
	}
	if _, err := os.Stat("/dev/full"); errors.Is(err, os.ErrNotExist) {
		t.Skip("no /dev/full here")
	}
	for _, args := range [][]string{
		{"estimate", "phi4-mini"}, {"models", "phi4-mini"}, {"claims"}, {"report", "phi4-mini", "--format", "html"},
	} {
		var out, errs lines
		if code := run(t.Context(), append(args, "-o", "/dev/full"), &out, &errs); code != exitFailed || errs.n != 1 || !strings.Contains(errs.text, "/dev/full: cannot write: no space left") {
			t.Errorf("%v: exit %d, %q", args, code, errs.text)
		}
	}
}
