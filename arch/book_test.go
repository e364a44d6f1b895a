package arch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/internal/golden"
)

// samples are one part of each kind, with sizes that tell each other apart.
func samples() (mixers []Mixer, networks []FFN) {
	return []Mixer{
			Attention{Heads: 6, KVHeads: 2, HeadDim: 8},
			BlockSparse{Heads: 6, KVHeads: 2, HeadDim: 8, Block: 3, TopBlocks: 4, LocalBlocks: 2, IndexDim: 10},
			MoA{Experts: 5, TopK: 2, KVHeads: 3, HeadDim: 8, Bias: true},
			MLA{Heads: 3, QRank: 5, KVRank: 7, NopeDim: 6, RopeDim: 4, ValueDim: 9, IndexTopK: 11, IndexHeads: 2, IndexDim: 10},
			Mamba1{DInner: 24, DState: 3, DConv: 4, DtRank: 2},
			Mamba2{Heads: 6, HeadDim: 4, DState: 5, Groups: 3, DConv: 4},
			GatedDeltaNet{KHeads: 2, VHeads: 4, KDim: 3, VDim: 5, DConv: 4},
			KDA{Heads: 2, HeadDim: 3, DConv: 4},
			RGLRU{Heads: 2, HeadDim: 3, DConv: 4},
			MLSTM{Heads: 2, KDim: 3, VDim: 5},
			RWKV4{Inner: 10, Stream: 12},
			RWKV5{Heads: 2, HeadDim: 3, Stream: 12},
			RWKVChannelMix{Inner: 10, Stream: 12},
			SharedBlock{Heads: 6, KVHeads: 2, HeadDim: 8, Inner: 10},
			ShortConv{Channels: 10, DConv: 3},
			Lightning{Heads: 2, HeadDim: 3},
			GMU{Memory: To(0), From: ScanMemory, DMem: 10},
			GMU{Memory: To(0), From: ScanMemory, DMem: 10, Normed: true},
			GMU{Memory: To(0), From: OutputMemory, DMem: 12, Variant: SigmoidGMU},
		}, []FFN{
			MLP{Inner: 10, Gated: true},
			MLP{Inner: 10, Act: GELU},
			MoE{Experts: 6, TopK: 2, Inner: 10, Gated: true},
			MLPMoE{Inner: 10, Experts: 6, TopK: 2, ExpertInner: 4},
			ShortcutMoE{Inner: 10, Experts: 6, Zero: 3, TopK: 2, ExpertInner: 4},
		}
}

