package kernels

import (
	"fmt"
	"math"
	"strconv"

	"ridgeline/arch"
)

// KVVariant is how grouped queries read the cache.
type KVVariant uint8

// The variants: Packed reads K and V once for all heads of a group, PerQueryHead once
// for every query head (FlashAttention-2's decode path with a window set).
const (
	Packed KVVariant = iota
	PerQueryHead
)

func (v KVVariant) String() string { return [...]string{"packed", "per_query_head"}[v] }

// DiffVariant is how differential attention runs.
type DiffVariant uint8

// The variants: Fused reads K and V once, FourPass as four plain attention calls twice.
const (
	Fused DiffVariant = iota
	FourPass
)

func (v DiffVariant) String() string { return [...]string{"fused", "four_pass"}[v] }

// PrefillMode is what a prefill runs.
type PrefillMode uint8

// The modes: Skip runs the cross-decoder for the last position only where the model
// has one (paper §2), Full everything.
const (
	Skip PrefillMode = iota
	Full
)

func (v PrefillMode) String() string { return [...]string{"skip", "full"}[v] }

// Options says how a model is made and run; the zero value is fine.
type Options struct {
	// Weights by name (see Tensor); nil draws them from Seed. The slices are used, not
	// copied.
	Weights map[string][]float32
	Seed    uint64

	KVVariant   KVVariant
	DiffVariant DiffVariant
	Prefill     PrefillMode

	NormEps  float64 // ε of every norm; 0 is 1e-5
	Cores    int     // 0 is all
	MaxBytes int64   // most that the weights, or a session's caches, may take; 0 is 8 GiB
}

const defaultMaxBytes = 8 << 30

// Model is a decoder with weights, ready to run. It is read only: sessions share it.
type Model struct {
	arch    *arch.Model
	opts    Options
	weights map[string][]float32

	embed     []float32
	layers    []layer
	finalNorm norm
	head      linear

	// skipFrom is the first layer that a skipping prefill runs for the last position
	// only, 0 where the model has none.
	skipFrom int
	// memories says who hands on what: by layer and kind, the first layer that reads it.
	memories map[memoryKey]int
}

type memoryKey struct {
	layer int
	kind  arch.MemoryKind
}

type layer struct {
	mixerNorm, ffnNorm norm
	mixers             []mixer
	ffn                mixer
}

// mixer runs on the normed input and adds into the call's residual stream.
type mixer interface {
	run(c *call, x mat)
}

// New makes a runnable model. It refuses one whose weights would take more than
// opts.MaxBytes.
func New(m *arch.Model, opts Options) (*Model, error) {
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("kernels: %w", err)
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = defaultMaxBytes
	}
	if opts.NormEps == 0 {
		opts.NormEps = 1e-5
	}
	tensors := Tensors(m)
	var bytes int64
	for _, t := range tensors {
		bytes += elementsOf(t) * 4
		if bytes > opts.MaxBytes || bytes < 0 {
			return nil, fmt.Errorf("kernels: the weights take more than %d MiB in float32: too large to execute here", opts.MaxBytes>>20)
		}
	}
	w, err := loadWeights(tensors, opts.Weights, opts.Seed)
	if err != nil {
		return nil, err
	}
	out := &Model{arch: m, opts: opts, weights: w, memories: map[memoryKey]int{}}
	out.build()
	return out, nil
}

// elementsOf is t.Elements that saturates instead of overflowing.
func elementsOf(t Tensor) int64 {
	n := int64(1)
	for _, d := range t.Shape {
		if n > math.MaxInt64/8/int64(max(1, d)) {
			return math.MaxInt64 / 8
		}
		n *= int64(d)
	}
	return n
}

// Arch is the architecture the model was made from.
func (m *Model) Arch() *arch.Model { return m.arch }

