package models

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// People name models as Hugging Face does; a folder of that name is their own copy.
func TestRepositoryNames(t *testing.T) {
	known := map[string]bool{}
	for _, p := range Presets() {
		known[p.Name] = true
	}
	for name, all := range repositories {
		if !known[name] {
			t.Errorf("%s is no preset", name)
		}
		for _, r := range all {
			_, short, _ := strings.Cut(r, "/")
			for _, what := range []string{r, strings.ToLower(r), short} {
				m, err := Open(what)
				if err != nil || m.Name != name {
					t.Errorf("%s: %v, %v, want %s", what, m, err, name)
				}
			}
		}
	}
	for what, want := range map[string]string{"sambay-1b": "sambay", "SAMBAY-1B": "sambay"} {
		if f, _, err := OpenFamily(what); err != nil || f != want {
			t.Errorf("%s: %s %v", what, f, err)
		}
	}
	if _, _, err := OpenFamily("Qwen/Qwen3-32B"); err == nil || !strings.Contains(err.Error(), "qwen3-32b is not a family spec") {
		t.Errorf("a checkpoint as a family: %v", err)
	}
	var unknown *UnknownError
	if _, err := Open("meta-llama/Llama-3.1-80B"); !errors.As(err, &unknown) || !slices.Contains(unknown.Near, "meta-llama/Llama-3.1-8B") {
		t.Errorf("a model nobody made: %v", err)
	}

	t.Chdir(t.TempDir())
	config, err := presetFiles.ReadFile("presets/qwen3-0.6b.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join("Qwen", "Qwen3-32B"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("Qwen", "Qwen3-32B", "config.json"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Open("Qwen/Qwen3-32B")
	if err != nil || m.Name != "Qwen3-32B" || m.Width != 1024 {
		t.Errorf("the folder's own configuration: %+v, %v", m, err)
	}
}
