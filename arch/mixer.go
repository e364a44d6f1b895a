package arch

import (
	"fmt"
	"reflect"
	"slices"
)

// Mixer moves information between positions, or (GMU) between layers. Mixers are plain
// values: copying one copies all of it, and two are the same if they are equal. The
// interface is sealed: MixerKinds lists every one there is, and each is one file of
// this package, which answers here all that other packages ask of it.
type Mixer interface {
	// Kind is the name that parameter counts and model files use: "attention", "mamba1", …
	Kind() string
	// Name is the name in layouts and reports, which tells apart how a kind is used:
	// attention is "full", "swa", "chunked" or "cross".
	Name() string
	// Shape says how large the mixer is, in a few words for people.
	Shape() string
	// Weights lists the parameter tensors of the mixer in a model of the given width.
	Weights(width int) []Weight
	// Check reports what is wrong with the mixer's own numbers.
	Check(width int) error
	// Stores says what the mixer keeps of a sequence from one step to the next.
	Stores() Storage
	// Reads says whose cache or memory the mixer reads.
	Reads() Reads
	// HandsOn is how many elements of a kind of memory the mixer can hand on to a GMU for
	// each position, 0 where it makes none. OutputMemory is a matter of the layer: see
	// Model.MemoryWidth.
	HandsOn(MemoryKind) int

	// edit calls change with the mixer's fields and returns the mixer as it then is.
	edit(change func([]Field)) Mixer
	// detached is the mixer without its references to other layers.
	detached() Mixer
}

// FFN is the position-wise part of a layer. FFNs are plain values, as mixers are, and
// FFNKinds lists them.
type FFN interface {
	Kind() string
	// Shape says how large the network is, in a few words for people.
	Shape() string
	Weights(width int) []Weight
	Check(width int) error
	// HandsOn is the width of the memory of a kind that the network can hand on to a GMU,
	// 0 where it makes none.
	HandsOn(MemoryKind) int
	// Routed is the number of experts of which a router picks some for each position, 0 where all of
	// the network runs for every position.
	Routed() int

	edit(change func([]Field)) FFN
}

// Storage is what a mixer keeps of one sequence. The zero value keeps nothing.
type Storage struct {
	CacheElements int // added to the cache by each position; 0 where the mixer owns no cache
	Window        int // positions the cache keeps; 0 is all
	StateElements int // of the recurrent state
	ConvElements  int // of the inputs that the convolution looks back on

	// Where an indexer picks positions, the elements of the cache that only those are read
	// of, and how many a query picks; the others are read of all positions.
	PickedElements, Picked int
}

// Recurrent reports whether the mixer carries a state from position to position.
func (s Storage) Recurrent() bool { return s.StateElements > 0 || s.ConvElements > 0 }

// Reads says which layers a mixer takes something from.
type Reads struct {
	Cache  Ref // layer whose cache is read instead of one of the mixer's own
	Memory Ref // layer whose memory is gated
	Kind   MemoryKind
	// Weights is the layer that stores the weights the mixer shares with it.
	Weights Ref
	Picks   Ref // layer whose indexer picked the positions that the mixer sees
	// Embedding says that the mixer reads the token's embedding beside the residual stream.
	Embedding bool
}

// MixerKind is a kind of mixer as model files name it.
type MixerKind struct {
	Name  string
	Doc   string // one line
	Blank Mixer  // with nothing set but what the name says
}

// MixerKinds lists every kind of mixer that a layer can have on its own. A new mixer is
// a file of its own here and in each package that prices or runs it, and a line in the
// list of each.
func MixerKinds() []MixerKind {
	return []MixerKind{
		{"attention", "softmax attention with grouped queries, full or windowed", Attention{}},
		{"moa", "mixture of attention heads that a router picks, with shared keys and values (arXiv:2210.05144)", MoA{}},
		{"mla", "multi-head latent attention (DeepSeek-V2, arXiv:2405.04434), all positions or those an indexer picks", MLA{}},
		{"mamba1", "selective state space (Gu & Dao, arXiv:2312.00752)", Mamba1{}},
		{"mamba2", "state-space duality (Dao & Gu, arXiv:2405.21060)", Mamba2{}},
		{"gated_deltanet", "gated delta rule (Yang et al., arXiv:2412.06464)", GatedDeltaNet{}},
		{"kda", "delta rule with a decay for each channel (Kimi Delta Attention, arXiv:2510.26692)", KDA{}},
		{"rglru", "gated linear recurrence of Griffin (De et al., arXiv:2402.19427)", RGLRU{}},
		{"mlstm", "matrix memory with exponential gates (xLSTM, arXiv:2405.04517)", MLSTM{}},
		{"rwkv4", "time mix of RWKV-4 (Peng et al., arXiv:2305.13048)", RWKV4{}},
		{"rwkv5", "time mix of RWKV-5 (Peng et al., arXiv:2404.05892)", RWKV5{}},
		{"rwkv_channel_mix", "channel mix of RWKV-4 and 5, which looks back one position", RWKVChannelMix{}},
		{"shared_block", "Transformer block whose weights several layers use (Zamba, arXiv:2411.15242)", SharedBlock{}},
		{"short_conv", "gated short convolution (LFM2)", ShortConv{}},
		{"lightning", "linear attention with fixed decays (MiniMax)", Lightning{}},
		{"gmu", "Gated Memory Unit (paper §2)", GMU{}},
		{"ngmu", "Gated Memory Unit with a norm behind its gate (paper §2)", GMU{Normed: true}},
		{"sigmoid_gmu", "Gated Memory Unit that mixes by a sigmoid", GMU{Variant: SigmoidGMU, From: OutputMemory}},
	}
}

