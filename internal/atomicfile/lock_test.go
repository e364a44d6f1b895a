package atomicfile

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.csv")
	release, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); err == nil || !strings.Contains(err.Error(), "another ridgeline is writing it") {
		t.Errorf("a second lock: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err == nil {
		if _, err := Lock(link); err == nil {
			t.Error("locked through a link while it is locked")
		}
	}
	release()
	if _, err := os.Stat(path + ".lock"); err == nil {
		t.Error("the lock file is left behind")
	}
	again, err := Lock(path)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	again()
}

// A lock file that a killed process left locks nothing.
func TestLockLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	release()
}

// Another process is kept out too.
func TestLockProcesses(t *testing.T) {
	if path := os.Getenv("LOCK_PATH"); path != "" {
		if _, err := Lock(path); err == nil {
			os.Exit(0)
		}
		os.Exit(7)
	}
	path := filepath.Join(t.TempDir(), "rows.csv")
	try := func() int {
		cmd := exec.Command(os.Args[0], "-test.run", "TestLockProcesses")
		cmd.Env = append(os.Environ(), "LOCK_PATH="+path)
		_ = cmd.Run()
		return cmd.ProcessState.ExitCode()
	}
	release, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if code := try(); code != 7 {
		t.Errorf("another process locked what is locked: exit %d", code)
	}
	release()
	if code := try(); code != 0 {
		t.Errorf("another process cannot lock what is free: exit %d", code)
	}
}

func TestLockErrors(t *testing.T) {
	if _, err := Lock(filepath.Join(t.TempDir(), "no", "file")); err == nil || strings.Contains(err.Error(), ".lock") {
		t.Errorf("a lock in a folder that is missing: %v", err)
	}
}
