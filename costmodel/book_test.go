package costmodel

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/internal/golden"
	"github.com/OWNER/ridgeline/precision"
)

// bookMixers are one mixer of each kind, with sizes that tell each other apart and that two ranks
// divide.
func bookMixers() []arch.Mixer {
	return []arch.Mixer{
		arch.Attention{Heads: 12, KVHeads: 4, HeadDim: 10, RotaryDim: 6},
		arch.BlockSparse{Heads: 12, KVHeads: 4, HeadDim: 10, QKNorm: true, RotaryDim: 6, Block: 3, TopBlocks: 4, LocalBlocks: 1, IndexDim: 8},
		arch.MoA{Experts: 6, TopK: 2, KVHeads: 4, HeadDim: 10, RotaryDim: 6, Bias: true},
		arch.MLA{Heads: 4, QRank: 14, KVRank: 18, NopeDim: 6, RopeDim: 4, ValueDim: 9},
		arch.MLA{Heads: 4, QRank: 14, KVRank: 18, NopeDim: 6, RopeDim: 4, ValueDim: 9, IndexTopK: 11, IndexHeads: 2, IndexDim: 8},
		arch.Mamba1{DInner: 44, DState: 3, DConv: 4, DtRank: 5, ConvBias: true},
		arch.Mamba2{Heads: 12, HeadDim: 6, DState: 5, Groups: 2, DConv: 4, ConvBias: true},
		arch.GatedDeltaNet{KHeads: 4, VHeads: 8, KDim: 3, VDim: 5, DConv: 4},
		arch.KDA{Heads: 4, HeadDim: 7, DConv: 4},
		arch.RGLRU{Heads: 4, HeadDim: 7, DConv: 4, Act: arch.GELUTanh},
		arch.MLSTM{Heads: 4, KDim: 3, VDim: 5},
		arch.RWKV4{Inner: 26, Stream: 32},
		arch.RWKV5{Heads: 4, HeadDim: 7, Stream: 32},
		arch.RWKVChannelMix{Inner: 26, Stream: 32},
		arch.SharedBlock{Heads: 12, KVHeads: 4, HeadDim: 10, RotaryDim: 6, Inner: 22, Act: arch.GELU},
		arch.ShortConv{Channels: 26, DConv: 3},
		arch.Lightning{Heads: 4, HeadDim: 7},
		arch.GMU{Memory: arch.To(0), From: arch.ScanMemory, DMem: 44},
		arch.GMU{Memory: arch.To(0), From: arch.ScanMemory, DMem: 44, Normed: true},
		arch.GMU{Memory: arch.To(0), From: arch.OutputMemory, DMem: 32, Variant: arch.SigmoidGMU},
	}
}

func bookNetworks() []arch.FFN {
	return []arch.FFN{
		arch.MLP{Inner: 22, Gated: true},
		arch.MLP{Inner: 22, Act: arch.GELU},
		arch.MoE{Experts: 6, TopK: 2, Inner: 14, Gated: true},
		arch.MLPMoE{Inner: 22, Experts: 6, TopK: 2, ExpertInner: 14},
		arch.ShortcutMoE{Inner: 22, Experts: 6, Zero: 3, TopK: 2, ExpertInner: 14},
	}
}

var bookBasis = [numBase]string{"1", "row", "sequence", "pair", "row seen", "ring row", "hit"}

// form writes a linear form: "12/row + 3/pair".
func form(c *Coef) string {
	var terms []string
	for i, x := range c {
		if x != 0 {
			terms = append(terms, fmt.Sprintf("%.6g/%s", x, bookBasis[i]))
		}
	}
	return strings.Join(terms, "+")
}

var bookPrices = map[pricing]string{asStream: "streams", asProduct: "a product", asExperts: "a product of experts", asAttention: "attention",
	asRecurrent: "a recurrent kernel", asScan: "a scan", asReduce: "a collective", asMessage: "an exchange"}

