package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A sweep killed with SIGKILL at random moments and resumed writes what an uninterrupted
// one does.
func TestKilledSweepResumes(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for a few seconds")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "ridgeline")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	args := func(file string) []string {
		return []string{"sweep", "--model", "sambay(d=16)", "--vary", "gmu_ratio=0:1:0.05", "--vary", "window=128,256,512",
			"--vary", "prompt=1k:10k:1k", "--vary", "generate=1k:10k:1k", "--vary", "batch=1,2,4,8", "-o", file}
	}
	whole := filepath.Join(dir, "whole.csv")
	if out, err := exec.Command(bin, args(whole)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for try := range 4 {
		file := filepath.Join(dir, "killed.csv")
		kills := 0
		for {
			cmd := exec.Command(bin, append(args(file), "--resume")...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if kills < 4 {
				time.Sleep(time.Duration(rng.IntN(250)) * time.Millisecond)
				_ = cmd.Process.Kill()
				kills++
			}
			err := cmd.Wait()
			if _, serr := os.Stat(file); serr == nil && err == nil {
				break
			} else if serr == nil { // killed between the rename and the exit
				break
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("try %d: %d bytes after %d kills, uninterrupted %d", try, len(got), kills, len(want))
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		os.Remove(file + ".partial.grid") // a kill right after the rename may leave it
	}
}

// A full disk is one line, and no file pretends to be whole.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	dir := t.TempDir()
	if err := os.Symlink("/dev/full", filepath.Join(dir, "a.csv.partial")); err != nil {
		t.Skip(err)
	}
	var out, errs lines
	code := run(t.Context(), []string{"sweep", "--model", "sambay(d=8)", "--vary", "batch=1:2000:1", "-o", filepath.Join(dir, "a.csv")}, &out, &errs)
	if code == 0 || errs.n != 1 || out.n != 0 {
		t.Fatalf("exit %d: %s", code, errs.text)
	}
	if _, err := os.Stat(filepath.Join(dir, "a.csv")); err == nil {
		t.Fatal("a file is there")
	}
}
