// Pack writes the fitted documents of the directory it runs in, profiles/*.yaml and
// engines.yaml, as the files under packed that are embedded.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

func main() {
	if err := pack(); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack() error {
	names, err := filepath.Glob("profiles/*.yaml") // in name order
	if err != nil {
		return err
	}
	var ps []*kerneltime.Profile
	for _, name := range names {
		p, err := kerneltime.ReadProfile(name)
		if err != nil {
			return err
		}
		ps = append(ps, p)
	}
	files, err := kerneltime.Pack(ps)
	if err != nil {
		return err
	}
	b, err := os.ReadFile("engines.yaml")
	if err != nil {
		return err
	}
	es, err := kerneltime.ParseEngines("engines.yaml", b)
	if err != nil {
		return err
	}
	if b, err = json.MarshalIndent(es, "", "\t"); err != nil {
		return err
	}
	files[kerneltime.PackedEngines] = append(b, '\n')
	if err := os.RemoveAll("packed"); err != nil {
		return err
	}
	for name, b := range files {
		name = filepath.Join("packed", name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
