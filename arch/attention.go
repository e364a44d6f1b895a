package arch

import "fmt"

// Attention is softmax attention with grouped queries: full, windowed, within chunks, cross
// (reading another layer's cache) and differential.
//
// Weights: qkv [heads·head_dim + kv_heads·(head_dim + value_dim), width] (cross: q only; an
// output gate adds heads·value_dim rows), out [width, heads·value_dim].
//
// Differential attention (Ye et al., arXiv:2410.05258; paper §2) pairs the heads:
// heads/2 pairs of query maps, kv_heads/2 pairs of keys, values of 2·head_dim; and
// has four λ vectors of head_dim and a norm weight of 2·head_dim.
type Attention struct {
	Heads, KVHeads, HeadDim int
	ValueDim                int // elements of a value head; 0 is head_dim (MiMo-V2 has fewer)

	// Window is how many positions a query sees, itself included; 0 is all.
	Window int
	// Chunked says that positions are cut into chunks of Window, and that a query sees those
	// positions of its own chunk that are not after it (Llama 4): one more with each position,
	// and then one again.
	Chunked bool
	// DeclaredWindow is a window that the configuration names but that has no effect, because it
	// is switched off or no shorter than the longest context. It matters because some attention
	// kernels read the cache once for each query head in layers for which any window is set.
	DeclaredWindow int

	Differential bool
	QKVBias      bool
	OutBias      bool
	QKNorm       bool // RMSNorm over head_dim on each query and key head
	QKNormWide   bool // with QKNorm: one norm over all query heads, one over all key heads (OLMo 2)
	QKNormHeads  bool // with QKNorm: each head has weights of its own (StableLM)
	QKNormBare   bool // with QKNorm: the norms have no weights (Llama 4)
	QKLayerNorm  bool // with QKNorm: LayerNorm instead of RMSNorm (Phi)
	QKNormBias   bool // with QKNorm: the norms have biases (Phi)
	ValueNorm    bool // RMSNorm without weights over each value head (Gemma 3n, Gemma 4)
	KeysAsValues bool // values are the keys as they were before norm and rotation; needs ValueNorm (Gemma 4)
	OutputGate   bool // sigmoid gate on the inner output (Qwen3-Next)
	Sinks        bool // one learned logit per head (gpt-oss)
	// Alibi says that the scores of a head fall with the distance of query and key, by a slope
	// that depends on the head's number (Press et al., arXiv:2108.12409).
	Alibi bool
	// DiffNormBare says that the norm of differential attention has no weights (DiffLlama).
	DiffNormBare bool
	// InnerNorm is an RMSNorm over the inner output, before the output map (BitNet).
	InnerNorm bool

	// LogitCap limits the scores to ±LogitCap by a tanh before the softmax (Gemma 2); 0 stands
	// for no limit.
	LogitCap float64

	RotaryDim  int // head dims that are rotated; 0 is no positional encoding
	RotaryBase float64

	Numerics AttentionNumerics

	// KVSource is the layer whose cache is read; where it is not set, the layer stores and reads
	// its own.
	KVSource Ref
}

// AttentionNumerics holds what changes the result of attention but nothing about its cost.
type AttentionNumerics struct {
	Scale      float64     // factor of the scores; 0 is 1/√head_dim
	ValueScale float64     // factor of the values; 0 is 1
	Rope       RopeScaling // how the rotary frequencies are stretched
	// NormBehindRope says that queries and keys are rotated before they are normed.
	NormBehindRope bool
	// The query at position p is scaled by 1 + Temperature·ln(1 + ⌊(p+1)/TemperatureFloor⌋)
	// (Llama 4); with 0 it is not scaled.
	Temperature, TemperatureFloor float64
	// TemperatureFromZero changes that to ⌊p/TemperatureFloor⌋ (Ministral 3).
	TemperatureFromZero bool
	// ALiBi's slopes are AlibiScale·2^(−AlibiMax·i/heads). An AlibiMax of 0 stands for 8, an
	// AlibiScale of 0 for 1.
	AlibiMax, AlibiScale float64
}

// Kind returns "attention".
func (a Attention) Kind() string { return "attention" }

// Name returns "full", "swa" (with a window), "chunked" or "cross" (of another layer's cache).
func (a Attention) Name() string {
	switch {
	case a.Cross():
		return "cross"
	case a.Chunked:
		return "chunked"
	case a.Window > 0:
		return "swa"
	}
	return "full"
}

