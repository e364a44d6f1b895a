package costmodel

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
)

// bending reports whether some of k drafted tokens behind a context see past the end of a
// window or a chunk that the first does not: there the sum is bounded, not exact.
func bending(c *Compiled, n, k int) bool {
	for _, w := range c.finite {
		if w < 0 || n < w && n+k > w || k+1 > w {
			return true
		}
	}
	return false
}

// A verification is a call of so many tokens more, operation by operation: with the head on
// every one of them and the state behind each written.
func TestVerifyIsALongerCall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		b, n, k := rapid.IntRange(1, 200).Draw(t, "batch"), rapid.IntRange(1, 3000).Draw(t, "context"), rapid.IntRange(0, 9).Draw(t, "drafts")
		if bending(c, n, k) {
			t.Skip("a window fills among the drafted tokens")
		}
		sum, compute, memory, link := 0.0, 0.0, 0.0, 0.0
		for i := range c.decode {
			g := &c.decode[i]
			call := Call{Batch: b, New: k + 1, Past: n - 1}
			if g.Shape.RowsAreSeqs {
				call = Call{Batch: b * (k + 1), New: 1, Past: n - 1}
			}
			w := g.Op.Work(call)
			if w.Bytes[StateWrite] > 0 {
				if g.Kernel.Class() == Conv {
					w.Bytes[StateWrite] *= float64(g.Shape.In-1+k) / float64(g.Shape.In-1)
				} else {
					w.Bytes[StateWrite] *= float64(k + 1)
				}
			}
			times, l := float64(g.Count), 0.0
			if w.Link > 0 {
				l = w.Link / c.link
			}
			ct, mt := w.FLOPs/c.peak(&g.Op), c.memorySeconds(&g.Op, &w)
			sum += times * max(ct, mt, l)
			compute, memory, link = compute+times*ct, memory+times*mt, link+times*l
		}
		if got := c.Verify(Roofline, b, n, k); !close9(got, sum) {
			t.Fatalf("roofline: %g, operation by operation %g", got, sum)
		}
		if got, want := c.Verify(Limit, b, n, k), max(compute, memory, link); !close9(got, want) {
			t.Fatalf("limit: %g, operation by operation %g", got, want)
		}
	})
}

// The sum over a generation is that of its verifications, and the way of steps with drafts gives
// what that of plain steps does where there are none.
func TestVerificationsAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		w := Workload{Batch: rapid.IntRange(1, 100).Draw(t, "batch"), Prompt: rapid.IntRange(0, 300).Draw(t, "prompt"), Generate: rapid.IntRange(1, 700).Draw(t, "generate")}
		k := rapid.IntRange(1, 9).Draw(t, "drafts")
		m := c.Alike(w.Batch, w.Prompt+1, 0)
		steps := unfilled(c, alike(1, w.Prompt+1), w.Generate)
		for _, f := range []Fidelity{Limit, Roofline} {
			sum := 0.0
			for n := w.Prompt + 1; n <= w.Prompt+w.Generate; n++ {
				sum += c.Verify(f, w.Batch, n, k)
			}
			if bends := len(c.finite) > 0; !bends {
				if got := c.verifySum(c.At(f), w, k); !close9(got, sum) {
					t.Fatalf("%v: sum %g, loop %g", f, got, sum)
				}
			} else if got := c.verifySum(c.At(f), w, k); math.Abs(got-sum) > 0.02*sum {
				t.Fatalf("%v: sum %g, loop %g", f, got, sum)
			}
			plain, through := c.At(f).Run(&m, steps), 0.0
			if f == Limit {
				through = (*limit)(c).verify(&m, steps)
			} else {
				through = (*roofline)(c).verify(&m, steps)
			}
			if !close9(plain, through) {
				t.Fatalf("%v: %d steps without drafts take %g, as verifications %g", f, steps, plain, through)
			}
		}
	})
}

