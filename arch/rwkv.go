package arch

import "fmt"

// RWKV4 is the time mix of RWKV-4 (Peng et al., arXiv:2305.13048 §3.1): a weighted mean of
// values over all positions, by channel, with weights exp(k) that decay,
//
//	x_k = μ_k⊙x + (1−μ_k)⊙x′      x′ the input of the position before; the same for v and r
//	wkv = (Σ exp(k_j − (t−1−j)·w)·v_j + exp(u + k_t)·v_t) / (the same without v)
//	y = out·(σ(r)⊙wkv)
//
// Of a sequence it keeps the last input, and numerator, denominator and largest exponent of
// each channel.
//
// Weights: mix [3, width] (of k, v and r), kvr [3·inner, width], decay and first [inner], out
// [width, inner].
type RWKV4 struct {
	Inner  int
	Stream int // width of the model, whose last input is kept
}

// Kind returns "rwkv4".
func (t RWKV4) Kind() string { return "rwkv4" }

// Name implements Mixer.
func (t RWKV4) Name() string { return t.Kind() }

// Shape implements Mixer.
func (t RWKV4) Shape() string { return fmt.Sprintf("%d channels", t.Inner) }

// Weights implements Mixer.
func (t RWKV4) Weights(width int) []Weight {
	return []Weight{
		{Name: "mix", Shape: []int{3, width}, Role: Vector},
		{Name: "kvr", Shape: []int{3 * t.Inner, width}},
		{Name: "decay", Shape: []int{t.Inner}, Role: Vector},
		{Name: "first", Shape: []int{t.Inner}, Role: Vector},
		{Name: "out", Shape: []int{width, t.Inner}},
	}
}

// Check implements Mixer.
func (t RWKV4) Check(width int) error {
	if err := positive("inner", t.Inner); err != nil {
		return err
	}
	return streamIs(t.Stream, width)
}

// streamIs checks what a mixer says of the model's width.
func streamIs(stream, width int) error {
	if stream != width {
		return fmt.Errorf("stream %d is not the model's width %d", stream, width)
	}
	return nil
}

func (t *RWKV4) fields() []Field {
	return []Field{
		{Key: "inner", Value: &t.Inner, Shown: true, Default: func(width int) any { return width }, Doc: "channels of the weighted mean"},
		{Key: "stream", Value: &t.Stream, Default: func(width int) any { return width }, Doc: "width of the model"},
	}
}

func (t RWKV4) edit(change func([]Field)) Mixer {
	change(t.fields())
	return t
}

func (t RWKV4) detached() Mixer { return t }

// Stores implements Mixer.
func (t RWKV4) Stores() Storage { return Storage{StateElements: 3 * t.Inner, ConvElements: t.Stream} }

// Reads implements Mixer.
func (t RWKV4) Reads() Reads { return Reads{} }

// HandsOn implements Mixer.
func (t RWKV4) HandsOn(MemoryKind) int { return 0 }

// RWKVChannelMix is the channel mix of RWKV-4 (Peng et al., arXiv:2305.13048 §3.1): a network
// of two maps behind a gate. It reads the input of the position before, and so is a mixer:
//
//	y = σ(R·x_r) ⊙ V·relu(K·x_k)²      x_k, x_r mixed as in the time mix
//
// Weights: mix [2, width] (of k and r), key [inner, width], receptance [width, width], value
// [width, inner].
type RWKVChannelMix struct {
	Inner  int
	Stream int // width of the model, whose last input is kept
}

// Kind returns "rwkv_channel_mix".
func (f RWKVChannelMix) Kind() string { return "rwkv_channel_mix" }

// Name implements Mixer.
func (f RWKVChannelMix) Name() string { return "channel_mix" }

// Shape implements Mixer.
func (f RWKVChannelMix) Shape() string { return fmt.Sprintf("inner %d", f.Inner) }

// Weights implements Mixer.
func (f RWKVChannelMix) Weights(width int) []Weight {
	return []Weight{
		{Name: "mix", Shape: []int{2, width}, Role: Vector},
		{Name: "key", Shape: []int{f.Inner, width}},
		{Name: "receptance", Shape: []int{width, width}},
		{Name: "value", Shape: []int{width, f.Inner}},
	}
}

// Check implements Mixer.
func (f RWKVChannelMix) Check(width int) error {
	if err := positive("inner", f.Inner); err != nil {
		return err
	}
	return streamIs(f.Stream, width)
}

func (f *RWKVChannelMix) fields() []Field {
	return []Field{
		{Key: "inner", Value: &f.Inner, Shown: true, Default: func(width int) any { return product(4, width) }, Doc: "inner width"},
		{Key: "stream", Value: &f.Stream, Default: func(width int) any { return width }, Doc: "width of the model"},
	}
}

func (f RWKVChannelMix) edit(change func([]Field)) Mixer {
	change(f.fields())
	return f
}

func (f RWKVChannelMix) detached() Mixer { return f }

// Stores implements Mixer.
func (f RWKVChannelMix) Stores() Storage { return Storage{ConvElements: f.Stream} }

// Reads implements Mixer.
func (f RWKVChannelMix) Reads() Reads { return Reads{} }

// HandsOn implements Mixer.
func (f RWKVChannelMix) HandsOn(MemoryKind) int { return 0 }
