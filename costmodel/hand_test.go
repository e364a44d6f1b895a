package costmodel

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
)

// The operations of recurrent layers and GMUs, counted by hand for three sequences of one
// new position. Weights, activations and cache take 2 B an element, states 2 B as well.
func TestMixerOperationsByHand(t *testing.T) {
	mamba2 := arch.Mamba2{Heads: 6, HeadDim: 4, DState: 5, Groups: 3, DConv: 4, ConvBias: true}
	bare := mamba2
	bare.NoNorm = true
	delta := arch.GatedDeltaNet{KHeads: 2, VHeads: 4, KDim: 3, VDim: 5, DConv: 4}
	full := arch.Attention{Heads: 4, KVHeads: 4, HeadDim: 16}
	const rows, el = 3, 2
	for _, tt := range []struct {
		name   string
		mixers []arch.Mixer
		op     string
		want   Work
	}{
		// Per head Δ and the decay (4), Δ·x and D·x (3 a channel), and 5 an element of state.
		{"Mamba-2's scan", []arch.Mixer{mamba2}, "mamba2.ssd", Work{FLOPs: rows * (6*4 + 24*3 + 24*5*5), Bytes: [NumKinds]float64{
			Weights: el * 3 * 6, ActRead: el * rows * (24 + 2*3*5 + 6), ActWrite: el * rows * 24, StateRead: el * rows * 24 * 5, StateWrite: el * rows * 24 * 5}}},
		// Channels of x, B and C; four taps are three inputs back.
		{"Mamba-2's convolution", []arch.Mixer{mamba2}, "mamba2.conv", Work{FLOPs: rows * (54*2*4 + 54*2), Bytes: [NumKinds]float64{
			Weights: el * (54*4 + 54), ActRead: el * rows * 54, ActWrite: el * rows * 54, StateRead: el * rows * 54 * 3, StateWrite: el * rows * 54 * 3}}},
		{"its gate and norm", []arch.Mixer{mamba2}, "mamba2.gate", Work{FLOPs: rows * 7 * 24, Bytes: [NumKinds]float64{Weights: el * 24, ActRead: el * rows * 48, ActWrite: el * rows * 24}}},
		{"its gate alone", []arch.Mixer{bare}, "mamba2.gate", Work{FLOPs: rows * 3 * 24, Bytes: [NumKinds]float64{ActRead: el * rows * 48, ActWrite: el * rows * 24}}},
		// Per value head β and the decay (5), β·(v − …) (2 an element of v), 7 an element of state.
		{"the gated delta rule", []arch.Mixer{delta}, "gdn.delta", Work{FLOPs: rows * 4 * (5 + 2*5 + 7*3*5), Bytes: [NumKinds]float64{
			Weights: el * 2 * 4, ActRead: el * rows * (2*6 + 20 + 2*4), ActWrite: el * rows * 20, StateRead: el * rows * 4 * 15, StateWrite: el * rows * 4 * 15}}},
		{"lengths of keys and queries", []arch.Mixer{delta}, "gdn.l2norm", Work{FLOPs: rows * 6 * 6, Bytes: [NumKinds]float64{ActRead: el * rows * 12, ActWrite: el * rows * 12}}},
		{"a GMU's gate", []arch.Mixer{bare, arch.GMU{Memory: arch.To(0), From: arch.ScanMemory, DMem: 24}}, "gmu.gate",
			Work{FLOPs: rows * 3 * 24, Bytes: [NumKinds]float64{ActRead: el * rows * 48, ActWrite: el * rows * 24}}},
		{"a normed one reads its norm too", []arch.Mixer{bare, arch.GMU{Memory: arch.To(0), From: arch.ScanMemory, DMem: 24, Normed: true}}, "gmu.gate",
			Work{FLOPs: rows * 7 * 24, Bytes: [NumKinds]float64{Weights: el * 24, ActRead: el * rows * 48, ActWrite: el * rows * 24}}},
		// The gate sees the current input and the mixed one side by side: 128 to 64, with a bias.
		{"a sigmoid GMU's gate", []arch.Mixer{full, arch.GMU{Memory: arch.To(0), From: arch.OutputMemory, DMem: 64, Variant: arch.SigmoidGMU}}, "sgmu.gate",
			Work{FLOPs: rows * (2*128*64 + 64), Bytes: [NumKinds]float64{Weights: el * (128*64 + 64), ActRead: el * rows * 128, ActWrite: el * rows * 64}}},
		{"and its blend", []arch.Mixer{full, arch.GMU{Memory: arch.To(0), From: arch.OutputMemory, DMem: 64, Variant: arch.SigmoidGMU}}, "sgmu.blend",
			Work{FLOPs: rows * 7 * 64, Bytes: [NumKinds]float64{ActRead: el * rows * 3 * 64, ActWrite: el * rows * 64}}},
	} {
		ops, err := Ops(layers(t, nil, tt.mixers...), Options{}, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := opNamed(t, ops, tt.op).Work(Call{Batch: rows, New: 1, Past: 9}); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// Rows that a CUDA graph adds as padding pass products, norms and gates; attention,
// recurrences and the head run for the sequences there are.
func TestPaddedRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		decodes, context := rapid.IntRange(1, 9).Draw(t, "sequences"), rapid.IntRange(1, 300).Draw(t, "context")
		padded := decodes + rapid.IntRange(1, 9).Draw(t, "padding")
		m := mixOf(c, alike(decodes, context))
		m.Padded = padded
		for i := range c.decode {
			o := &c.decode[i].Op
			n := padded
			switch o.Kernel.Class() {
			case Attn, Scan, Conv:
				n = decodes
			}
			if o.Shape.RowsAreSeqs {
				n = decodes
			}
			want := o.Work(Call{Batch: n, New: 1, Past: context - 1})
			if got := c.mixedWork(o, m); !close9(got.FLOPs, want.FLOPs) || !close9(got.Bytes[ActRead], want.Bytes[ActRead]) {
				t.Fatalf("%s of %d sequences in a graph of %d: %g FLOPs and %g B read, want those of %d rows, %g and %g",
					o.Name, decodes, padded, got.FLOPs, got.Bytes[ActRead], n, want.FLOPs, want.Bytes[ActRead])
			}
		}
	})
}

