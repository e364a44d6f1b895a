package models

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/arch/ggufmodel"
	"github.com/OWNER/ridgeline/arch/hf"
	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/gguf"
	"github.com/OWNER/ridgeline/internal/input"
	"github.com/OWNER/ridgeline/internal/plain"
	"github.com/OWNER/ridgeline/internal/spell"
	"github.com/OWNER/ridgeline/quant"
)

// maxModelFile is the size past which a file is no model description.
const maxModelFile = 16 << 20

// Open finds a model by what a user writes: the name of a preset or of its checkpoint on
// Hugging Face (meta-llama/Llama-3.1-70B, with or without the organisation, in either
// case), a family spec such as sambay(d=16), or a file: a YAML model file (.yaml, .yml), a
// Hugging Face config (.json) or a directory with a config.json in it, or a GGUF file.
func Open(what string) (*arch.Model, error) {
	if p, ok := find(what); ok {
		return Preset(p.Name)
	}
	if _, err := os.Stat(what); err == nil {
		return openFile(what)
	}
	name, _, found := strings.Cut(what, "(")
	if family.Known(name) || found && !looksLikeFile(what) {
		return family.ParseSpec(what)
	}
	if looksLikeFile(what) && !looksLikeRepository(what) {
		return openFile(what)
	}
	return nil, unknownModel(what)
}

// looksLikeRepository reports whether a name is written as Hugging Face writes those of
// checkpoints: an organisation and a name.
func looksLikeRepository(s string) bool {
	org, name, found := strings.Cut(s, "/")
	switch strings.ToLower(filepath.Ext(s)) {
	case ".yaml", ".yml", ".json", ".gguf":
		return false
	}
	return found && org != "" && name != "" && !strings.ContainsAny(name, `/\`) && !strings.HasPrefix(s, ".") && !strings.HasPrefix(s, "~")
}

func looksLikeFile(s string) bool {
	switch strings.ToLower(filepath.Ext(s)) {
	case ".yaml", ".yml", ".json", ".gguf":
		return true
	}
	return strings.ContainsAny(s, `/\`)
}

func openFile(path string) (*arch.Model, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		path = filepath.Join(path, "config.json")
	}
	if strings.EqualFold(filepath.Ext(path), ".gguf") {
		return openGGUF(path)
	}
	data, err := input.Read(path, maxModelFile)
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		return modelfile.Parse(path, data)
	case ".json":
		beside, err := quantisedBeside(path)
		if err != nil {
			return nil, err
		}
		m, err := hf.ImportBeside(modelfile.Name(path), data, beside)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return m, nil
	}
	return nil, fmt.Errorf("%s: neither a .yaml model file, a .json config nor a .gguf file", path)
}

// openGGUF reads the header of a GGUF file, whose tensors may take any size.
func openGGUF(path string) (*arch.Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := ggufmodel.Import(modelfile.Name(path), f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// UnknownError says that a name is no preset's, no checkpoint's and no family's.
type UnknownError struct {
	Name string
	Near []string // names that are spelled much like it, nearest first
}

func (e *UnknownError) Error() string {
	hint := ""
	if len(e.Near) > 0 {
		hint = ": did you mean " + strings.Join(e.Near, ", ") + "?"
	}
	return fmt.Sprintf("unknown model %q%s (a model file ends in .yaml, .json or .gguf; a folder has a config.json)", plain.Clip(e.Name), hint)
}

// quantisedBeside reads the hf_quant_config.json that ModelOpt writes beside a
// config.json, nil where there is none.
func quantisedBeside(path string) (*quant.Rules, error) {
	if filepath.Base(path) != "config.json" {
		return nil, nil
	}
	beside := filepath.Join(filepath.Dir(path), "hf_quant_config.json")
	if _, err := os.Stat(beside); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	data, err := input.Read(beside, maxModelFile)
	if err != nil {
		return nil, err
	}
	fields, err := hf.ParseJSON(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", beside, err)
	}
	return quant.ReadModelOpt(beside, fields)
}

// unknownModel lists the names nearest to what was asked for.
func unknownModel(what string) error {
	type near struct {
		name     string
		distance int
	}
	var all []near
	add := func(name string) {
		a, b := strings.ToLower(what), strings.ToLower(name)
		d := spell.Distance(a, b)
		if len(a) > 2 && strings.Contains(b, a) {
			d = 1
		}
		if d <= max(2, len(a)/3) {
			all = append(all, near{name, d})
		}
	}
	if len(what) <= 64 {
		for _, p := range presets() {
			add(p.Name)
			for _, r := range repositories[p.Name] {
				add(r)
			}
		}
		for _, f := range family.Families() {
			if d := spell.Distance(strings.ToLower(what), f.Name); d <= 2 {
				all = append(all, near{f.Name + "(d=16)", d})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b near) int { return a.distance - b.distance })
	var names []string
	for _, n := range all {
		if !slices.Contains(names, n.name) && len(names) < 5 {
			names = append(names, n.name)
		}
	}
	return &UnknownError{what, names}
}
