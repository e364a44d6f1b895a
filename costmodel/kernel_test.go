package costmodel

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
)

// Names are for people: operations renamed cost what they did.
func TestNamesDecideNothing(t *testing.T) {
	rename := func(c *Compiled) *Compiled {
		r := *c
		r.decode, r.prefill = append([]OpGroup(nil), c.decode...), append([]OpGroup(nil), c.prefill...)
		for i := range r.decode {
			r.decode[i].Name = fmt.Sprint("decode ", i)
		}
		for i := range r.prefill {
			r.prefill[i].Name = fmt.Sprint("prefill ", i)
		}
		r.cal, r.fixed, r.vary, r.experts, r.windows, r.finite = &lazyPricer{}, fixedOps{}, nil, nil, nil, nil
		r.reduce()
		r.mem = r.memoryTable()
		return &r
	}
	same := func(t interface{ Fatalf(string, ...any) }, c *Compiled, fs ...Fidelity) {
		r, w := rename(c), Workload{Prompt: 700, Generate: 90, Batch: 3}
		for _, f := range fs {
			a, b := c.At(f), r.At(f)
			if a.Generation(w) != b.Generation(w) || a.Prefill(w) != b.Prefill(w) {
				t.Fatalf("%v: %g and %g s, renamed %g and %g", f, a.Prefill(w), a.Generation(w), b.Prefill(w), b.Generation(w))
			}
		}
		if a, b := c.Memory(Workload{Batch: 3, Prompt: 700, Generate: 90}), r.Memory(Workload{Batch: 3, Prompt: 700, Generate: 90}); a != b {
			t.Fatalf("memory %+v, renamed %+v", a, b)
		}
	}
	rapid.Check(t, func(t *rapid.T) { same(t, compileRandom(t), Limit, Roofline) })
	calibratedCases(t, func(_ string, c *Compiled) { same(t, c, Calibrated) })
}

// Every kernel that the builder can set is one of the table's, and random models make them all.
func TestEveryKernelIsBuilt(t *testing.T) {
	built := map[Kernel]bool{}
	rapid.Check(t, func(t *rapid.T) {
		c := compileDeployment(t)
		for _, g := range append(append([]OpGroup(nil), c.decode...), c.prefill...) {
			built[g.Kernel] = true
		}
	})
	for _, k := range arch.MixerKinds() { // one of each besides, for a kind is drawn seldom
		if _, reads := k.Blank.(arch.MemoryReader); reads {
			continue
		}
		x := arch.EditFields(k.Blank, func(fields []arch.Field) {
			for _, f := range fields {
				if p, ok := f.Value.(*int); ok {
					*p = 8
				}
			}
		})
		ops, err := Ops(&arch.Model{Name: k.Name, Width: 8, Vocab: 8, Layers: []arch.Layer{{Mixer: x}}}, Options{}, false)
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		for i := range ops {
			built[ops[i].Kernel] = true
		}
	}
	for k := range numKernels {
		if kernelTable[k] == (kernelFacts{}) {
			t.Errorf("kernel %d of the list in kernel.go has no line in kernelTable", k)
		}
		if !built[k] {
			t.Errorf("no operation of the random models is run by kernel %d of the list in kernel.go, of class %s", k, k.Class())
		}
	}
}
