package crosscheck

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/kernels"
	"github.com/OWNER/ridgeline/kernels/internal/layouts"
)

// Every kind of mixer and FFN that models can be made of is copied, written to a file
// and read back, described, priced and executed, and what is priced is what runs. A kind
// that one of these rooms forgot fails here.
func TestEveryKindEverywhere(t *testing.T) {
	models, err := layouts.Each()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		t.Run(strings.ReplaceAll(m.Name, " ", "_"), func(t *testing.T) {
			copied := m.Clone()
			if !reflect.DeepEqual(copied, m) {
				t.Errorf("the copy differs: %+v", copied)
			}
			var file bytes.Buffer
			if err := modelfile.Write(&file, m); err != nil {
				t.Fatal(err)
			}
			back, err := modelfile.Parse("m.yaml", file.Bytes())
			if err != nil {
				t.Fatalf("%v in\n%s", err, &file)
			}
			if !reflect.DeepEqual(back, m) {
				t.Errorf("read back %+v\nwant %+v\nfrom %s", back, m, &file)
			}
			for i, p := range m.Mixers() {
				if strings.TrimSpace(p.Shape()) == "" || p.Name() == "" || len(p.Weights(m.Width)) == 0 {
					t.Errorf("layer %d: name %q, shape %q, %d weights", i, p.Name(), p.Shape(), len(p.Weights(m.Width)))
				}
			}
			for _, l := range m.Layers {
				if l.FFN != nil && strings.TrimSpace(l.FFN.Shape()) == "" {
					t.Errorf("%s has no shape", l.FFN.Kind())
				}
			}
			for _, o := range []kernels.Options{{}, {Prefill: execution.Full}} {
				c := countCase{model: m, kernels: o, cost: costOptions(o), batch: 2, calls: []int{5, 1, 3, 1}}
				diff, err := c.run(context.Background(), &CountsResult{})
				if err != nil {
					t.Fatal(err)
				}
				if diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// The random layouts that the laws run over have every kind of mixer and FFN in them.
func TestEveryKindIsAmongTheLayouts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	seen := map[string]bool{}
	for range 400 {
		m := layouts.Random(func(_ string, lo, hi int) int { return lo + rng.IntN(hi-lo+1) })
		for _, p := range m.Mixers() {
			seen[p.Kind()] = true
		}
		for _, l := range m.Layers {
			seen[l.FFNName()] = true
		}
	}
	for _, k := range arch.MixerKinds() {
		if !seen[k.Name] {
			t.Errorf("no layout has a %s", k.Name)
		}
	}
	for _, k := range arch.FFNKinds() {
		if !seen[k.Name] {
			t.Errorf("no layout has a %s", k.Name)
		}
	}
}

// docs/accounting.md names every operation that is priced, under "Names": a full name, or the part
// from the point on behind another of the same mixer or network.
func TestAccountingNamesEveryOperation(t *testing.T) {
	b, err := os.ReadFile("../../docs/accounting.md")
	if err != nil {
		t.Fatal(err)
	}
	_, names, ok := strings.Cut(string(b), "**Names.**")
	names, _, end := strings.Cut(names, "**Details.**")
	if !ok || !end {
		t.Fatal("docs/accounting.md has no list of names before its details")
	}
	listed, prefix := map[string]bool{}, ""
	for _, code := range regexp.MustCompile("`[a-z0-9_./]+`").FindAllString(names, -1) {
		for _, name := range strings.Split(strings.Trim(code, "`"), "/") {
			if rest, short := strings.CutPrefix(name, "."); short {
				name = prefix + "." + rest
			} else {
				prefix, _, _ = strings.Cut(name, ".")
			}
			listed[name] = true
		}
	}
	models, err := layouts.Each()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		for _, prefill := range []bool{false, true} {
			ops, err := costmodel.Ops(m, costmodel.Options{}, prefill)
			if err != nil {
				t.Fatal(err)
			}
			for i := range ops {
				if name := ops[i].Name; !listed[name] {
					listed[name] = true // say it once
					t.Errorf("docs/accounting.md does not name %s, an operation of %s: what it moves and computes is written there", name, m.Name)
				}
			}
		}
	}
}
