package costmodel

import "github.com/OWNER/ridgeline/arch"

// shortConv prices LFM2's gated convolution: its state is the last d_conv−1 inputs.
func (b *builder) shortConv(s arch.ShortConv) {
	ch := b.split("channels", s.Channels)
	c := float64(ch)
	b.linear("sconv.in", "in", b.m.Width, 3*ch, rows, linearOpts{bias: s.Bias})
	b.elementwise("sconv.gate", Gate, 0, 2*c, c, c, rows)
	b.plainConv("sconv.conv", ConvShort, ch, s.DConv, s.Bias)
	b.elementwise("sconv.out_gate", Gate, 0, 2*c, c, c, rows)
	b.outLinear("sconv.out", "out", ch, s.Bias)
}
