package arch

import "fmt"

// ShortConv is the gated short convolution of LFM2: y = C ⊙ conv(B ⊙ x), where B, C and x
// are maps of the input and the convolution is causal and depthwise, without an activation.
//
// Weights: in [3·channels, width] (B, C, x), conv [channels, d_conv], out [width, channels].
type ShortConv struct {
	Channels, DConv int
	Bias            bool // on both maps and the convolution
}

// Kind returns "short_conv".
func (s ShortConv) Kind() string { return "short_conv" }

// Name implements Mixer.
func (s ShortConv) Name() string { return s.Kind() }

// Shape implements Mixer.
func (s ShortConv) Shape() string { return fmt.Sprintf("%d channels, %d taps", s.Channels, s.DConv) }

// Weights implements Mixer.
func (s ShortConv) Weights(width int) []Weight {
	w := []Weight{
		{Name: "in", Shape: []int{3 * s.Channels, width}},
		{Name: "conv", Shape: []int{s.Channels, s.DConv}, Role: Vector},
		{Name: "out", Shape: []int{width, s.Channels}},
	}
	if s.Bias {
		w = append(w, Weight{Name: "in_bias", Shape: []int{3 * s.Channels}, Role: Vector},
			Weight{Name: "conv_bias", Shape: []int{s.Channels}, Role: Vector},
			Weight{Name: "out_bias", Shape: []int{width}, Role: Vector})
	}
	return w
}

// Check implements Mixer.
func (s ShortConv) Check(int) error { return positive("channels", s.Channels, "d_conv", s.DConv) }

func (s *ShortConv) fields() []Field {
	return []Field{
		{Key: "channels", Value: &s.Channels, Shown: true, Default: func(width int) any { return width }, Doc: "channels of the convolution"},
		{Key: "d_conv", Value: &s.DConv, Default: always(3), Shown: true, Doc: "taps of the convolution"},
		flag("bias", &s.Bias, "bias on both maps and the convolution"),
	}
}

func (s ShortConv) edit(change func([]Field)) Mixer {
	change(s.fields())
	return s
}

func (s ShortConv) detached() Mixer { return s }

// Stores implements Mixer.
func (s ShortConv) Stores() Storage { return Storage{ConvElements: s.Channels * (s.DConv - 1)} }

// Reads implements Mixer.
func (s ShortConv) Reads() Reads { return Reads{} }

// HandsOn implements Mixer.
func (s ShortConv) HandsOn(MemoryKind) int { return 0 }