// Shape implements Mixer.
func (a Attention) Shape() string {
	s := fmt.Sprintf("%d q, %d kv × %d", a.Heads, a.KVHeads, a.HeadDim)
	if a.ValueDim > 0 {
		s += fmt.Sprintf(" (values %d)", a.ValueDim)
	}
	if a.Chunked {
		s += fmt.Sprintf(", chunks of %d", a.Window)
	} else if a.Window > 0 {
		s += fmt.Sprintf(", window %d", a.Window)
	}
	if a.DeclaredWindow > 0 {
		s += fmt.Sprintf(" (window %d unused)", a.DeclaredWindow)
	}
	if a.Differential {
		s += ", diff"
	}
	return s
}

// Cross reports whether the layer reads another layer's cache.
func (a Attention) Cross() bool { return a.KVSource > 0 }

// KVElements returns how many elements the cache stores for a position: K and V.
func (a Attention) KVElements() int { return a.KVHeads * (a.HeadDim + a.Values()) }

// Values returns the elements of a value head.
func (a Attention) Values() int {
	if a.ValueDim > 0 {
		return a.ValueDim
	}
	return a.HeadDim
}

// Queries returns the elements of the queries of one position, heads·head_dim.
func (a Attention) Queries() int { return a.Heads * a.HeadDim }

// KVRows returns how many rows the map to keys and values has.
func (a Attention) KVRows() int {
	if a.KeysAsValues {
		return a.KVHeads * a.HeadDim
	}
	return a.KVElements()
}

// NormWidths returns how many elements of a query and of a key are normed together.
func (a Attention) NormWidths() (q, k int) {
	if a.QKNormWide {
		return a.Queries(), a.KVHeads * a.HeadDim
	}
	return a.HeadDim, a.HeadDim
}

// NormVectors returns how many vectors of parameters each norm of queries or keys has.
func (a Attention) NormVectors() int {
	n := 1
	if a.QKNormBare {
		n = 0
	}
	if a.QKNormBias {
		n++
	}
	return n
}

// NormFLOPs returns the FLOPs of the norms of queries and keys for one element.
func (a Attention) NormFLOPs() int {
	if a.QKLayerNorm {
		return LayerNormBare.FLOPs() + a.NormVectors()
	}
	return 3 + a.NormVectors()
}

// Inner returns the width of the attention's inner output, heads·value_dim.
func (a Attention) Inner() int { return a.Heads * a.Values() }

// normWeight is a vector of the norm of queries, or of the norm of keys.
type normWeight struct {
	name string
	keys bool
}

func (a Attention) norms() (all []normWeight) {
	if !a.QKNorm {
		return nil
	}
	for _, n := range []normWeight{{"q_norm", false}, {"k_norm", true}} {
		if n.keys && a.Cross() { // the layer whose cache is read has normed the keys
			continue
		}
		if !a.QKNormBare {
			all = append(all, n)
		}
		if a.QKNormBias {
			all = append(all, normWeight{n.name + "_bias", n.keys})
		}
	}
	return all
}

// NormNames lists the weights of the norms of queries and keys.
func (a Attention) NormNames() (names []string) {
	for _, n := range a.norms() {
		names = append(names, n.name)
	}
	return names
}

// Weights implements Mixer.
func (a Attention) Weights(width int) []Weight {
	rows := a.Queries()
	if !a.Cross() {
		rows += a.KVRows()
	}
	if a.OutputGate {
		rows += a.Inner()
	}
	w := []Weight{{Name: "qkv", Shape: []int{rows, width}}}
	if a.QKVBias {
		w = append(w, Weight{Name: "qkv_bias", Shape: []int{rows}, Role: Vector})
	}
	if a.QKNorm {
		q, k := a.NormWidths()
		if a.QKNormHeads {
			q, k = a.Queries(), a.KVHeads*a.HeadDim
		}
		for _, norm := range a.norms() {
			n := q
			if norm.keys {
				n = k
			}
			w = append(w, Weight{Name: norm.name, Shape: []int{n}, Role: Vector})
		}
	}
	if a.Sinks {
		w = append(w, Weight{Name: "sinks", Shape: []int{a.Heads}, Role: Vector})
	}
	if a.Differential {
		w = append(w, Weight{Name: "lambda", Shape: []int{4, a.HeadDim}, Role: Vector})
		if !a.DiffNormBare {
			w = append(w, Weight{Name: "diff_norm", Shape: []int{2 * a.HeadDim}, Role: Vector})
		}
	}
	if a.InnerNorm {
		w = append(w, Weight{Name: "inner_norm", Shape: []int{a.Inner()}, Role: Vector})
	}
	w = append(w, Weight{Name: "out", Shape: []int{width, a.Inner()}})
	if a.OutBias {
		w = append(w, Weight{Name: "out_bias", Shape: []int{width}, Role: Vector})
	}
	return w
}