// opLine writes all of an operation but its layer.
func opLine(o *Op) string {
	var b strings.Builder
	facts := &kernelTable[o.Kernel]
	fmt.Fprintf(&b, "%s: %s, %s, part %d, in %s", o.Name, o.Kernel.Class(), bookPrices[facts.price], o.Part, o.Compute)
	if o.Weight != precision.Unset {
		fmt.Fprintf(&b, ", weights %s", o.Weight)
	}
	if o.KV != precision.Unset {
		fmt.Fprintf(&b, ", cache %s", o.KV)
	}
	if f := form(&o.FLOPs); f != "" {
		fmt.Fprintf(&b, "; %s FLOPs", f)
	}
	for k := range o.Bytes {
		if f := form(&o.Bytes[k]); f != "" {
			fmt.Fprintf(&b, "; %s %s", Kind(k), f)
		}
	}
	if f := form(&o.Link); f != "" {
		fmt.Fprintf(&b, "; link %s", f)
	}
	if o.Reused {
		b.WriteString("; reused")
	}
	if o.Only != EveryPhase {
		fmt.Fprintf(&b, "; phase %d", o.Only)
	}
	if s := set(o.Shape); s != "" {
		fmt.Fprintf(&b, "; shape%s", s)
	}
	return b.String()
}

// set lists the fields of a struct that are not zero.
func set(v any) string {
	text := ""
	x := reflect.ValueOf(v)
	for i := range x.NumField() {
		if f := x.Field(i); f.IsValid() && !f.IsZero() {
			text += fmt.Sprintf(" %s=%v", x.Type().Field(i).Name, short(f))
		}
	}
	return text
}

// book lists operations: of further lists those lines alone that the first does not have, and what
// stands outside the layers once.
type book struct {
	strings.Builder
	before, ends map[string]bool
}

func (b *book) list(title string, m *arch.Model, o Options, prefill, all bool) {
	ops, err := Ops(m, o, prefill)
	if err != nil {
		fmt.Fprintf(b, "  %s: refused: %v\n", title, err)
		return
	}
	now := map[string]bool{}
	var lines []string
	for i := range ops {
		l := opLine(&ops[i])
		if now[l] = true; (all || !b.before[l]) && !b.ends[l] {
			lines = append(lines, l)
		}
		if ops[i].Part == InEnds {
			b.ends[l] = true
		}
	}
	if all {
		b.before = now
	}
	gone := 0
	for l := range b.before {
		if !now[l] {
			gone++
		}
	}
	if len(lines) == 0 && gone == 0 {
		return
	}
	fmt.Fprintf(b, "  %s: %d operations", title, len(ops))
	if gone > 0 {
		fmt.Fprintf(b, ", %d as before are gone", gone)
	}
	fmt.Fprintln(b)
	for _, l := range lines {
		fmt.Fprintf(b, "    %s\n", l)
	}
}

// bookModel is a layer of a mixer and a network. What reads another layer has one in front.
func bookModel(x arch.Mixer, f arch.FFN) *arch.Model {
	m := &arch.Model{Name: "book", Width: 32, Vocab: 51, Layers: []arch.Layer{{Mixer: x, FFN: f}}}
	if _, ok := x.(arch.MemoryReader); ok {
		m.Layers = []arch.Layer{{Mixer: arch.Mamba1{DInner: 44, DState: 3, DConv: 4, DtRank: 5}}, {Mixer: x, FFN: f}}
	}
	if l := len(m.Layers) - 1; m.Layers[l].Deferred() {
		m.Layers = append(m.Layers, arch.Layer{FFN: arch.MLP{Inner: 4}})
	}
	return m
}

// flags goes through a part with each of its flags turned over, and each size that may be 0 set.
func flags(fields []arch.Field, f func(key string, change func([]arch.Field))) {
	for _, field := range fields {
		key := field.Key
		var to any
		switch v := field.Get().(type) {
		case bool:
			to = !v
		case int:
			if to = 4; !field.AllowZero && key != "window" || v != 0 {
				continue
			}
		case float64:
			if to = 30.0; key != "logit_cap" {
				continue
			}
		case arch.Activation:
			if to = arch.ReLU; v == arch.ReLU {
				continue
			}
		default:
			continue
		}
		f(fmt.Sprintf("%s %v", key, to), func(fs []arch.Field) {
			for _, x := range fs {
				if x.Key == key {
					x.Set(to)
				}
			}
		})
	}
}

