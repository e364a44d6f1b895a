package kernels

import (
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
)

// Options says how a model is made and run; the zero value is fine.
type Options struct {
	// Weights by name (see Tensor); nil draws them from Seed. The slices are used, not
	// copied.
	Weights map[string][]float32
	Seed    uint64

	KVRead     execution.KVRead
	DiffKernel execution.DiffKernel
	Prefill    execution.PrefillMode

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
	positions []float32
	embedNorm norm
	layers    []layer
	finalNorm norm
	inputs    layerInputs
	altUp     altUpEnds
	head      linear

	// skipFrom is the first layer that a skipping prefill runs for the last position
	// only, 0 where the model has none.
	skipFrom int
	// keepsFirst: a shared block reads the embedding beside the stream.
	keepsFirst bool
	// memories says who hands on what: by layer and kind, the first layer that reads it.
	memories map[memoryKey]int
}

type memoryKey struct {
	layer int
	kind  arch.MemoryKind
}

type layer struct {
	block              arch.Block
	mixerNorm, ffnNorm norm // in front
	mixerPost, ffnPost norm // behind
	mixers             []mixer
	ffn                ffn
	input              layerInput
	scale              []float32 // nil without
	altUp              altUp
	laurel             laurel
}

// ffn runs on the normed input and adds into the call's residual stream.
type ffn interface {
	run(c *call, x mat)
}

// mixer is an ffn that looks at other positions or layers too. One that owns a cache
// makes queries for the last position alone where c.lastQuery says so.
type mixer interface {
	ffn
	// newState makes what the mixer of a layer keeps of the session's sequences.
	newState(s *Session) mixerState
}

// partKernels says how each mixer and FFN is made ready to run, by its type.
var partKernels = kernelsByType(
	kernel((*Model).newAttention),
	kernel((*Model).newMLA),
	kernel((*Model).newMamba1),
	kernel((*Model).newMamba2),
	kernel((*Model).newDeltaNet),
	kernel((*Model).newKDA),
	kernel((*Model).newRGLRU),
	kernel((*Model).newSharedBlock),
	kernel((*Model).newMoA),
	kernel((*Model).newBlockSparse),
	kernel((*Model).newMLSTM),
	kernel((*Model).newRWKV4),
	kernel((*Model).newRWKV5),
	kernel((*Model).newRWKVChannelMix),
	kernel((*Model).newShortConv),
	kernel((*Model).newLightning),
	kernel((*Model).newGMU),
	kernel((*Model).newMLP),
	kernel((*Model).newMoE),
	kernel((*Model).newMLPMoE),
	kernel((*Model).newShortcutMoE),
)

type partKernel struct {
	part  reflect.Type
	build func(m *Model, part any, prefix string, layer int) ffn
}

// kernel makes an entry of partKernels from the function that makes a mixer or an FFN of a
// layer; the prefix is that of its weights' names.
func kernel[T any, K ffn](build func(m *Model, part T, prefix string, layer int) K) partKernel {
	return partKernel{reflect.TypeFor[T](), func(m *Model, part any, prefix string, layer int) ffn {
		return build(m, part.(T), prefix, layer)
	}}
}

func kernelsByType(all ...partKernel) map[reflect.Type]partKernel {
	byType := make(map[reflect.Type]partKernel, len(all))
	for _, k := range all {
		byType[k.part] = k
	}
	return byType
}

// executable reports the first mixer or FFN of a model that has no kernel.
func executable(m *arch.Model) error {
	for i, p := range m.Mixers() {
		if _, ok := partKernels[reflect.TypeOf(p)]; !ok {
			return fmt.Errorf("kernels: layer %d: mixer %s has no kernel", i, p.Kind())
		}
	}
	for i, l := range m.Layers {
		if _, ok := partKernels[reflect.TypeOf(l.FFN)]; !ok && l.FFN != nil {
			return fmt.Errorf("kernels: layer %d: ffn %s has no kernel", i, l.FFN.Kind())
		}
	}
	return nil
}

// New makes a runnable model. It refuses one whose weights would take more than
// opts.MaxBytes.
func New(m *arch.Model, opts Options) (*Model, error) {
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("kernels: %w", err)
	}
	if err := executable(m); err != nil {
		return nil, err
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = defaultMaxBytes
	}
	if opts.NormEps == 0 {
		opts.NormEps = m.Numerics.NormEps
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
	foldResidualScale(w, float32(m.Numerics.ResidualScale))
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

func (m *Model) build() {
	a := m.arch
	m.embed, m.positions = m.weights["embed"], m.weights["positions"]
	m.embedNorm = m.norm("embed_norm")
	m.finalNorm = m.norm("final_norm")
	head := "lm_head"
	if a.Tied {
		head = "embed"
	}
	m.head = linear{w: m.weights[head], bias: m.weights["lm_head_bias"], out: a.Vocab, in: a.Width}
	m.inputs, m.altUp = m.newLayerInputs(), m.newAltUpEnds()
	m.layers = make([]layer, len(a.Layers))
	for i, l := range a.Layers {
		p := "layers." + strconv.Itoa(i) + "."
		out := &m.layers[i]
		out.block = l.Block
		out.input, out.scale = m.newLayerInput(p), m.weights[p+"scale"]
		out.altUp, out.laurel = m.newAltUp(p), m.newLaurel(p)
		out.mixerPost, out.ffnPost = m.norm(p+"mixer_post_norm"), m.norm(p+"ffn_post_norm")
		if l.Mixer != nil {
			out.mixerNorm = m.norm(p + "mixer_norm")
			parts := arch.Parts(l.Mixer)
			for j, part := range parts {
				prefix := p + "mixer."
				if len(parts) > 1 {
					prefix += strconv.Itoa(j) + "."
				}
				out.mixers = append(out.mixers, partKernels[reflect.TypeOf(part)].build(m, part, prefix, i).(mixer))
				m.reads(i, part.Reads())
			}
		}
		if l.FFN != nil {
			out.ffnNorm = m.norm(p + "ffn_norm")
			out.ffn = partKernels[reflect.TypeOf(l.FFN)].build(m, l.FFN, p+"ffn.", i)
		}
	}
	m.skipFrom, _ = a.CrossDecoder()
	for range arch.Each[arch.SharedBlock](a) {
		m.keepsFirst = true
	}
}

func (m *Model) reads(i int, r arch.Reads) {
	s, ok := r.Memory.Layer()
	if !ok {
		return
	}
	key := memoryKey{s, r.Kind}
	if first, ok := m.memories[key]; !ok || i < first {
		m.memories[key] = i
	}
}

func (m *Model) norm(name string) norm {
	return norm{w: m.weights[name], b: m.weights[name+"_bias"], eps: float32(m.opts.NormEps), centre: m.arch.Norm != arch.RMSNorm}
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