// fields lists what a model file can say about attention. What it does not say about
// cross-attention is the same as in the layer whose cache is read.
func (a *Attention) fields() []Field {
	window := Field{Key: "window", Value: &a.Window, Default: always(0), Zero: "sees nothing: leave it out for full attention",
		Doc: "positions a query sees, itself included"}
	if a.Window > 0 {
		window.Vary = func(n int) { a.Window = n }
	}
	return []Field{
		{Key: "heads", Value: &a.Heads, Doc: "query heads"},
		{Key: "kv_heads", Value: &a.KVHeads, Shown: true, Default: func(int) any { return a.Heads },
			Vary: func(n int) { a.KVHeads = n }, Doc: "key and value heads"},
		{Key: "head_dim", Value: &a.HeadDim, Vary: func(n int) { a.HeadDim, a.RotaryDim = n, min(a.RotaryDim, n) },
			Doc: "elements of a head"},
		{Key: "value_dim", Value: &a.ValueDim, AllowZero: true, Default: always(0), Doc: "elements of a value head; 0: head_dim"},
		window,
		flag("chunked", &a.Chunked, "window is the length of chunks: a query sees those of its own up to itself"),
		{Key: "declared_window", Value: &a.DeclaredWindow, AllowZero: true, Default: always(0), Doc: "window without effect"},
		flag("differential", &a.Differential, "differential attention"),
		flag("qkv_bias", &a.QKVBias, "bias on queries, keys and values"),
		flag("out_bias", &a.OutBias, "bias on the output projection"),
		flag("qk_norm", &a.QKNorm, "norm over each query and key head"),
		flag("qk_norm_wide", &a.QKNormWide, "with qk_norm: one norm over all query heads and one over all key heads"),
		flag("qk_norm_heads", &a.QKNormHeads, "with qk_norm: each head has weights of its own"),
		flag("qk_norm_bare", &a.QKNormBare, "with qk_norm: no weights"),
		flag("qk_layer_norm", &a.QKLayerNorm, "with qk_norm: LayerNorm instead of RMSNorm"),
		flag("qk_norm_bias", &a.QKNormBias, "with qk_norm: biases"),
		flag("value_norm", &a.ValueNorm, "norm without weights over each value head"),
		flag("keys_as_values", &a.KeysAsValues, "with value_norm: values are the keys before norm and rotation"),
		{Key: "logit_cap", Value: &a.LogitCap, Default: always(0.0), Doc: "bound of the scores, by a tanh"},
		flag("output_gate", &a.OutputGate, "sigmoid gate on the inner output"),
		flag("sinks", &a.Sinks, "a learned logit per head"),
		flag("alibi", &a.Alibi, "scores fall with the distance of query and key"),
		flag("diff_norm_bare", &a.DiffNormBare, "with differential: its norm has no weights"),
		flag("inner_norm", &a.InnerNorm, "norm in front of the output projection"),
		{Key: "rotary_dim", Value: &a.RotaryDim, AllowZero: true, Default: always(0), Doc: "rotated elements of a head"},
		{Key: "rotary_base", Value: &a.RotaryBase, Default: always(0.0), Doc: "base of the rotary embedding"},
	}
}

func (a Attention) edit(change func([]Field)) Mixer {
	change(a.fields())
	return a
}

func (a Attention) detached() Mixer {
	a.KVSource = 0
	return a
}

// Stores implements Mixer.
func (a Attention) Stores() Storage {
	if a.Cross() {
		return Storage{}
	}
	return Storage{CacheElements: a.KVElements(), Window: a.Window}
}

