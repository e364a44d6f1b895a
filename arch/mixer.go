package arch

import (
	"fmt"
	"reflect"
	"slices"
)

// Mixer moves information between positions or, in a GMU, between layers. Mixers are plain
// values: copying one copies all of it, and two mixers are the same if they are equal. No other
// package can add a mixer: MixerKinds lists all of them, and each is one file of this package,
// which has all the methods that other packages need.
type Mixer interface {
	// Kind returns the name that parameter counts and model files use: "attention", "mamba1", ….
	Kind() string
	// Name returns the name in layouts and reports, which says how a kind is used: attention is
	// "full", "swa", "chunked" or "cross".
	Name() string
	// Shape describes the sizes of the mixer in a few words.
	Shape() string
	// Weights lists the parameter tensors of the mixer in a model of the given width.
	Weights(width int) []Weight
	// Check returns an error where the mixer's own numbers are wrong.
	Check(width int) error
	// Stores says what the mixer stores of a sequence from one step to the next.
	Stores() Storage
	// Reads says from which layers the mixer reads a cache or memory.
	Reads() Reads
	// HandsOn returns how many elements of a kind of memory the mixer can give to a GMU for each
	// position, 0 where it makes none. OutputMemory is made by the layer: see Model.MemoryWidth.
	HandsOn(MemoryKind) int

	// edit calls change with the mixer's fields and returns the changed mixer.
	edit(change func([]Field)) Mixer
	// detached returns the mixer without references to other layers.
	detached() Mixer
}

// FFN is the part of a layer that works on each position alone. FFNs are plain values, as mixers
// are, and FFNKinds lists all of them.
type FFN interface {
	Kind() string
	// Shape describes the sizes of the network in a few words.
	Shape() string
	Weights(width int) []Weight
	Check(width int) error
	// HandsOn returns the width of the memory of a kind that the network can give to a GMU, 0
	// where it makes none.
	HandsOn(MemoryKind) int
	// Routed returns the number of experts of which a router chooses some for each position, 0
	// where the whole network works on every position.
	Routed() int

	edit(change func([]Field)) FFN
}

// Storage says what a mixer stores of one sequence. The zero value stands for nothing.
type Storage struct {
	CacheElements int // elements added to the cache by each position; 0 where the mixer has no cache of its own
	Window        int // number of positions that the cache keeps; 0 for all
	StateElements int // elements of the recurrent state
	ConvElements  int // elements of the past inputs that the convolution needs

	// PickedElements are, where an indexer picks positions, the elements of a position that are
	// read for picked positions only, and Picked is how many positions a query picks. The other
	// elements are read for all positions.
	PickedElements, Picked int
}

// Recurrent reports whether the mixer carries a state from position to position.
func (s Storage) Recurrent() bool { return s.StateElements > 0 || s.ConvElements > 0 }

// Reads says from which layers a mixer reads something.
type Reads struct {
	Cache  Ref // layer whose cache is read in place of one of the mixer's own
	Memory Ref // layer whose memory is gated
	Kind   MemoryKind
	// Weights is the layer that stores the weights that the mixer uses.
	Weights Ref
	Picks   Ref // layer whose indexer picked the positions that the mixer reads
	// Embedding says that the mixer reads the token's embedding in addition to the residual
	// stream.
	Embedding bool
}

// MixerKind is a kind of mixer with its name in model files.
type MixerKind struct {
	Name  string
	Doc   string // one line
	Blank Mixer  // with nothing set except what the name means
}

// MixerKinds lists every kind of mixer that a layer can have alone. A new mixer is a file of its
// own in this package and in each package that prices or executes it, and a line in the list of
// each.
func MixerKinds() []MixerKind {
	return []MixerKind{
		{"attention", "softmax attention with grouped queries, full or windowed", Attention{}},
		{"block_sparse", "attention to the blocks of positions that an indexer picks for each kv head (MiniMax-M3)", BlockSparse{}},
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

// FFNKind is a kind of feed-forward network with its name in model files.
type FFNKind struct {
	Name  string
	Doc   string // one line
	Blank FFN    // with nothing set except what the name means
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

// listed returns an error for a mixer or FFN that is none of the listed types: a pointer to one,
// since they are values, or a type that the list lacks.
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

// Detached returns the mixer without references to other layers. Two layers whose detached mixers
// are equal have the same shapes and do the same work on what they read.
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

// mapParts returns the mixer with each of its parts replaced by what f returns for it.
func mapParts(m Mixer, f func(Mixer) Mixer) Mixer {
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

// normed is a mixer that can do without a norm of its own.
type normed interface {
	Mixer
	ownNorm() bool
	withOwnNorm(bool) Mixer
}

// OwnNorm reports whether a mixer has a norm after its scan that can be left out, and whether the
// norm is there. It is left out where a normed GMU gates the memory, because the norm of the GMU
// takes its place (paper §2).
func OwnNorm(m Mixer) (optional, present bool) {
	for _, p := range Parts(m) {
		if n, ok := p.(normed); ok {
			return true, n.ownNorm()
		}
	}
	return false, false
}

// WithOwnNorm adds or leaves out the norm that OwnNorm describes. A mixer without such a norm is
// not changed.
func WithOwnNorm(m Mixer, present bool) Mixer {
	done := false
	return mapParts(m, func(p Mixer) Mixer {
		n, ok := p.(normed)
		if !ok || done {
			return p
		}
		done = true
		return n.withOwnNorm(present)
	})
}
