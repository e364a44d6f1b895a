package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every verb that writes a result writes what the ending of its file says, and refuses an ending
// that says nothing.
func TestEndingsOfFiles(t *testing.T) {
	dir := t.TempDir()
	verbs := map[string]string{
		"estimate": "estimate phi4-mini", "compare": "compare phi4-mini phi4-mini-flash", "advise": "advise phi4-mini-flash", "claims": "claims --id gmu-io",
		"models": "models", "model": "models phi4-mini", "hardware": "hardware", "device": "hardware h200", "validate": "validate --only golden",
		"scale": "scale sambay(d=8) --match transformer++(d=8)", "train": "scale train phi4-mini", "mup": "scale mup sambay(d=8)",
		"simulate": "simulate qwen3-0.6b --concurrency 1 --num-prompts 4 --prompt 50 --generate 5 --seeds 1",
		"plan":     "plan qwen3-0.6b --on h200:1 --prompt 50 --generate 5 --rate 1 --tpot 50ms --seeds 1 --num-prompts 20",
		"sweep":    "sweep --model qwen3-0.6b --vary batch=1,2", "plot": "plot tpot qwen3-0.6b", "calibrate": "calibrate check --measured ../../measured --hardware h200",
	}
	for name, line := range verbs {
		for _, ending := range []string{"json", "csv", "nosuch"} {
			file := filepath.Join(dir, name+"."+ending)
			var out, errs bytes.Buffer
			code := run(context.Background(), append(strings.Fields(line), "-o", file), &out, &errs)
			b, err := os.ReadFile(file)
			if ending == "nosuch" {
				if code != 2 || err == nil || strings.Count(errs.String(), "\n") != 1 || !strings.Contains(errs.String(), "nosuch") {
					t.Errorf("%s -o %s: exit %d: %s", line, file, code, errs.String())
				}
				continue
			}
			if code != 0 || err != nil || out.Len() > 0 {
				t.Errorf("%s -o %s: exit %d, stdout %q: %s", line, file, code, out.String(), errs.String())
				continue
			}
			if ending == "json" && !json.Valid(b) {
				t.Errorf("%s -o %s is no JSON: %.80s", line, file, b)
			}
			if r := csv.NewReader(bytes.NewReader(b)); ending == "csv" {
				r.FieldsPerRecord = -1 // several tables may follow each other
				if rows, err := r.ReadAll(); err != nil || len(rows) < 2 || json.Valid(b) {
					t.Errorf("%s -o %s is no CSV: %v %.80s", line, file, err, b)
				}
			}
		}
	}
}
