package costmodel

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/precision"
)

// drawRanks is a model on one device and on two or four.
func drawRanks(t *rapid.T) (m *arch.Model, one, many *Compiled, ranks int) {
	m, o := drawModel(t), drawOptions(t)
	if o.Weights.Quantised() { // every rank has scales of its own, so that they are not divided
		o.Weights = formats.Plain(precision.FP16)
	}
	ranks = rapid.SampledFrom([]int{2, 4}).Draw(t, "ranks")
	o.TP = 1
	one, err := Compile(m, testGPU(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.TP = ranks
	many, err = Compile(m, testGPU(), o)
	if err != nil {
		t.Fatal(err)
	}
	return m, one, many, ranks
}

func drawCall(t *rapid.T) (call Call, decode bool) {
	call = Call{Batch: rapid.IntRange(1, 50).Draw(t, "batch"), New: 1, Past: rapid.IntRange(0, 500).Draw(t, "past")}
	if decode = rapid.Bool().Draw(t, "decode"); !decode {
		call.New, call.Past = call.Past+1, 0
	}
	return call, decode
}

func (c *Compiled) groups(decode bool) []OpGroup {
	if decode {
		return c.decode
	}
	return c.prefill
}

// What a rank sends is the closed form of its rings: every row-parallel product and the
// embedding end in an all-reduce of rows as wide as the model, 2(t−1)/t of them from each
// rank; Mamba-1 sums its second projection; a sigmoid GMU and the head gather, (t−1)/t.
func TestLinkBytesAreTheirClosedForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, _, c, ranks := drawRanks(t)
		call, decode := drawCall(t)
		r := float64(ranks)
		reduce, gather := 2*(r-1)/r, (r-1)/r
		rowsAll, last := float64(call.Batch*call.New), float64(call.Batch)
		from := len(m.Layers)
		if s, ok := m.CrossDecoder(); ok && !decode && c.Options.Prefill == execution.Skip {
			from = s
		}
		w := float64(m.Width)
		want := rowsAll*w*reduce + last*math.Ceil(float64(m.Vocab)/r)*r*gather
		for i, l := range m.Layers {
			n := rowsAll
			if i >= from {
				n = last
			}
			for _, p := range arch.Parts(l.Mixer) {
				// The layer in front of a skipped cross-decoder makes K and V for all rows,
				// and queries for the last.
				if arch.CacheOwner(p) != nil && i == from-1 && from < len(m.Layers) {
					n = last
				}
				want += n * w * reduce
			}
			if l.FFN != nil {
				want += n * w * reduce
			}
		}
		rows := func(layer int) float64 {
			if layer >= from {
				return last
			}
			return rowsAll
		}
		for i, p := range arch.Each[arch.Mamba1](m) {
			if p.Parts() == 1 { // with heads each has its own, and no device needs the others'
				want += rows(i) * float64(p.DtRank+2*p.DState) * reduce
			}
		}
		for i, g := range m.GMUs() {
			if g.Variant == arch.SigmoidGMU {
				want += rows(i) * 2 * w * gather
			}
		}
		want *= c.f.act.Bytes()
		if got := c.work(c.groups(decode), call).Link; !close9(got, want) {
			t.Fatalf("%d ranks send %g B each, the closed form is %g", ranks, got, want)
		}
	})
}

// Operations that tensor parallelism divides exactly, in arithmetic, weights and states,
// and operations that every rank repeats.
var (
	divided  = []string{"attn.core", "mlp.up", "mlp.act", "moe.up", "moe.act", "gmu.in", "gmu.gate", "mamba1.conv", "mamba1.scan", "mamba2.ssd", "gdn.qkvz", "gdn.ba", "gdn.conv", "gdn.delta", "sgmu.current", "sgmu.gate"}
	repeated = []string{"embed", "mixer_norm", "ffn_norm", "final_norm", "moe.router", "moe.route", "mamba1.inner_norm"}
)

// Ranks together do what one device does, plus what they repeat; and no rank does more than
// the one device.
func TestRanksShareTheWork(t *testing.T) {
	byName := func(c *Compiled, decode bool, call Call) map[string]Work {
		out := map[string]Work{}
		for _, g := range c.groups(decode) {
			w := out[g.Name]
			w.add(g.Op.Work(call), float64(g.Count))
			out[g.Name] = w
		}
		return out
	}
	rapid.Check(t, func(t *rapid.T) {
		m, one, many, ranks := drawRanks(t)
		call, decode := drawCall(t)
		r := float64(ranks)
		single, shared := byName(one, decode, call), byName(many, decode, call)
		for name, a := range single {
			b, ok := shared[name]
			if !ok {
				t.Fatalf("ranks do not run %s", name)
			}
			padded := name == "lm_head" && m.Vocab%ranks != 0 // to a multiple of the ranks
			for k := range NumKinds {
				if b.Bytes[k] > a.Bytes[k]*(1+1e-12) && !padded || b.Bytes[k]*r < a.Bytes[k]*(1-1e-12) {
					t.Fatalf("%s, %s: one device moves %g B, each of %d ranks %g", name, k, a.Bytes[k], ranks, b.Bytes[k])
				}
			}
			if b.FLOPs > a.FLOPs*(1+1e-12) && !padded || b.FLOPs*r < a.FLOPs*(1-1e-12) {
				t.Fatalf("%s: one device computes %g FLOPs, each of %d ranks %g", name, a.FLOPs, ranks, b.FLOPs)
			}
			same := func(x, y Work) bool {
				return close9(x.FLOPs, y.FLOPs) && close9(x.Bytes[Weights], y.Bytes[Weights]) && close9(x.Bytes[StateRead]+x.Bytes[StateWrite], y.Bytes[StateRead]+y.Bytes[StateWrite])
			}
			var all Work
			all.add(b, r)
			if slices.Contains(divided, name) && !same(a, all) {
				t.Fatalf("%s: one device does %+v, %d ranks together %+v", name, a, ranks, all)
			}
			if slices.Contains(repeated, name) && !same(a, b) {
				t.Fatalf("%s: one device does %+v, each of %d ranks %+v", name, a, ranks, b)
			}
		}
		for name := range shared {
			if _, ok := single[name]; !ok && !strings.HasSuffix(name, "allreduce") && !strings.HasSuffix(name, "allgather") {
				t.Fatalf("ranks run %s, one device does not", name)
			}
		}
		if a, b := one.work(one.groups(decode), call).FLOPs, many.work(many.groups(decode), call).FLOPs; b > a*(1+1e-12) && m.Vocab%ranks == 0 {
			t.Fatalf("one device computes %g FLOPs, each of %d ranks %g", a, ranks, b)
		}
	})
}
