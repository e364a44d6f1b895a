package kernels

import (
	"github.com/OWNER/ridgeline/internal/ceil"
)

// conv is a causal depthwise convolution of k taps, followed by SiLU unless plain:
//
//	y[t,c] = silu(bias[c] + Σ_j w[c,j]·x[t−k+1+j, c])
//
// The last k−1 inputs are its state, [batch][k−1][channels].
type conv struct {
	taps     [][]float32 // w by tap, each over the channels
	bias     []float32   // may be nil
	channels int
	plain    bool
}

func newConv(w, bias []float32, channels, k int) conv {
	c := conv{bias: bias, channels: channels, taps: make([][]float32, k)}
	for j := range c.taps {
		c.taps[j] = make([]float32, channels)
		for i := range channels {
			c.taps[j][i] = w[i*k+j]
		}
	}
	return c
}

// run convolves x into dst; state holds batch sequences.
func (c *conv) run(r *runner, t *tally, x, dst mat, state []float32, batch int) {
	const block = 256
	k := len(c.taps)
	T := x.rows / batch
	blocks := ceil.Div(c.channels, block)
	for _, w := range c.taps {
		t.read(Weights, len(w))
	}
	t.read(Weights, len(c.bias))
	r.split(batch*blocks, t, func(i int, t *tally) {
		b, lo := i/blocks, i%blocks*block
		hi := min(c.channels, lo+block)
		c.channelsOf(t, x, dst, state[b*(k-1)*c.channels:(b+1)*(k-1)*c.channels], b*T, T, lo, hi)
	})
}

func (c *conv) channelsOf(t *tally, x, dst mat, state []float32, row0, T, lo, hi int) {
	k, n := len(c.taps), hi-lo
	past := func(i int) []float32 { return state[i*c.channels+lo : i*c.channels+hi] }
	for i := range k - 1 {
		t.read(State, len(past(i)))
	}
	for s := range T {
		y := dst.row(row0 + s)[lo:hi]
		if c.bias != nil {
			copy(y, c.bias[lo:hi])
		} else {
			clear(y)
		}
		for j, w := range c.taps {
			p := s - (k - 1) + j
			var in []float32
			if p < 0 {
				in = past(p + k - 1)
			} else {
				in = x.row(row0 + p)[lo:hi]
			}
			mulAdds(y, w[lo:hi], in)
			t.flops(2 * n)
		}
		t.read(Activations, n)
		if !c.plain {
			silus(y, y)
			t.flops(2 * n)
		}
		t.write(Activations, len(y))
	}
	// the last k−1 inputs, oldest first; those still in the state move up
	for i := range k - 1 {
		if p := T - (k - 1) + i; p < 0 {
			copy(past(i), past(i+T))
		} else {
			copy(past(i), x.row(row0 + p)[lo:hi])
		}
		t.write(State, len(past(i)))
	}
}