// The first step of a generation sees the prompt and its own position, the last all of
// them; of one token both are the mean.
func TestFirstAndLastStep(t *testing.T) {
	c := compiled(t, "phi4-mini-flash", "h200", Options{})
	for _, f := range []Fidelity{Limit, Roofline, Calibrated} {
		one, err := c.Estimate(f, Workload{Prompt: 700, Generate: 1, Batch: 16})
		if err != nil {
			t.Fatal(err)
		}
		if d := one.Decode; !close9(d.FirstStepSeconds, d.MeanStepSeconds) || !close9(d.LastStepSeconds, d.MeanStepSeconds) {
			t.Errorf("%v: one token takes %g s, its first step %g, its last %g", f, d.MeanStepSeconds, d.FirstStepSeconds, d.LastStepSeconds)
		}
		many, err := c.Estimate(f, Workload{Prompt: 700, Generate: 5000, Batch: 16})
		if err != nil {
			t.Fatal(err)
		}
		if d := many.Decode; d.FirstStepSeconds != c.At(f).Step(16, 701) || d.LastStepSeconds != c.At(f).Step(16, 5700) {
			t.Errorf("%v: steps from %g to %g s, of contexts 701 and 5,700 they are %g and %g", f, d.FirstStepSeconds, d.LastStepSeconds, c.At(f).Step(16, 701), c.At(f).Step(16, 5700))
		}
	}
}

// Rows of padding take the time that products of so many rows take.
func TestPaddedProductsTakeTheirRows(t *testing.T) {
	k := compiled(t, "llama-3.1-8b", "h200", Options{}).calibrated().(*calibrated)
	more := 0.0
	for i := range k.fixed {
		if x := &k.fixed[i]; x.op.Name == "mlp.up" {
			more = k.seconds(x, 1024, 1, 1) - k.seconds(x, 1, 1, 1)
		}
	}
	if got := k.steady(1, 1024) - k.steady(1, 1); more <= 0 || got < more {
		t.Errorf("1,023 rows of padding take %g s, in one of the products alone %g", got, more)
	}
}