// FFNKind is a kind of feed-forward network as model files name it.
type FFNKind struct {
	Name  string
	Doc   string // one line
	Blank FFN    // with nothing set but what the name says
}

// FFNKinds lists every kind of feed-forward network.
func FFNKinds() []FFNKind {
	return []FFNKind{
		{"swiglu", "gated network, act(g)⊙u", MLP{Gated: true}},
		{"mlp", "plain network of two maps", MLP{Act: GELU}},
		{"moe", "mixture of experts", MoE{Gated: true}},
		{"mlp_moe", "dense network and mixture of experts side by side (Gemma 4)", MLPMoE{}},
		{"shortcut_moe", "dense network, and mixture of experts that is added behind the next layer (LongCat-Flash)", ShortcutMoE{}},
	}
}

// listed reports what is wrong with a mixer or FFN that is none of the listed types: a
// pointer to one (they are values), or a type that its list leaves out.
func listed(part any) error {
	t := reflect.TypeOf(part)
	if t == reflect.TypeFor[Parallel]() {
		return nil
	}
	if slices.Contains(partTypes, t) {
		return nil
	}
	return fmt.Errorf("%v is not a mixer or FFN that models are made of", t)
}

var partTypes = func() []reflect.Type {
	var all []reflect.Type
	for _, k := range MixerKinds() {
		all = append(all, reflect.TypeOf(k.Blank))
	}
	for _, k := range FFNKinds() {
		all = append(all, reflect.TypeOf(k.Blank))
	}
	return all
}()

// Detached is the mixer without its references to other layers: two layers whose
// detached mixers are equal have the same shapes and do the same work on what they read.
func Detached(m Mixer) Mixer {
	if m == nil {
		return nil
	}
	return m.detached()
}

// Parts returns the mixers of a layer: the parts of a Parallel, the mixer itself,
// or nothing for nil.
func Parts(m Mixer) []Mixer {
	switch m := m.(type) {
	case nil:
		return nil
	case Parallel:
		return m.Mixers
	}
	return []Mixer{m}
}

// MapParts returns the mixer with each of its parts replaced by what f makes of it.
func MapParts(m Mixer, f func(Mixer) Mixer) Mixer {
	switch m := m.(type) {
	case nil:
		return nil
	case Parallel:
		parts := slices.Clone(m.Mixers)
		for i := range parts {
			parts[i] = f(parts[i])
		}
		return Parallel{Mixers: parts}
	}
	return f(m)
}

// The mixers that can do without a norm of their own say so.
type normed interface {
	Mixer
	ownNorm() bool
	withOwnNorm(bool) Mixer
}

// OwnNorm reports whether a mixer has a norm behind its scan that can be left out, and
// whether it is there. Behind a normed GMU it is left out: the GMU's norm takes its
// place (paper §2).
func OwnNorm(m Mixer) (optional, present bool) {
	for _, p := range Parts(m) {
		if n, ok := p.(normed); ok {
			return true, n.ownNorm()
		}
	}
	return false, false
}

// WithOwnNorm puts in or leaves out the norm that OwnNorm tells of; a mixer without one
// stays as it is.
func WithOwnNorm(m Mixer, present bool) Mixer {
	done := false
	return MapParts(m, func(p Mixer) Mixer {
		n, ok := p.(normed)
		if !ok || done {
			return p
		}
		done = true
		return n.withOwnNorm(present)
	})
}