// The book of operations: of every kind of mixer and network, of its options, of how it is
// deployed and of what stands around the layers, the kernel, arithmetic, bytes, link and shape of
// each operation.
func TestBookOfOperations(t *testing.T) {
	b := book{ends: map[string]bool{}}
	deployments := []struct {
		name string
		o    Options
	}{
		{"two ranks", Options{TP: 2}}, {"eight ranks", Options{TP: 8}}, {"four passes", Options{Diff: execution.FourPass}},
		{"read per query head", Options{KVRead: execution.PerQueryHead}}, {"per query head where windowed", Options{KVRead: execution.PackedUnlessWindowed}},
		{"formats", Options{Weights: formats.Of(precision.INT4), KV: precision.FP8, State: precision.FP32, ConvState: precision.FP16, Activations: precision.FP32}},
	}
	for _, x := range bookMixers() {
		m := bookModel(x, nil)
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s, %s\n", x.Kind(), x.Shape())
		b.list("step", m, Options{}, false, true)
		b.list("prompt", m, Options{}, true, false)
		for _, d := range deployments {
			b.list(d.name, m, d.o, false, false)
		}
		flags(arch.Fields(x), func(key string, change func([]arch.Field)) {
			m := bookModel(arch.EditFields(x, change), nil)
			if m.Check() == nil {
				b.list(key, m, Options{}, false, false)
			}
		})
	}
	for _, f := range bookNetworks() {
		m := bookModel(nil, f)
		fmt.Fprintf(&b, "%s, %s\n", f.Kind(), f.Shape())
		b.list("step", m, Options{}, false, true)
		for _, d := range deployments {
			b.list(d.name, m, d.o, false, false)
		}
		flags(arch.FFNFields(f), func(key string, change func([]arch.Field)) {
			m := bookModel(nil, arch.EditFFNFields(f, change))
			if m.Check() == nil {
				b.list(key, m, Options{}, false, false)
			}
		})
	}

	attention := bookMixers()[0].(arch.Attention)
	turned := func(change func(a *arch.Attention)) arch.Mixer {
		a := attention
		change(&a)
		return a
	}
	for _, tt := range []struct {
		name string
		x    arch.Mixer
		o    Options
	}{
		{"differential with a window, four passes read per query head", turned(func(a *arch.Attention) {
			a.Differential, a.Window, a.Alibi, a.LogitCap, a.DeclaredWindow = true, 4, true, 9, 7
		}), Options{Diff: execution.FourPass, KVRead: execution.PackedUnlessWindowed}},
		{"differential on four ranks of fewer pairs", turned(func(a *arch.Attention) { a.Differential, a.Heads, a.KVHeads = true, 8, 4 }), Options{TP: 4}},
		{"differential, its norm bare", turned(func(a *arch.Attention) { a.Differential, a.DiffNormBare = true, true }), Options{}},
		{"all of its norms, in chunks", turned(func(a *arch.Attention) {
			a.Window, a.Chunked, a.QKNorm, a.QKNormWide, a.QKLayerNorm, a.QKNormBias, a.ValueNorm, a.KeysAsValues, a.InnerNorm = 4, true, true, true, true, true, true, true, true
		}), Options{TP: 2}},
		{"norms of heads", turned(func(a *arch.Attention) { a.QKNorm, a.QKNormHeads, a.OutputGate, a.ValueDim = true, true, true, 8 }), Options{TP: 2}},
	} {
		fmt.Fprintln(&b, tt.name)
		b.list("step", bookModel(tt.x, nil), tt.o, false, true)
		b.list("prompt", bookModel(tt.x, nil), tt.o, true, false)
	}

	// A decoder of two halves: who makes keys for all rows, who runs on the last alone.
	cross := turned(func(a *arch.Attention) { a.KVSource = arch.To(1) })
	scan := arch.Mamba1{DInner: 44, DState: 3, DConv: 4, DtRank: 5}
	mlp := arch.MLP{Inner: 22, Gated: true}
	halves := &arch.Model{Name: "halves", Width: 32, Vocab: 51, Tied: true, HeadBias: true, Norm: arch.LayerNorm, EmbedNorm: true, Positions: 60, LogitCap: 30, Layers: []arch.Layer{
		{Mixer: scan, FFN: mlp}, {Mixer: attention, FFN: arch.MoE{Experts: 6, TopK: 2, Inner: 14, SharedInner: 8, SharedGate: true}},
		{Mixer: arch.GMU{Memory: arch.To(0), From: arch.ScanMemory, DMem: 44}, FFN: mlp}, {Mixer: cross, FFN: mlp},
		{Mixer: arch.GMU{Memory: arch.To(2), From: arch.OutputMemory, DMem: 32, Variant: arch.SigmoidGMU}, FFN: arch.MoE{Experts: 6, TopK: 2, Inner: 14}},
	}}
	fmt.Fprintln(&b, "two halves")
	b.list("step", halves, Options{}, false, true)
	b.list("prompt", halves, Options{}, true, false)
	b.list("prompt in full", halves, Options{Prefill: execution.Full}, true, false)
	b.list("two ranks", halves, Options{TP: 2}, true, false)

	// Blocks, and what stands beside the layers.
	for _, block := range arch.Blocks() {
		for _, norm := range arch.Norms() {
			m := bookModel(attention, mlp)
			m.Layers[0].Block, m.Norm = block, norm
			if block == arch.SideInput {
				m.Layers[0].Mixer = arch.Parallel{Mixers: []arch.Mixer{attention, scan}}
			}
			if norm != arch.RMSNorm && block != arch.PreNorm {
				continue
			}
			fmt.Fprintf(&b, "%s, %s\n", block, norm)
			b.list("step", m, Options{}, false, true)
		}
	}
	m := bookModel(arch.Parallel{Mixers: []arch.Mixer{attention, scan}}, mlp)
	m.LayerInput, m.LayerScales = arch.LayerInput{Width: 5, Vocab: 40, Act: arch.GELU}, true
	fmt.Fprintln(&b, "side by side, with inputs of the layers' own")
	b.list("step", m, Options{}, false, true)
	b.list("prompt", m, Options{TP: 2}, true, false)
	m = bookModel(attention, arch.MLP{Inner: 22, Gated: true, Sparsity: 0.5})
	m.AltUp, m.LayerInput, m.LaurelRank, m.Norm = arch.AltUp{Streams: 3, Active: 1}, arch.LayerInput{Width: 5, Vocab: 40}, 3, arch.LayerNorm
	fmt.Fprintln(&b, "several streams, a branch beside the mixers")
	b.list("step", m, Options{}, false, true)
	b.list("prompt", m, Options{TP: 2}, true, false)
	block := arch.SharedBlock{Heads: 12, KVHeads: 4, HeadDim: 10, Inner: 22, Adapter: 3, AttentionAdapter: 5}
	again, _ := arch.UsingWeights(block, arch.To(0))
	m = bookModel(block, nil)
	m.Layers = append(m.Layers, arch.Layer{Mixer: again})
	fmt.Fprintln(&b, "weights used again")
	b.list("step", m, Options{}, false, true)

	// Weights as a checkpoint stores them.
	fp8, int4 := formats.Of(precision.FP8), formats.Of(precision.INT4)
	stored := bookModel(attention, arch.MoE{Experts: 6, TopK: 2, Inner: 14, Bias: true, RouterBias: true})
	stored.EmbeddingStored, stored.HeadStored, stored.FinalNormStored = arch.Stored{Format: fp8, Bytes: 1700}, arch.Stored{Format: fp8, Bytes: 1750}, arch.Stored{Format: formats.Plain(precision.FP32), Bytes: 128}
	stored.Layers[0].Stored = arch.StoreWeights(map[string]arch.Stored{"mixer.qkv": {Format: int4, Bytes: 3300}, "mixer_norm": {Format: formats.Plain(precision.FP32), Bytes: 128},
		"ffn.up": {Format: int4, Bytes: 1600}, "ffn.up_bias": {Format: formats.Plain(precision.FP32), Bytes: 4 * 6 * 14}})
	fmt.Fprintln(&b, "as a checkpoint stores it")
	b.list("step", stored, Options{}, false, true)
	b.list("priced as int4", stored, Options{Weights: int4}, false, false)
	stored.WeightDType, stored.ExpertDType, stored.StateDType, stored.KVDType, stored.ConvDType = precision.FP16, precision.MXFP4, precision.FP32, precision.FP8, precision.FP32
	b.list("and names formats", stored, Options{}, false, false)
	b.list("and names formats, priced as int4", stored, Options{Weights: int4}, false, false)
	beside := bookModel(arch.Parallel{Mixers: []arch.Mixer{scan, block}}, nil)
	beside.Layers = append(beside.Layers, arch.Layer{Mixer: again})
	beside.Layers[0].Stored = arch.StoreWeights(map[string]arch.Stored{"mixer.1.qkv": {Format: int4, Bytes: 7000}, "mixer.1.up": {Format: fp8, Bytes: 1500}})
	fmt.Fprintln(&b, "weights used again of a block beside a scan, as a checkpoint stores them")
	b.list("step", beside, Options{}, false, true)
	golden.Check(t, "operations.txt", b.String())
}