// A prompt's recurrent layers run the kernels of prompts over all its tokens, not those of a
// step.
func TestPromptsRunPromptKernels(t *testing.T) {
	c := compiled(t, "qwen3.5-27b", "h200", Options{})
	k := c.calibrated().(*calibrated)
	call, found := Call{Batch: 2, New: 3000}, 0
	for i := range k.prefill {
		x := &k.prefill[i]
		if x.price != asRecurrent {
			continue
		}
		found++
		work := x.op.Work(call)
		s := x.recurrent
		s.Kernel, s.Batch, s.Tokens = kernelTable[x.op.Kernel].prompt, 2, 3000
		if got, want := x.prompt(k.profile, k.engine, 1, call, &work).Seconds, k.profile.Recurrent(s).Seconds; got != want {
			t.Errorf("%s of 2 prompts of 3,000 tokens: %g s, its kernel takes %g", x.op.Name, got, want)
		}
	}
	if found == 0 {
		t.Error("the model has no recurrent layers")
	}
}

// Where engines keep windowed layers whole, a position is stored by all of them.
func TestFullWindowStoresAll(t *testing.T) {
	swa := arch.Attention{Heads: 4, KVHeads: 2, HeadDim: 16, Window: 32}
	full := swa
	full.Window = 0
	m := layers(t, nil, swa, full, swa)
	for cache, want := range map[execution.CacheMode]float64{execution.Ring: 1 * 64 * 2, execution.FullWindow: 3 * 64 * 2} {
		c, err := Compile(m, testGPU(), Options{Cache: cache})
		if err != nil {
			t.Fatal(err)
		}
		w := Workload{Batch: 1, Prompt: 100, Generate: 28}
		per, seq := c.Memory(w).CacheBytesPerToken, want*128
		if cache == execution.Ring {
			seq += 2 * 64 * 2 * 32 // two windows of 32 positions
		}
		if got := c.Memory(w).BytesPerSequence; per != want || got != seq {
			t.Errorf("%v: %g B a position and %g a sequence, want %g and %g", cache, per, got, want, seq)
		}
	}
}

// Recurrences are priced by the shapes their kernels run.
func TestRecurrentShapes(t *testing.T) {
	m := layers(t, nil, arch.Mamba2{Heads: 6, HeadDim: 4, DState: 5, Groups: 3, DConv: 4}, arch.GatedDeltaNet{KHeads: 2, VHeads: 4, KDim: 3, VDim: 5, DConv: 4})
	c, err := Compile(m, testGPU(), Options{Delta: execution.FlashInfer})
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.decode {
		g := &c.decode[i]
		x := c.kernelOf(g)
		r := x.recurrent
		switch g.Name {
		case "mamba2.ssd":
			if y := x.scan; y.Heads != 6 || y.HeadDim != 4 || y.State != 5 || y.Groups != 3 || y.Chunk != ssdChunk {
				t.Errorf("%s: %+v, want 6 heads of 4, state of 5 in 3 groups", g.Name, y)
			}
		case "mamba2.conv":
			if y := x.scan; y.Heads != 54 || y.HeadDim != 1 || y.State != 4 {
				t.Errorf("%s: %+v, want 54 channels and 4 taps", g.Name, y)
			}
		case "gdn.delta":
			if r.KeyHeads != 2 || r.KeyDim != 3 || r.ValueHeads != 4 || r.ValueDim != 5 {
				t.Errorf("%s: %+v, want 2 keys of 3 and 4 values of 5", g.Name, r)
			}
		}
	}
}

