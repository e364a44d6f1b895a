package hf

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

var update = flag.Bool("update", false, "write types.txt anew")

// types.txt says of every type what the public configurations of it are made of.
func TestTypeParts(t *testing.T) {
	parts := map[string]map[string]bool{}
	add := func(typ string, m *arch.Model) {
		if parts[typ] == nil {
			parts[typ] = map[string]bool{}
		}
		for _, p := range m.Mixers() {
			parts[typ][p.Kind()] = true
		}
		for _, l := range m.Layers {
			if l.FFN != nil {
				parts[typ][l.FFN.Kind()] = true
			}
		}
	}
	for _, c := range realCases(t) {
		if m, err := Import(c.Name, c.Config); err == nil {
			add(TypeOf(c.Config), m)
		}
	}
	files, err := os.ReadDir("testdata/configs")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".json")
		add(TypeOf(readConfig(t, name)), importConfig(t, name))
	}
	var lines []string
	for typ, kinds := range parts {
		var names []string
		for k := range kinds {
			names = append(names, k)
		}
		slices.Sort(names)
		lines = append(lines, typ+" "+strings.Join(names, " "))
	}
	slices.Sort(lines)
	want := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile("types.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if typeParts != want {
		t.Errorf("types.txt is not what the configurations are made of: go test ./arch/hf -run TestTypeParts -update\n%s", want)
	}
	for _, info := range Types() {
		if len(info.Parts) == 0 {
			t.Errorf("%s: no configuration says what it is made of", info.Name)
		}
	}
}