// Reads implements Mixer.
func (a Attention) Reads() Reads { return Reads{Cache: a.KVSource} }

// HandsOn implements Mixer: attention's memory is its inner output.
func (a Attention) HandsOn(kind MemoryKind) int {
	if kind == AttentionMemory {
		return a.Inner()
	}
	return 0
}

// readingCache implements CacheReader.
func (a Attention) readingCache(layer Ref) Mixer {
	a.KVSource = layer
	return a
}

// fitsCache implements CacheReader.
func (a Attention) fitsCache(owner Mixer) error {
	o, ok := owner.(Attention)
	switch {
	case !ok:
		return fmt.Errorf("reads keys and values, but the cache of %s holds none", owner.Kind())
	case o.KVHeads != a.KVHeads || o.HeadDim != a.HeadDim || o.Values() != a.Values() || o.Differential != a.Differential:
		return fmt.Errorf("has kv_heads %d × head_dim %d, the cache of its owner %d × %d (value_dim and differential must agree too)",
			a.KVHeads, a.HeadDim, o.KVHeads, o.HeadDim)
	case o.Chunked && (!a.Chunked || a.Window != o.Window):
		return fmt.Errorf("does not see the chunks of %d that the owner of its cache keeps", o.Window)
	case o.Window > 0 && (a.Window == 0 || a.Window > o.Window):
		return fmt.Errorf("sees further than the window of %d that the owner of its cache keeps", o.Window)
	}
	return nil
}

// Check implements Mixer.
func (a Attention) Check(int) error {
	if err := positive("heads", a.Heads, "kv_heads", a.KVHeads, "head_dim", a.HeadDim); err != nil {
		return err
	}
	if a.Heads%a.KVHeads != 0 {
		return fmt.Errorf("heads %d does not divide into kv_heads %d groups", a.Heads, a.KVHeads)
	}
	if a.Window < 0 || a.DeclaredWindow < 0 {
		return fmt.Errorf("window %d is negative", min(a.Window, a.DeclaredWindow))
	}
	if a.Differential && (a.Heads%2 != 0 || a.KVHeads%2 != 0) {
		return fmt.Errorf("differential attention pairs heads: heads %d and kv_heads %d must be even", a.Heads, a.KVHeads)
	}
	if a.ValueDim < 0 || a.ValueDim > MaxDimension {
		return fmt.Errorf("value_dim %d is not from 0 to %d", a.ValueDim, MaxDimension)
	}
	if a.Differential && a.Values() != a.HeadDim {
		return fmt.Errorf("differential attention with value_dim %d beside head_dim %d is not modelled", a.ValueDim, a.HeadDim)
	}
	if !(a.LogitCap >= 0) {
		return fmt.Errorf("logit_cap %g is not 0 or more", a.LogitCap)
	}
	for _, f := range []struct {
		name   string
		on, of bool
		whose  string
	}{
		{"qk_norm_wide", a.QKNormWide, a.QKNorm, "qk_norm"}, {"qk_norm_heads", a.QKNormHeads, a.QKNorm, "qk_norm"},
		{"qk_norm_bare", a.QKNormBare, a.QKNorm, "qk_norm"}, {"qk_layer_norm", a.QKLayerNorm, a.QKNorm, "qk_norm"},
		{"qk_norm_bias", a.QKNormBias, a.QKNorm, "qk_norm"}, {"diff_norm_bare", a.DiffNormBare, a.Differential, "differential"},
	} {
		if f.on && !f.of {
			return fmt.Errorf("%s says how %s runs, which is off", f.name, f.whose)
		}
	}
	if a.Chunked && a.Window == 0 {
		return fmt.Errorf("chunked needs a window, the length of its chunks")
	}
	if a.KeysAsValues && a.Values() != a.HeadDim {
		return fmt.Errorf("keys_as_values needs values as wide as keys, head_dim %d", a.HeadDim)
	}
	if a.KeysAsValues && !a.ValueNorm {
		return fmt.Errorf("keys_as_values needs value_norm, which keeps values apart from keys")
	}
	if a.RotaryDim < 0 || a.RotaryDim > a.HeadDim || a.RotaryDim%2 != 0 {
		return fmt.Errorf("rotary_dim %d is not an even number from 0 to head_dim %d", a.RotaryDim, a.HeadDim)
	}
	return nil
}