// At the limit a step is charged to what binds all of it: the operations' times sum to the
// step's, and none of the other resources has a larger sum.
func TestLimitChargesWhatBinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		w := Workload{Prompt: rapid.IntRange(0, 300).Draw(t, "prompt"), Generate: 1, Batch: rapid.IntRange(1, 400).Draw(t, "batch")}
		sum := 0.0
		for _, o := range c.At(Limit).Ops(w) {
			sum += o.Seconds
		}
		if step := c.At(Limit).Step(w.Batch, w.Prompt+1); !close9(sum, step) {
			t.Fatalf("operations sum to %g s, the step takes %g", sum, step)
		}
		if w.Prompt == 0 {
			return
		}
		sum = 0
		for _, o := range c.At(Limit).PrefillOps(w) {
			sum += o.Seconds
		}
		if prefill := c.At(Limit).Prefill(w); !close9(sum, prefill) {
			t.Fatalf("operations of the prefill sum to %g s, it takes %g", sum, prefill)
		}
	})
}

// Prompt and answer together are held against the context that a model is made for.
func TestBeyondContext(t *testing.T) {
	m := layers(t, nil, arch.Attention{Heads: 4, KVHeads: 4, HeadDim: 16})
	for context, want := range map[int]int{0: 0, 1000: 0, 999: 1, 100: 900} {
		m.MaxContext = context
		c, err := Compile(m, testGPU(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.BeyondContext(Workload{Prompt: 700, Generate: 300, Batch: 1}); got != want {
			t.Errorf("made for %d: 700 + 300 positions are %d beyond, want %d", context, got, want)
		}
	}
}

// An output gate of attention is made beside queries, keys and values; windows are listed
// once each; a request is its prompt and its answer.
func TestGatedAttentionAndRequests(t *testing.T) {
	a := arch.Attention{Heads: 4, KVHeads: 2, HeadDim: 16, OutputGate: true, Window: 8}
	m := layers(t, nil, a, a, arch.Attention{Heads: 4, KVHeads: 2, HeadDim: 16, Window: 4})
	c, err := Compile(m, testGPU(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Windows(); len(w) != 2 || w[0] != 4 || w[1] != 8 {
		t.Errorf("windows %v, want 4 and 8", w)
	}
	ops, err := Ops(m, Options{}, false)
	if err != nil {
		t.Fatal(err)
	}
	// 64 of queries, 64 of the gate, 32 each of keys and values, from a width of 64.
	if got, want := opNamed(t, ops, "attn.qkv").Work(Call{Batch: 1, New: 1}).FLOPs, 2.0*64*(64+64+32+32); got != want {
		t.Errorf("the product takes %g FLOPs, want %g", got, want)
	}
	for _, f := range []Fidelity{Limit, Roofline, Calibrated} {
		w := Workload{Prompt: 100, Generate: 10, Batch: 2}
		e, err := c.Estimate(f, w)
		if err != nil {
			t.Fatal(err)
		}
		if want := c.At(f).Prefill(w) + c.At(f).Generation(w); e.RequestSeconds != want || e.TTFT() != c.At(f).Prefill(w) {
			t.Errorf("%v: a request takes %g s and its first token %g, want %g and %g", f, e.RequestSeconds, e.TTFT(), want, c.At(f).Prefill(w))
		}
	}
}

// A prompt of one token is a prompt, one of none is not.
func TestPromptsOfOneToken(t *testing.T) {
	c := compiled(t, "llama-3.1-8b", "h200", Options{})
	for _, f := range []Fidelity{Limit, Roofline, Calibrated} {
		for prompt, want := range map[int]bool{0: false, 1: true} {
			w := Workload{Prompt: prompt, Generate: 1, Batch: 1}
			if got := len(c.At(f).PrefillOps(w)) > 0; got != want {
				t.Errorf("%v: a prompt of %d has operations: %v", f, prompt, got)
			}
			if got := c.At(f).Prefill(w) > 0; got != want {
				t.Errorf("%v: a prompt of %d takes time: %v", f, prompt, got)
			}
			if got := c.PrefillWork(w).FLOPs > 0; got != want {
				t.Errorf("a prompt of %d is work: %v", prompt, got)
			}
		}
	}
}
