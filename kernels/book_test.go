package kernels

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/internal/golden"
	"github.com/OWNER/ridgeline/kernels/internal/layouts"
)

// bookModel is a small model and how it is run.
type bookModel struct {
	m *arch.Model
	o Options
}

// bookModels are models of every kind of part, with each option that changes what is computed or
// counted.
func bookModels(t *testing.T) []bookModel {
	t.Helper()
	var all []bookModel
	every, err := layouts.Each()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range every {
		all = append(all, bookModel{m, Options{}})
	}
	add := func(name string, o Options, change func(m *arch.Model), layers ...arch.Layer) {
		m := &arch.Model{Name: name, Width: 16, Vocab: 23, Layers: layers}
		if change != nil {
			change(m)
		}
		if err := m.Check(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, bookModel{m, o})
	}
	attention := func(change func(a *arch.Attention)) arch.Layer {
		a := arch.Attention{Heads: 6, KVHeads: 2, HeadDim: 8, RotaryDim: 6}
		change(&a)
		return arch.Layer{Mixer: a}
	}
	plain := attention(func(a *arch.Attention) {})
	type n = arch.AttentionNumerics
	for name, x := range map[string]n{
		"scale": {Scale: 0.7}, "value scale": {ValueScale: 0.6}, "norm behind rope": {NormBehindRope: true}, "temperature": {Temperature: 0.4, TemperatureFloor: 3},
		"linear rope": {Rope: arch.RopeScaling{Kind: arch.RopeLinear, Factor: 3}}, "yarn": {Rope: arch.RopeScaling{Kind: arch.RopeYarn, Factor: 4, Original: 40, Fast: 8, Slow: 0.5, Truncate: true}},
		"yarn, untruncated": {Rope: arch.RopeScaling{Kind: arch.RopeYarn, Factor: 4, Original: 40, Fast: 8, Slow: 0.5, Magnitude: 1.3}},
		"llama3":            {Rope: arch.RopeScaling{Kind: arch.RopeLlama3, Factor: 8, Original: 100, Fast: 4, Slow: 1}}, "spread": {Rope: arch.RopeScaling{Spread: 8}}, "adjacent": {Rope: arch.RopeScaling{Adjacent: true}},
	} {
		add("attention, "+name, Options{}, nil, attention(func(a *arch.Attention) { a.Numerics, a.QKNorm = x, true }))
	}
	add("ALiBi", Options{}, nil, attention(func(a *arch.Attention) { a.Alibi, a.Numerics = true, n{AlibiMax: 6, AlibiScale: 0.5} }))
	add("scores capped, sinks, a gate", Options{}, nil, attention(func(a *arch.Attention) { a.LogitCap, a.Sinks, a.OutputGate = 0.3, true, true }))
	for name, o := range map[string]Options{"fused": {}, "four passes": {DiffKernel: execution.FourPass}, "per query head": {KVRead: execution.PerQueryHead},
		"four passes per query head": {DiffKernel: execution.FourPass, KVRead: execution.PerQueryHead}} {
		add("differential, "+name, o, nil, attention(func(a *arch.Attention) { a.Differential, a.Heads, a.KVHeads, a.Window = true, 8, 4, 5 }), plain)
	}
	add("per query head where windowed", Options{KVRead: execution.PackedUnlessWindowed}, nil, attention(func(a *arch.Attention) { a.Window = 5 }), plain, attention(func(a *arch.Attention) { a.DeclaredWindow = 99 }))
	add("in chunks", Options{}, nil, attention(func(a *arch.Attention) { a.Window, a.Chunked = 5, true }))
	// Each switch by itself, beside norms of queries and keys.
	normed := arch.Attention{Heads: 6, KVHeads: 2, HeadDim: 8, RotaryDim: 6, QKNorm: true, Window: 5}
	for _, f := range arch.Fields(normed) {
		if _, ok := f.Value.(*bool); !ok {
			continue
		}
		mx := arch.EditFields(normed, func(fields []arch.Field) {
			for _, x := range fields {
				if b, ok := x.Value.(*bool); ok && x.Key == f.Key {
					*b = !*b
				}
			}
		})
		if mx.Check(16) == nil {
			add("attention, "+f.Key+" turned over", Options{}, nil, arch.Layer{Mixer: mx})
		}
	}
	mla := arch.MLA{Heads: 3, QRank: 7, KVRank: 6, NopeDim: 5, RopeDim: 4, ValueDim: 3, IndexTopK: 4, IndexHeads: 2, IndexDim: 6}
	add("latents that an indexer picks", Options{}, nil, arch.Layer{Mixer: mla})
	mla.Numerics = arch.MLANumerics{Scale: 0.4, NormEps: 0.1, Rope: arch.RopeScaling{Kind: arch.RopeLinear, Factor: 2, Adjacent: true}, IndexAdjacent: true}
	add("and its numerics", Options{}, nil, arch.Layer{Mixer: mla})
	mla.IndexTopK, mla.IndexHeads, mla.IndexDim, mla.Unrotated, mla.QRank = 0, 0, 0, true, 0
	add("latents without rotation", Options{}, nil, arch.Layer{Mixer: mla})
	mamba2 := arch.Mamba2{Heads: 4, HeadDim: 3, DState: 5, Groups: 2, DConv: 4, ConvBias: true}
	for name, x := range map[string]arch.Mamba2Numerics{"norm in groups": {NormGroups: 2}, "norm first": {NormFirst: true, NormEps: 0.2}, "norm first in groups": {NormFirst: true, NormGroups: 4}} {
		mx := mamba2
		mx.Numerics = x
		add("mamba2, "+name, Options{}, nil, arch.Layer{Mixer: mx})
	}
	add("mamba1, bare norms", Options{}, nil, arch.Layer{Mixer: arch.Mamba1{DInner: 12, DState: 5, DConv: 3, DtRank: 2, BareNorms: true, Numerics: arch.Mamba1Numerics{InnerEps: 0.3}}})
	add("mamba1, heads", Options{}, nil, arch.Layer{Mixer: arch.Mamba1{DInner: 12, DState: 5, DConv: 3, DtRank: 2, Heads: 3}})
	add("epsilons of mixers", Options{}, nil, arch.Layer{Mixer: arch.GatedDeltaNet{KHeads: 2, VHeads: 4, KDim: 3, VDim: 5, DConv: 3, DoubleBeta: true, Numerics: arch.GatedDeltaNetNumerics{NormEps: 0.2}}},
		arch.Layer{Mixer: arch.Lightning{Heads: 2, HeadDim: 5, Numerics: arch.LightningNumerics{NormEps: 0.2}}}, arch.Layer{Mixer: arch.MLSTM{Heads: 2, KDim: 3, VDim: 5, GateCap: 0.5, Numerics: arch.MLSTMNumerics{Eps: 0.3}}},
		arch.Layer{Mixer: arch.RWKV5{Heads: 2, HeadDim: 5, Stream: 16, Numerics: arch.RWKV5Numerics{NormEps: 0.2}}})
	for act := range arch.Activations() {
		a := arch.Activations()[act]
		add("gated "+a.String(), Options{}, nil, arch.Layer{FFN: arch.MLP{Inner: 10, Gated: true, Act: a, Bias: true}})
		if a != arch.ClampedSwiGLU {
			add("plain "+a.String(), Options{}, nil, arch.Layer{FFN: arch.MLP{Inner: 10, Act: a}})
		}
	}
	moe := arch.MoE{Experts: 6, TopK: 2, Inner: 10, Gated: true, SharedInner: 7, SharedGate: true, RouterBias: true}
	for name, x := range map[string]arch.Routing{"softmax": {}, "sigmoids": {Sigmoid: true, Correction: true, Scale: 1.7}, "raw": {Raw: true}, "groups": {Groups: 3, TopGroups: 2}, "best of groups": {Groups: 3, TopGroups: 2, GroupMax: true, Raw: true, Correction: true},
		"sparse mixer": {Mixer: true, Jitter: 0.3}, "inputs scaled": {ScaleInput: true, Sigmoid: true}} {
		f := moe
		f.Routing = x
		add("experts, "+name, Options{}, nil, arch.Layer{FFN: f})
	}
	moe.Latent, moe.Bias = 5, true
	add("experts of latents", Options{}, nil, arch.Layer{FFN: moe})
	for _, block := range arch.Blocks() {
		l := plain
		l.FFN, l.Block = arch.MLP{Inner: 10, Gated: true}, block
		if block == arch.SideInput {
			l.Mixer = arch.Parallel{Mixers: []arch.Mixer{plain.Mixer, mamba2}}
		}
		norm := arch.Norms()[int(block)%4]
		add("block "+block.String(), Options{}, func(m *arch.Model) { m.Norm = norm }, l, l)
	}
	add("numbers around the layers", Options{Prefill: execution.Full}, func(m *arch.Model) {
		m.Tied, m.HeadBias, m.EmbedNorm, m.Positions, m.LogitCap, m.LayerScales = true, true, true, 40, 0.8, true
		m.LayerInput = arch.LayerInput{Width: 3, Vocab: 23, Act: arch.GELU}
		m.Numerics = arch.Numerics{NormEps: 0.1, EmbedScale: 3, ResidualScale: 0.5, LogitScale: 1.5}
	}, arch.Layer{Mixer: plain.Mixer, FFN: arch.MLP{Inner: 10}})
	add("factors of kinds", Options{}, func(m *arch.Model) {
		m.Numerics = arch.Numerics{FullScale: 2, LinearScale: 3, FFNScale: 0.5}
	}, arch.Layer{Mixer: plain.Mixer, FFN: moe, Block: arch.StreamNorm}, arch.Layer{Mixer: arch.Lightning{Heads: 2, HeadDim: 5}, FFN: arch.MLP{Inner: 10}, Block: arch.StreamNorm})
	add("several streams", Options{}, func(m *arch.Model) {
		m.AltUp, m.LayerInput = arch.AltUp{Streams: 3, Active: 1}, arch.LayerInput{Width: 3, Vocab: 23, Act: arch.GELU}
	}, arch.Layer{Mixer: plain.Mixer, FFN: arch.MLP{Inner: 10, Gated: true, Sparsity: 0.4}}, plain)
	add("a branch beside the mixers", Options{}, func(m *arch.Model) { m.LaurelRank, m.Norm = 3, arch.LayerNorm }, arch.Layer{Mixer: plain.Mixer, FFN: arch.MLP{Inner: 10}, Block: arch.SandwichNorm}, plain)
	halves := []arch.Layer{{Mixer: arch.Mamba1{DInner: 12, DState: 5, DConv: 3, DtRank: 2}, FFN: arch.MLP{Inner: 12, Gated: true}}, plain,
		{Mixer: arch.GMU{Memory: arch.To(0), From: arch.ScanMemory, DMem: 12, Normed: true}}, attention(func(a *arch.Attention) { a.KVSource, a.Heads = arch.To(1), 4 }),
		{Mixer: arch.GMU{Memory: arch.To(0), From: arch.MLPMemory, DMem: 12}, FFN: arch.MLP{Inner: 10}}, {Mixer: arch.GMU{Memory: arch.To(1), From: arch.OutputMemory, DMem: 16, Variant: arch.SigmoidGMU}}}
	add("two halves, skipping", Options{}, nil, halves...)
	add("two halves in full", Options{Prefill: execution.Full}, nil, halves...)
	// Orders of maps are random: names make them the same in every run.
	order := func(a, b bookModel) int { return strings.Compare(a.m.Name, b.m.Name) }
	slices.SortStableFunc(all, order)
	return all
}