func (m *Model) build() {
	a := m.arch
	m.embed = m.weights["embed"]
	m.finalNorm = m.norm("final_norm")
	head := "lm_head"
	if a.Tied {
		head = "embed"
	}
	m.head = linear{w: m.weights[head], bias: m.weights["lm_head_bias"], out: a.Vocab, in: a.Width}
	m.layers = make([]layer, len(a.Layers))
	for i, l := range a.Layers {
		p := "layers." + strconv.Itoa(i) + "."
		out := &m.layers[i]
		if l.Mixer != nil {
			out.mixerNorm = m.norm(p + "mixer_norm")
			parts := arch.Parts(l.Mixer)
			for j, part := range parts {
				prefix := p + "mixer."
				if len(parts) > 1 {
					prefix += strconv.Itoa(j) + "."
				}
				out.mixers = append(out.mixers, m.mixer(part, prefix, i))
				if g, ok := part.(*arch.GMU); ok {
					m.reads(i, g)
				}
			}
		}
		if l.FFN != nil {
			out.ffnNorm = m.norm(p + "ffn_norm")
			out.ffn = m.ffn(l.FFN, p+"ffn.")
		}
	}
	m.skipFrom = crossDecoder(a)
}

func (m *Model) reads(i int, g *arch.GMU) {
	s, _ := g.Memory.Layer()
	key := memoryKey{s, g.From}
	if first, ok := m.memories[key]; !ok || i < first {
		m.memories[key] = i
	}
}

// crossDecoder is the first layer from which on every mixer is cross-attention, a GMU
// or absent, with at least one of the first two; 0 where there is none.
func crossDecoder(m *arch.Model) int {
	s, found := len(m.Layers), false
	for i := len(m.Layers) - 1; i >= 0; i-- {
		for _, p := range arch.Parts(m.Layers[i].Mixer) {
			switch p := p.(type) {
			case *arch.GMU:
				found = true
			case *arch.Attention:
				if !p.Cross() {
					return only(s, found)
				}
				found = true
			default:
				return only(s, found)
			}
		}
		s = i
	}
	return only(s, found)
}

func only(s int, found bool) int {
	if !found {
		return 0
	}
	return s
}

func (m *Model) norm(name string) norm {
	return norm{w: m.weights[name], b: m.weights[name+"_bias"], eps: float32(m.opts.NormEps)}
}

func (m *Model) linear(name string, out, in int) linear {
	return linear{w: m.weights[name], bias: m.weights[name+"_bias"], out: out, in: in}
}

// bare is a norm with a weight alone.
func (m *Model) bare(name string) *norm {
	return &norm{w: m.weights[name], eps: float32(m.opts.NormEps)}
}

// decayRates is −exp(a_log).
func decayRates(aLog []float32) []float32 {
	a := make([]float32, len(aLog))
	for i, v := range aLog {
		a[i] = float32(-math.Exp(float64(v)))
	}
	return a
}