// frozen is a measured GPU that no later fit changes, with an engine whose figures are round.
func frozen(t testing.TB, m *arch.Model, o Options) *Compiled {
	t.Helper()
	data, err := os.ReadFile("testdata/frozen.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if o.Calibration, err = kerneltime.Parse("frozen.yaml", data); err != nil {
		t.Fatal(err)
	}
	f := func(v float64) hardware.Figure { return hardware.Figure{Value: v, Source: "test"} }
	hw := &hardware.Profile{Name: "frozen", Vendor: "NVIDIA", Arch: "hopper",
		Peak: map[precision.DType]hardware.Figure{
			precision.BF16: f(989e12), precision.FP16: f(989e12), precision.FP32: f(67e12), precision.FP8: f(1979e12)},
		MemoryBandwidth: f(4.8e12), CacheBandwidth: f(9e12), MemoryCapacity: f(141e9), Cache: f(50e6), Units: f(132), LinkBandwidth: f(450e9), MaxLinked: f(8), TDP: f(700)}
	c, err := Compile(m, hw, o)
	if err != nil {
		t.Fatal(err)
	}
	c.engine = &kerneltime.Engine{Name: "round", Host: 100e-6, Sequence: 3e-6, Stream: 2e-6, Gap: 1e-6, Interleave: 0.5}
	return c
}

