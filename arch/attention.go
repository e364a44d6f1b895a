package arch

import "fmt"

// Attention is softmax attention with grouped queries: full, windowed, cross
// (reading another layer's cache) and differential.
//
// Weights: qkv [(heads + 2·kv_heads)·head_dim, width] (cross: q only; an output
// gate adds heads·head_dim rows), out [width, heads·head_dim].
//
// Differential attention (Ye et al., arXiv:2410.05258; paper §2) pairs the heads:
// heads/2 pairs of query maps, kv_heads/2 pairs of keys, values of 2·head_dim; and
// has four λ vectors of head_dim and a norm weight of 2·head_dim.
type Attention struct {
	Heads, KVHeads, HeadDim int

	// Window is how many positions a query sees, itself included; 0 is all.
	Window int
	// DeclaredWindow is a window the config names that never bites (switched off, or
	// no shorter than the longest context). It costs nothing by itself; engines that
	// pack grouped queries only without a window look at it (paper.md).
	DeclaredWindow int

	Differential bool
	QKVBias      bool
	OutBias      bool
	QKNorm       bool // RMSNorm over head_dim on each query and key head
	OutputGate   bool // sigmoid gate on the inner output (Qwen3-Next)
	Sinks        bool // one learned logit per head (gpt-oss)

	RotaryDim  int // head dims that are rotated; 0 is no positional encoding
	RotaryBase float64

	// KVSource is the layer whose cache is read; unset means its own, stored here.
	KVSource Ref
}

// Kind returns "attention".
func (a *Attention) Kind() string { return "attention" }

// Cross reports whether the layer reads another layer's cache.
func (a *Attention) Cross() bool { return a.KVSource > 0 }

// KVElements is the cache elements of one position: K and V.
func (a *Attention) KVElements() int { return 2 * a.KVHeads * a.HeadDim }

// Inner is the width of the attention's inner output, heads·head_dim.
func (a *Attention) Inner() int { return a.Heads * a.HeadDim }

// Weights implements Mixer.
func (a *Attention) Weights(width int) []Weight {
	rows := a.Inner()
	if !a.Cross() {
		rows += a.KVElements()
	}
	if a.OutputGate {
		rows += a.Inner()
	}
	w := []Weight{{Name: "qkv", Shape: []int{rows, width}}}
	if a.QKVBias {
		w = append(w, Weight{Name: "qkv_bias", Shape: []int{rows}, Role: Vector})
	}
	if a.QKNorm {
		w = append(w, Weight{Name: "q_norm", Shape: []int{a.HeadDim}, Role: Vector})
		if !a.Cross() {
			w = append(w, Weight{Name: "k_norm", Shape: []int{a.HeadDim}, Role: Vector})
		}
	}
	if a.Sinks {
		w = append(w, Weight{Name: "sinks", Shape: []int{a.Heads}, Role: Vector})
	}
	if a.Differential {
		w = append(w, Weight{Name: "lambda", Shape: []int{4, a.HeadDim}, Role: Vector},
			Weight{Name: "diff_norm", Shape: []int{2 * a.HeadDim}, Role: Vector})
	}
	w = append(w, Weight{Name: "out", Shape: []int{width, a.Inner()}})
	if a.OutBias {
		w = append(w, Weight{Name: "out_bias", Shape: []int{width}, Role: Vector})
	}
	return w
}

// Check implements Mixer.
func (a *Attention) Check(int) error {
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
	if a.RotaryDim < 0 || a.RotaryDim > a.HeadDim || a.RotaryDim%2 != 0 {
		return fmt.Errorf("rotary_dim %d is not an even number from 0 to head_dim %d", a.RotaryDim, a.HeadDim)
	}
	return nil
}