// The same of calibrated times, whose attention is summed by quadrature; remembered steps are
// those that are worked out.
func TestCalibratedVerifications(t *testing.T) {
	type deployed struct {
		model string
		reads execution.KVRead
	}
	all := []deployed{{"phi4-mini", execution.PerQueryHead}, {"phi4-mini-flash", execution.PackedUnlessWindowed}, {"phi4-mini", execution.Unsplit}}
	for _, name := range calibrationModels {
		all = append(all, deployed{name, execution.Packed})
	}
	for _, x := range all {
		name := x.model + " " + x.reads.String()
		c := compiled(t, x.model, "h100-sxm", Options{KVRead: x.reads})
		k, ok := c.At(Calibrated).(*calibrated)
		if !ok {
			t.Fatalf("%s is not calibrated on an H100", name)
		}
		kept := Remember(k)
		for _, b := range []int{1, 16, 300} {
			m := c.Alike(b, 1000, 0)
			if got, want := k.verify(&m, 800), k.Run(&m, 800); math.Abs(got-want) > 1e-3*want {
				t.Errorf("%s, batch %d: steps without drafts take %g, as verifications %g", name, b, want, got)
			}
			for _, drafts := range []int{1, 3, 7} {
				m := c.Alike(b, 2000, drafts)
				sum := 0.0
				for n := 2000; n < 2400; n++ {
					sum += c.Verify(Calibrated, b, n, drafts)
				}
				got := k.Run(&m, 400)
				if math.Abs(got-sum) > 1e-3*sum {
					t.Errorf("%s, batch %d, %d drafts: run %g, loop %g", name, b, drafts, got, sum)
				}
				if r := kept.Run(&m, 400); !close9(r, got) || !close9(kept.Run(&m, 400), got) {
					t.Errorf("%s: remembered %g, worked out %g", name, r, got)
				}
				if least := (*roofline)(c).Run(&m, 400); got < least*(1-1e-9) {
					t.Errorf("%s, batch %d, %d drafts: calibrated %g, below its roofline %g", name, b, drafts, got, least)
				}
			}
		}
	}
}