// The book of results: of every kind of part and option what a prompt, two steps and a further piece
// of prompt give, and what each operation counts.
func TestBookOfResults(t *testing.T) {
	var results []golden.Row
	var counts strings.Builder
	ctx := context.Background()
	for _, b := range bookModels(t) {
		b.o.Seed, b.o.Cores = 5, 1
		model, err := New(b.m, b.o)
		if err != nil {
			t.Fatalf("%s: %v", b.m.Name, err)
		}
		s, err := model.Start(2, 20)
		if err != nil {
			t.Fatal(err)
		}
		row := func(n, from int) []int {
			out := make([]int, n)
			for i := range out {
				out[i] = (7*(from+i) + 3*(from+i)*(from+i) + 2) % b.m.Vocab
			}
			return out
		}
		kept := 0
		for i, call := range []func() ([][]float32, error){
			func() ([][]float32, error) { return s.Prefill(ctx, [][]int{row(9, 0), row(9, 40)}) },
			func() ([][]float32, error) { return s.Step(ctx, []int{4, 9}) },
			func() ([][]float32, error) { return s.Prefill(ctx, [][]int{row(3, 11), row(3, 17)}) },
			func() ([][]float32, error) { return s.Step(ctx, []int{1, 1}) },
		} {
			s.Meter = &Meter{}
			logits, err := call()
			if err != nil {
				t.Fatalf("%s: %v", b.m.Name, err)
			}
			results = append(results, golden.Row{Name: fmt.Sprintf("%s, call %d", b.m.Name, i+1), Values: signature(logits)})
			if i > 1 { // counts of the first prompt and step
				continue
			}
			fmt.Fprintf(&counts, "%s, call %d\n", b.m.Name, i+1)
			for _, r := range s.Meter.Records() {
				if r.Layer == Outside && !strings.Contains(b.m.Name, "around the layers") && !strings.Contains(b.m.Name, "two halves") && !strings.Contains(b.m.Name, "streams") {
					continue // alike in all
				}
				fmt.Fprintf(&counts, "  %d %s %v %v %d\n", r.Layer, r.Op, r.Read, r.Written, r.FLOPs)
				kept++
			}
			for l := range b.m.Layers {
				if n, _ := s.Meter.Routed(l, "moe"); n > 0 {
					fmt.Fprintf(&counts, "  %d experts hit %d\n", l, n)
				}
			}
		}
		if kept == 0 {
			t.Errorf("%s counts nothing", b.m.Name)
		}
	}
	golden.Numbers(t, "results.txt", results, 1e-4)
	golden.Check(t, "counts.txt", counts.String())
}

// signature is a few projections of the logits of two sequences: a change of any of them shows.
func signature(logits [][]float32) []float64 {
	var out []float64
	for _, row := range logits {
		for k := range 4 {
			sum := 0.0
			for i, v := range row {
				sum += float64(v) * math.Cos(float64((k+1)*(3*i+1)))
			}
			out = append(out, sum)
		}
	}
	return out
}
