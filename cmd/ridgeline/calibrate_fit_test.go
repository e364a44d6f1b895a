package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A fit that --calibration would refuse is no file, and exit 1.
func TestUnusableFitIsNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fit.yaml")
	err := writeFitted(path, func(w io.Writer) error {
		_, err := io.WriteString(w, "hardware: h200\ngemm: {nope: 1}\n")
		return err
	})
	var f failure
	if !errors.As(err, &f) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was written")
	}
}