// largeModels are decoders of the sizes that people run, one or more of each kind of layer.
func largeModels() map[string]*arch.Model {
	swa := arch.Attention{Heads: 32, KVHeads: 8, HeadDim: 128, Window: 1024, RotaryDim: 128}
	full := arch.Attention{Heads: 32, KVHeads: 8, HeadDim: 128, RotaryDim: 128}
	diff := arch.Attention{Heads: 40, KVHeads: 20, HeadDim: 64, Differential: true}
	chunked := swa
	chunked.Chunked = true
	mlp := arch.MLP{Inner: 10240, Gated: true}
	all := map[string]*arch.Model{}
	add := func(name string, layers ...arch.Layer) {
		all[name] = &arch.Model{Name: name, Width: 4096, Vocab: 128256, Layers: layers}
	}
	scan := arch.Mamba1{DInner: 8192, DState: 16, DConv: 4, DtRank: 256, ConvBias: true}
	cross := diff
	cross.KVSource = arch.To(1)
	add("hybrid", arch.Layer{Mixer: scan, FFN: mlp}, arch.Layer{Mixer: diff, FFN: mlp}, arch.Layer{Mixer: arch.GMU{Memory: arch.To(0), From: arch.ScanMemory, DMem: 8192, Normed: true}, FFN: mlp},
		arch.Layer{Mixer: cross, FFN: mlp})
	add("windows", arch.Layer{Mixer: swa, FFN: mlp}, arch.Layer{Mixer: chunked, FFN: arch.MLP{Inner: 10240, Act: arch.ReLU2}}, arch.Layer{Mixer: full, FFN: mlp})
	add("experts", arch.Layer{Mixer: full, FFN: arch.MoE{Experts: 64, TopK: 6, Inner: 1408, Gated: true, SharedInner: 2816}}, arch.Layer{Mixer: full, FFN: mlp})
	add("mamba2", arch.Layer{Mixer: arch.Mamba2{Heads: 128, HeadDim: 64, DState: 128, Groups: 8, DConv: 4, ConvBias: true}}, arch.Layer{FFN: mlp}, arch.Layer{Mixer: full})
	add("delta", arch.Layer{Mixer: arch.GatedDeltaNet{KHeads: 16, VHeads: 32, KDim: 128, VDim: 128, DConv: 4}, FFN: mlp}, arch.Layer{Mixer: arch.KDA{Heads: 32, HeadDim: 128, DConv: 4}, FFN: mlp})
	add("latent", arch.Layer{Mixer: arch.MLA{Heads: 32, QRank: 1536, KVRank: 512, NopeDim: 128, RopeDim: 64, ValueDim: 128}, FFN: mlp},
		arch.Layer{Mixer: arch.MLA{Heads: 32, QRank: 1536, KVRank: 512, NopeDim: 128, RopeDim: 64, ValueDim: 128, IndexTopK: 2048, IndexHeads: 64, IndexDim: 128}, FFN: mlp})
	add("recurrent", arch.Layer{Mixer: arch.Lightning{Heads: 32, HeadDim: 128}, FFN: mlp}, arch.Layer{Mixer: arch.RGLRU{Heads: 16, HeadDim: 256, DConv: 4, Act: arch.GELUTanh}, FFN: mlp},
		arch.Layer{Mixer: arch.MLSTM{Heads: 8, KDim: 256, VDim: 512}, FFN: mlp}, arch.Layer{Mixer: arch.RWKV4{Inner: 4096, Stream: 4096}}, arch.Layer{Mixer: arch.RWKV5{Heads: 64, HeadDim: 64, Stream: 4096}},
		arch.Layer{Mixer: arch.RWKVChannelMix{Inner: 14336, Stream: 4096}}, arch.Layer{Mixer: arch.ShortConv{Channels: 4096, DConv: 3}, FFN: mlp})
	return all
}

