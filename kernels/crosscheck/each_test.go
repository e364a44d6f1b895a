package crosscheck

import (
	"bytes"
	"context"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/modelfile"
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
