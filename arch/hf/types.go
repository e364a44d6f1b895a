package hf

import (
	_ "embed"
	"slices"
	"strings"
)

// TypeInfo is a model type whose configurations are read.
type TypeInfo struct {
	Name string `json:"type"`
	// Parts are the mixers and feed-forward networks that models of the type are made of,
	// as model files name their kinds; empty where no public configuration is at hand.
	Parts []string `json:"parts"`
	// Of is the type of the decoder inside, where the type holds one among other models.
	Of string `json:"decoder,omitempty"`
}

// types.txt is written by a test from public configurations: a type and its parts a line.
//
//go:embed types.txt
var typeParts string

// Types lists the model types Import reads and what their decoders are made of, by name.
func Types() []TypeInfo {
	parts := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(typeParts), "\n") {
		name, list, _ := strings.Cut(line, " ")
		parts[name] = strings.Fields(list)
	}
	var out []TypeInfo
	for _, name := range ModelTypes() {
		t := TypeInfo{Name: name, Parts: parts[name]}
		if w, ok := wrappers()[name]; ok {
			t.Of = w.text
			if len(t.Parts) == 0 {
				t.Parts = parts[w.text]
			}
		}
		t.Parts = slices.Clip(t.Parts)
		out = append(out, t)
	}
	return out
}