// The book of times: what every fidelity says of steps, generations, prompts and mixed steps, by
// the whole and by operation, of memory and of comparisons.
func TestBookOfTimes(t *testing.T) {
	var b strings.Builder
	num := func(v float64) string { return fmt.Sprintf("%.6g", v) }
	models := largeModels()
	for _, name := range slices.Sorted(maps.Keys(models)) {
		for _, d := range []struct {
			name string
			o    Options
		}{{"", Options{}}, {", two ranks", Options{TP: 2}}, {", fp8, read per query head, four passes, all layers in prompts", Options{Weights: formats.Of(precision.FP8), KV: precision.FP8,
			KVRead: execution.PerQueryHead, Diff: execution.FourPass, Prefill: execution.Full, Cache: execution.FullWindow, MemoryFraction: 0.9}}} {
			m := models[name]
			c := frozen(t, m, d.o)
			fmt.Fprintf(&b, "%s%s\n  %s\n", name, d.name, c.Formats())
			for _, f := range []Fidelity{Limit, Roofline, Calibrated} {
				p := c.At(f)
				fmt.Fprintf(&b, "  %s, %s\n    steps", f, p.Basis())
				for _, batch := range []int{1, 16, 300} {
					for _, n := range []int{1, 900, 1025, 40000} {
						fmt.Fprintf(&b, " %s", num(p.Step(batch, n)))
					}
				}
				fmt.Fprint(&b, "\n    generations and prompts")
				for _, w := range []Workload{{Prompt: 0, Generate: 3, Batch: 1}, {Prompt: 700, Generate: 1000, Batch: 8}, {Prompt: 6000, Generate: 20000, Batch: 64}} {
					low, high, ok := p.Interval(w)
					fmt.Fprintf(&b, " %s (%s to %s, %v) %s", num(p.Generation(w)), num(low), num(high), ok, num(p.Prefill(w)))
				}
				contexts := []int{5, 800, 1020, 30000}
				padded := mixOf(c, contexts)
				padded.Padded = 16
				fmt.Fprint(&b, "\n    mixed")
				for _, mix := range []*Mix{mixOf(c, contexts), padded, mixOf(c, contexts, Call{Batch: 2, New: 300, Past: 500}, Call{Batch: 1, New: 3000}), mixOf(c, nil, Call{Batch: 3, New: 1500})} {
					fmt.Fprintf(&b, " %s", num(p.Mixed(mix)))
				}
				fmt.Fprintf(&b, "; run %s %s %s\n", num(p.Run(mixOf(c, contexts), 4)), num(p.Run(padded, 4)), num(p.Run(mixOf(c, []int{2000, 7000}), 100)))
			}
			w := Workload{Prompt: 700, Generate: 1000, Batch: 8}
			mem := c.Memory(w)
			fmt.Fprintf(&b, "  memory%s\n  largest batches %d %d %d, engine %s, launches", set(mem), c.MaxBatch(w), c.MaxBatch(Workload{Prompt: 30000, Generate: 1}), c.MaxBatch(Workload{Prompt: 100, Generate: 1 << 20}), num(c.EngineSeconds(5)))
			step, streams, prompts := c.Launches()
			fmt.Fprintf(&b, " %s %s %s, served %s\n", num(step), num(streams), num(prompts), num(c.ServedTPOT(w)))
			for _, f := range []Fidelity{Limit, Roofline, Calibrated} {
				for _, prompt := range []bool{false, true} {
					ops, what := c.At(f).Ops(w), "step"
					if prompt {
						ops, what = c.At(f).PrefillOps(w), "prompt"
					}
					if d.name != "" || prompt && f == Roofline {
						continue
					}
					fmt.Fprintf(&b, "  %s, %s by operation\n", f, what)
					for _, o := range ops {
						fmt.Fprintf(&b, "    %s ×%d %s: %s s, %s of all, %s of %s FLOPs a byte, bound by %s\n", o.Name, o.Layers, o.Detail, num(o.Seconds), num(o.Share), num(o.Intensity), num(o.Ridge), o.Bound)
					}
				}
				e, err := c.Estimate(f, w)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&b, "  %s: decode%s; prompts%s; request %s, served %s by %q, beyond %d, bound", f, set(e.Decode), set(e.Prefill), num(e.RequestSeconds), num(e.ServedTPOTSeconds), e.Engine, e.BeyondContext)
				for _, x := range e.Time {
					fmt.Fprintf(&b, " %s", num(x))
				}
				fmt.Fprintln(&b)
			}
		}
	}
	rows, err := Compare([]*Compiled{frozen(t, models["windows"], Options{}), frozen(t, models["hybrid"], Options{})}, Calibrated, Workload{Prompt: 3000, Generate: 2000})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		fmt.Fprintf(&b, "compared: batch %d, %s tokens/s, at the largest batch %s, speedup %s, roofline %s\n", r.Workload.Batch, num(r.Decode.TokensPerSecond), num(r.TokensPerSecondAtMax), num(r.Speedup), num(r.Roofline.Decode.MeanStepSeconds))
	}
	golden.Check(t, "times.txt", b.String())
}

// short is a value to six digits.
func short(v reflect.Value) any {
	if v.Kind() == reflect.Float64 {
		return fmt.Sprintf("%.6g", v.Float())
	}
	return v
}