func (m *Model) mixer(mx arch.Mixer, p string, layer int) mixer {
	w, width := m.weights, m.arch.Width
	switch mx := mx.(type) {
	case *arch.Mamba1:
		out := &mamba1{
			Mamba1: mx,
			in:     m.linear(p+"in", 2*mx.DInner, width),
			x:      m.linear(p+"x", mx.DtRank+2*mx.DState, mx.DInner),
			dt:     linear{w: w[p+"dt"], out: mx.DInner, in: mx.DtRank},
			out:    m.linear(p+"out", width, mx.DInner),
			conv:   newConv(w[p+"conv"], w[p+"conv_bias"], mx.DInner, mx.DConv),
			a:      decayRates(w[p+"a_log"]), d: w[p+"d"], dtBias: w[p+"dt_bias"],
		}
		if n := w[p+"inner_norms"]; n != nil {
			for _, cut := range [][2]int{{0, mx.DtRank}, {mx.DtRank, mx.DtRank + mx.DState}, {mx.DtRank + mx.DState, len(n)}} {
				out.norms = append(out.norms, norm{w: n[cut[0]:cut[1]], eps: float32(m.opts.NormEps)})
			}
		}
		return out
	case *arch.Mamba2:
		out := &mamba2{
			Mamba2: mx,
			in:     m.linear(p+"in", mx.DInner()+mx.ConvChannels()+mx.Heads, width),
			out:    m.linear(p+"out", width, mx.DInner()),
			conv:   newConv(w[p+"conv"], w[p+"conv_bias"], mx.ConvChannels(), mx.DConv),
			a:      decayRates(w[p+"a_log"]), d: w[p+"d"], dtBias: w[p+"dt_bias"],
		}
		if !mx.NoNorm {
			out.norm = m.bare(p + "norm")
		}
		return out
	case *arch.GatedDeltaNet:
		out := &deltanet{
			GatedDeltaNet: mx,
			qkvz:          m.linear(p+"qkvz", 2*mx.DKey()+2*mx.DValue(), width),
			ba:            m.linear(p+"ba", 2*mx.VHeads, width),
			out:           m.linear(p+"out", width, mx.DValue()),
			conv:          newConv(w[p+"conv"], nil, mx.ConvChannels(), mx.DConv),
			a:             decayRates(w[p+"a_log"]), dtBias: w[p+"dt_bias"],
		}
		if !mx.NoNorm {
			out.norm = m.bare(p + "norm")
		}
		return out
	case *arch.Attention:
		return m.attention(mx, p, layer)
	case *arch.GMU:
		if mx.Variant == arch.SigmoidGMU {
			return &sigmoidGMU{
				GMU:     mx,
				current: m.linear(p+"current", width, width), mixed: m.linear(p+"mixed", width, width),
				gate: m.linear(p+"gate", width, 2*width), out: m.linear(p+"out", width, width),
			}
		}
		out := &gmu{GMU: mx, in: m.linear(p+"in", mx.DMem, width), out: m.linear(p+"out", width, mx.DMem)}
		if mx.Normed {
			out.norm = m.bare(p + "norm")
		}
		return out
	}
	panic(fmt.Sprintf("kernels: no kernel for mixer %T", mx))
}

func (m *Model) attention(mx *arch.Attention, p string, layer int) mixer {
	w := m.weights
	rows := mx.Inner()
	if mx.OutputGate {
		rows *= 2
	}
	if !mx.Cross() {
		rows += mx.KVElements()
	}
	out := &attention{
		Attention: mx,
		qkv:       m.linear(p+"qkv", rows, m.arch.Width),
		out:       m.linear(p+"out", m.arch.Width, mx.Inner()),
		sinks:     w[p+"sinks"],
		passes: attentionPasses(mx.Heads, mx.KVHeads, mx.Differential,
			m.opts.DiffVariant == FourPass, m.opts.KVVariant == PerQueryHead),
	}
	if mx.QKNorm {
		out.qNorm = m.bare(p + "q_norm")
		if !mx.Cross() {
			out.kNorm = m.bare(p + "k_norm")
		}
	}
	if mx.Differential {
		init := lambdaInit(layer)
		out.lambda, out.lambdaInit = float32(diffLambda(w[p+"lambda"], init)), float32(init)
		out.diffNorm = *m.bare(p + "diff_norm")
	}
	return out
}

func (m *Model) ffn(f arch.FFN, p string) mixer {
	width := m.arch.Width
	wide := func(inner int, gated bool) int {
		if gated {
			return 2 * inner
		}
		return inner
	}
	switch f := f.(type) {
	case *arch.MLP:
		return &mlp{MLP: f, up: m.linear(p+"up", wide(f.Inner, f.Gated), width), down: m.linear(p+"down", width, f.Inner)}
	case *arch.MoE:
		up := wide(f.Inner, f.Gated)
		out := &moe{MoE: f, router: m.linear(p+"router", f.Experts, width)}
		ups, downs := m.linear(p+"up", f.Experts*up, width), m.linear(p+"down", f.Experts*width, f.Inner)
		for e := range f.Experts {
			out.up = append(out.up, ups.part(e*up, (e+1)*up))
			out.down = append(out.down, downs.part(e*width, (e+1)*width))
		}
		if f.SharedInner > 0 {
			out.sharedUp = m.linear(p+"shared_up", wide(f.SharedInner, f.Gated), width)
			out.sharedDown = m.linear(p+"shared_down", width, f.SharedInner)
			out.sharedGate = m.linear(p+"shared_gate", 1, width)
		}
		return out
	}
	panic(fmt.Sprintf("kernels: no kernel for ffn %T", f))
}