// The book of parts: for every kind its weights, the fields that a file gives with their defaults,
// and what becomes of it with each field changed, name, shape, storage and verdict.
func TestBookOfParts(t *testing.T) {
	const width = 12
	var b strings.Builder
	verdict := func(err error) string {
		if err != nil {
			return "refused: " + err.Error()
		}
		return "sound"
	}
	weights := func(ws []Weight) {
		for _, w := range ws {
			role := map[Role]string{Matrix: "matrix", Expert: "expert", Vector: "vector"}[w.Role]
			fmt.Fprintf(&b, "  %-16s %v %s", w.Name, w.Shape, role)
			if w.Copies > 0 {
				fmt.Fprintf(&b, " ×%d, %d used", w.Copies, w.Active)
			}
			fmt.Fprintln(&b)
		}
	}
	fields := func(fs []Field, blank []Field) {
		for i, f := range fs {
			fmt.Fprintf(&b, "  field %s = %v, blank %v", f.Key, f.Get(), blank[i].Get())
			for _, x := range []struct {
				on  bool
				say string
			}{{f.Not, "the opposite"}, {f.AllowZero, "0 allowed"}, {f.Shown, "always written"}, {f.InputOnly, "never written"}, {f.Vary != nil, "can be varied"},
				{f.Instead != "", "instead of " + f.Instead}} {
				if x.on {
					fmt.Fprintf(&b, ", %s", x.say)
				}
			}
			switch {
			case f.Default == nil:
				fmt.Fprint(&b, ", must be given")
			default:
				fmt.Fprintf(&b, ", else %v; blank at 12 and 100: %v, %v", f.Default(width), blank[i].Default(width), blank[i].Default(100))
			}
			fmt.Fprintln(&b)
		}
	}
	// values to try for a field: each beside what it is in the sample.
	tries := func(f Field) []any {
		switch v := f.Get().(type) {
		case int:
			return []any{-1, 0, v + 1, 2*v + 2, MaxDimension + 1}
		case bool:
			return []any{!v}
		case float64:
			return []any{-1.0, 2.5}
		case Activation:
			return []any{ReLU2, ClampedSwiGLU}
		case MemoryKind:
			return []any{AttentionMemory}
		}
		return nil
	}
	keeps := func(s Storage) string {
		text := ""
		for _, x := range []struct {
			name string
			n    int
		}{{"cache", s.CacheElements}, {"window", s.Window}, {"state", s.StateElements}, {"convolution", s.ConvElements}, {"picked", s.PickedElements}, {"picks", s.Picked}} {
			if x.n != 0 {
				text += fmt.Sprintf(", %s %d", x.name, x.n)
			}
		}
		return text
	}
	mixers, networks := samples()
	kinds := MixerKinds()
	for i, k := range kinds {
		if i >= len(mixers) || mixers[i].Kind() != k.Name {
			t.Fatalf("samples lacks %q at its place in MixerKinds: a mixer of small sizes of which none divides another", k.Name)
		}
	}
	for i, k := range FFNKinds() {
		if i >= len(networks) || networks[i].Kind() != k.Name {
			t.Fatalf("samples lacks %q at its place in FFNKinds", k.Name)
		}
	}
	for i, m := range mixers {
		fmt.Fprintf(&b, "%s: %s, %s, alone %v\n", m.Kind(), m.Name(), m.Shape(), verdict(m.Check(width)))
		weights(m.Weights(width))
		fields(Fields(m), Fields(kinds[i].Blank))
		for _, f := range Fields(m) {
			if f.InputOnly {
				continue
			}
			for _, v := range tries(f) {
				x := EditFields(m, func(fs []Field) {
					for _, e := range fs {
						if e.Key == f.Key {
							e.Set(v)
						}
					}
				})
				err := x.Check(width)
				fmt.Fprintf(&b, "  with %s %v: %s, %s, %s", f.Key, v, x.Name(), x.Shape(), verdict(err))
				if err == nil {
					n := 0
					for _, w := range x.Weights(width) {
						n += int(w.Elements())
					}
					fmt.Fprintf(&b, ", %d parameters%s", n, keeps(x.Stores()))
				}
				fmt.Fprintln(&b)
			}
		}
		for _, f := range Fields(m) {
			if x, ok := Vary(m, f.Key, 5); ok {
				fmt.Fprintf(&b, "  varied %s: %+v\n", f.Key, x)
			}
		}
		optional, present := OwnNorm(m)
		fmt.Fprintf(&b, "  norm that can be left out: %v, %v", optional, present)
		if optional {
			fmt.Fprintf(&b, "; without %+v", WithOwnNorm(m, false))
		}
		cross, ok := ReadingCache(m, To(4))
		fmt.Fprintf(&b, "\n  reading a cache: %v %+v", ok, cross)
		reused, ok := UsingWeights(m, To(4))
		fmt.Fprintf(&b, "\n  using weights: %v %+v", ok, reused)
		for _, x := range []Mixer{m, cross, reused} {
			if x != nil {
				fmt.Fprintf(&b, "\n  %s reads %+v, without references %+v", x.Name(), x.Reads(), Detached(x))
			}
		}
		if g, ok := m.(MemoryReader); ok {
			fmt.Fprintf(&b, "\n  a memory reader, in chains %v: %+v; %s; %s", g.Chains(), ReadingMemory(g, To(2), MLPMemory, 7), verdict(g.fitsMemory(7)), verdict(g.fitsMemory(10)))
		}
		fmt.Fprintln(&b)
	}
	ffns := FFNKinds()
	for i, f := range networks {
		fmt.Fprintf(&b, "%s: %s, alone %v\n", f.Kind(), f.Shape(), verdict(f.Check(width)))
		weights(f.Weights(width))
		fields(FFNFields(f), FFNFields(ffns[i].Blank))
		for _, fd := range FFNFields(f) {
			for _, v := range tries(fd) {
				x := EditFFNFields(f, func(fs []Field) {
					for _, e := range fs {
						if e.Key == fd.Key {
							e.Set(v)
						}
					}
				})
				fmt.Fprintf(&b, "  with %s %v: %s, %s\n", fd.Key, v, x.Shape(), verdict(x.Check(width)))
			}
		}
	}
	golden.Check(t, "parts.txt", b.String())
}