// What tokens of a sequence cost together, counted by hand: three sequences that verify four
// drafted tokens each, the first of whose five sees 10 positions. 2 B an element.
func TestVerificationByHand(t *testing.T) {
	const rows, el, q = 15, 2, 5
	full := arch.Attention{Heads: 4, KVHeads: 2, HeadDim: 16}
	window := full
	window.Window = 8
	mamba := arch.Mamba2{Heads: 6, HeadDim: 4, DState: 5, Groups: 3, DConv: 4, ConvBias: true}
	m := layers(t, nil, full, window, mamba)
	c, err := Compile(m, testGPU(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	step := c.Alike(3, 10, 4)
	ops, err := Ops(m, Options{}, false)
	if err != nil {
		t.Fatal(err)
	}
	core := func(window int) Op {
		for _, o := range ops {
			if o.Kernel == Attention && o.Shape.Window == window {
				return o
			}
		}
		t.Fatal("no such attention")
		return Op{}
	}
	all, near := core(0), core(8)
	for _, tt := range []struct {
		name string
		op   Op
		want Work
	}{
		// 10 + 11 + 12 + 13 + 14 keys seen by five queries of 64; 14 rows of 2·32 read once.
		{"attention", all, Work{FLOPs: 3 * 60 * 4 * 64, Bytes: [NumKinds]float64{
			CacheRead: el * 3 * 14 * 64, ActRead: el * rows * 64, ActWrite: el * rows * 64}}},
		// Each sees 8, of 12 between them.
		{"attention in a window", near, Work{FLOPs: 3 * 5 * 8 * 4 * 64, Bytes: [NumKinds]float64{
			CacheRead: el * 3 * 12 * 64, ActRead: el * rows * 64, ActWrite: el * rows * 64}}},
		// One state read, five written.
		{"a scan", *opNamed(t, ops, "mamba2.ssd"), Work{FLOPs: rows * (6*4 + 24*3 + 24*5*5), Bytes: [NumKinds]float64{
			Weights: el * 3 * 6, ActRead: el * rows * (24 + 2*3*5 + 6), ActWrite: el * rows * 24, StateRead: el * 3 * 24 * 5, StateWrite: el * 3 * q * 24 * 5}}},
		// Three inputs back, and four more that may have to be gone back over.
		{"a convolution", *opNamed(t, ops, "mamba2.conv"), Work{FLOPs: rows * (54*2*4 + 54*2), Bytes: [NumKinds]float64{
			Weights: el * (54*4 + 54), ActRead: el * rows * 54, ActWrite: el * rows * 54, StateRead: el * 3 * 54 * 3, StateWrite: el * 3 * 54 * 7}}},
	} {
		if got := c.mixedWork(&tt.op, &step); got != tt.want {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
	head := opNamed(t, ops, "lm_head")
	if got, want := c.mixedWork(head, &step).FLOPs, 2*rows*float64(m.Width*m.Vocab); got != want {
		t.Errorf("the head does %g FLOPs for 15 tokens, by hand %g", got, want)
	}
	if got := c.Snapshots(4); got != 4*(24*5*el)+54*4*el {
		t.Errorf("four snapshots take %g B", got)
	}
}

// 1 + 0.5 + 0.25 + 0.125; nothing accepted makes one token, everything all of them.
func TestExpectedTokens(t *testing.T) {
	for _, tt := range []struct {
		a    float64
		k    int
		want float64
	}{{0.5, 3, 1.875}, {0, 5, 1}, {1, 5, 6}, {0.7, 0, 1}, {0.8, 2, 2.44}, {0.9, 9, (1 - math.Pow(0.9, 10)) / 0.1}} {
		if got := ExpectedTokens(tt.a, tt.k); !close9(got, tt.want) {
			t.Errorf("%g accepted of %d: %g tokens, want %g", tt.a, tt.k, got, tt.want)
		}
		if tt.a > 0 && tt.a < 1 && tt.k > 0 {
			if a, ok := breakEven(tt.want, tt.k); !ok || math.Abs(a-tt.a) > 1e-9 {
				t.Errorf("%g tokens of %d drafted need an acceptance of %g, want %g", tt.want, tt.k, a, tt.a)
			}
		}
	}
	if _, ok := breakEven(3.1, 2); ok {
		t.Error("three tokens a step are as many as two drafted ones can make")
	}
}

// Speculation without drafted tokens is none; more acceptance is never slower; no more tokens than
// a step has come out of it; the acceptance of break-even breaks even.
func TestSpeculationLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, d := compileRandom(t), compileRandom(t)
		w := Workload{Batch: rapid.IntRange(1, 100).Draw(t, "batch"), Prompt: rapid.IntRange(0, 300).Draw(t, "prompt"), Generate: rapid.IntRange(1, 500).Draw(t, "generate")}
		draft := NGram()
		if rapid.Bool().Draw(t, "a model drafts") {
			draft = DraftModel(d)
		}
		k := rapid.IntRange(0, 8).Draw(t, "drafts")
		a := rapid.Float64Range(0, 1).Draw(t, "acceptance")
		more := min(1, a+rapid.Float64Range(0, 0.5).Draw(t, "more"))
		for _, f := range []Fidelity{Limit, Roofline} {
			priced := func(k int, a float64) *Speculative {
				e, err := c.Speculate(f, w, Speculation{draft, k, a})
				if err != nil {
					t.Fatal(err)
				}
				return e
			}
			plain := c.At(f).Generation(w) / float64(w.Generate)
			if e := priced(0, a); !close9(e.TPOTSeconds, plain) || !close9(e.Speedup, 1) || e.SnapshotBytes != 0 {
				t.Fatalf("%v: without drafts %g a token, %g without speculation", f, e.TPOTSeconds, plain)
			}
			e, faster := priced(k, a), priced(k, more)
			if faster.TPOTSeconds > e.TPOTSeconds*(1+1e-12) {
				t.Fatalf("%v: acceptance %g takes %g, %g takes %g", f, a, e.TPOTSeconds, more, faster.TPOTSeconds)
			}
			if e.Speedup > float64(k+1)*(1+1e-9) || e.Speedup > e.ExpectedTokens*(1+1e-9) {
				t.Fatalf("%v: %g times as fast with %d drafted tokens", f, e.Speedup, k)
			}
			if none := priced(k, 0); none.Speedup > 1+1e-9 {
				t.Fatalf("%v: nothing accepted, and %g times as fast", f, none.Speedup)
			}
			if e.BreakEven != nil && *e.BreakEven > 0 {
				if at := priced(k, *e.BreakEven); math.Abs(at.Speedup-1) > 1e-6 {
					t.Fatalf("%v: at an acceptance of %g it is %g times as fast", f, *e.BreakEven, at.Speedup)
				}
			} else if e.BreakEven == nil && priced(k, 1).Speedup > 1+1e-9 {
				t.Fatalf("%v: it is said never to gain", f)
			}
			if e.MaxBatch > e.Without {
				t.Fatalf("%d sequences fit with a draft, %d without", e.MaxBatch, e.Without)
			}
		}
	})
}

// At one sequence lookups that are often right make a model bound by its weights faster; at a
// large batch the same loses, and from the batch on that is named.
func TestSpeculationLosesAtLargeBatches(t *testing.T) {
	c := compiled(t, "llama-3.1-8b", "h100-sxm", Options{})
	for _, f := range []Fidelity{Roofline, Calibrated} {
		e, err := c.Speculate(f, Workload{Batch: 1, Prompt: 100, Generate: 100}, Speculation{NGram(), 4, 0.5})
		if err != nil {
			t.Fatal(err)
		}
		if e.Speedup < 1.6 || e.SlowerFrom == 0 {
			t.Fatalf("%v: %g times as fast, slower from batch %d", f, e.Speedup, e.SlowerFrom)
		}
		for _, at := range []struct {
			batch int
			gains bool
		}{{e.SlowerFrom, false}, {e.SlowerFrom - 1, true}} {
			x, err := c.Speculate(f, Workload{Batch: at.batch, Prompt: 100, Generate: 100}, Speculation{NGram(), 4, 0.5})
			if err != nil {
				t.Fatal(err)
			}
			if x.Speedup >= 1 != at.gains {
				t.Errorf("%v: %g times as fast at batch %d, said to be slower from %d on", f, x.Speedup, at.batch, e.SlowerFrom)
			}
		}
	}
}

// A few sequences of a mixture of experts lose: what they verify hits experts that one token each would
// not. Once nearly all are hit anyway it gains, and loses again where arithmetic binds.
func TestSpeculationOfExperts(t *testing.T) {
	c := compiled(t, "gpt-oss-20b", "h100-sxm", Options{})
	w := Workload{Batch: 1, Prompt: 1000, Generate: 500}
	e, err := c.Speculate(Roofline, w, Speculation{NGram(), 4, 0.3})
	if err != nil {
		t.Fatal(err)
	}
	if e.Speedup >= 1 || e.GainsFrom <= 1 || e.SlowerFrom <= e.GainsFrom {
		t.Fatalf("%g times as fast at batch 1, gains from %d to %d", e.Speedup, e.GainsFrom, e.SlowerFrom)
	}
	for batch, gains := range map[int]bool{e.GainsFrom - 1: false, e.GainsFrom: true, e.SlowerFrom - 1: true, e.SlowerFrom: false} {
		x, err := c.Speculate(Roofline, w.WithBatch(batch), Speculation{NGram(), 4, 0.3})
		if err != nil {
			t.Fatal(err)
		}
		if x.Speedup >= 1 != gains {
			t.Errorf("%g times as fast at batch %d, said to gain from %d and to lose from %d on", x.Speedup, batch, e.GainsFrom, e.SlowerFrom)
		}
	}
}

// The block of multi-token prediction of Qwen3.5-27B: a projection of 2·5120 to 5120, two norms
// and a layer of full attention, over the model's own embedding and head.
func TestMTP(t *testing.T) {
	c := compiled(t, "qwen3.5-27b", "h100-sxm", Options{})
	d, err := c.MTP()
	if err != nil {
		t.Fatal(err)
	}
	// Attention: 24 heads of 256 with a gate of the same size, 4 of keys and values; FFN 17,408.
	params := 2*5120*5120 + 2*5120 + 5120*(2*24*256+2*4*256) + 24*256*5120 + 2*256 + 3*5120*17408 + 2*5120 + 5120
	if got := d.Weights; got != 2*float64(params) {
		t.Errorf("%g B of weights, by hand %d", got, 2*params)
	}
	if ops := d.Compiled.DecodeOps(); ops[1].Name != "mtp.embed_norm" {
		t.Errorf("behind the embedding: %s", ops[1].Name)
	}
	if _, err := compiled(t, "llama-3.1-8b", "h100-sxm", Options{}).MTP(); err == nil || !strings.Contains(err.Error(), "no blocks of multi-token prediction") {
		t.Errorf("a model without: %v", err)
	}
}

func TestSpeculationRefuses(t *testing.T) {
	c := compiled(t, "llama-3.1-8b", "h100-sxm", Options{})
	for _, s := range []Speculation{{NGram(), -1, 0.5}, {NGram(), 65, 0.5}, {NGram(), 3, 1.1}, {NGram(), 3, math.NaN()}} {
		if _, err := c.Speculate(Roofline, Workload{Batch: 1, Prompt: 1, Generate: 1}, s); err == nil {
			t.Errorf("%+v is priced", s)
		}
	}
}
