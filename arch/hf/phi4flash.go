package hf

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch"
)

// importPhi4Flash: Phi4FlashConfig, the released SambaY (paper §2; layer map 0-based,
// n layers):
//
//	even i ≤ n/2    Mamba-1; the scan output of layer n/2 is the memory
//	odd  i < n/2    sliding-window attention
//	i = n/2 + 1     full attention, owner of the one cache
//	even i ≥ n/2+2  GMU on the memory of layer n/2
//	odd  i ≥ n/2+3  cross-attention on the cache of layer n/2 + 1
//
// Every attention is differential, with biases on q, k, v and out and no positional
// encoding; norms are LayerNorm. Class defaults: tied, mamba_d_state 16, mamba_d_conv 4,
// mamba_expand 2, mamba_dt_rank "auto" = ⌈hidden_size/16⌉, conv bias and no projection
// bias, mb_per_layer 2.
func importPhi4Flash(c *config) *arch.Model {
	d := hfDefaults{maxContext: 4096, kvHeads: 4, tied: true}
	m, n := c.model(d)
	m.Norm = arch.LayerNorm
	m.HeadBias = c.boolOr("lm_head_bias", false)
	if mb := c.sizeOr("mb_per_layer", 2); mb != 2 {
		c.fail("%smb_per_layer %d is not modelled, only 2", c.prefix, mb)
	}
	if n%4 != 0 {
		c.fail("%snum_hidden_layers %d is not a multiple of 4", c.prefix, n)
	}
	a := c.attention(m, d)
	a.Differential, a.QKVBias, a.OutBias = true, true, true
	mamba := c.mamba1(m.Width)
	mlp := c.swiglu("intermediate_size")
	mlp.Bias = c.boolOr("mlp_bias", false)
	window := c.phi4FlashWindow(n)
	if c.st.err != nil {
		return m
	}

	half := n / 2
	m.Layers = make([]arch.Layer, n)
	for i := range m.Layers {
		at := a
		l := arch.Layer{FFN: mlp}
		switch {
		case i%2 == 0 && i <= half:
			l.Mixer = mamba
		case i%2 == 0:
			l.Mixer = arch.GMU{Memory: arch.To(half), From: arch.ScanMemory, DMem: mamba.DInner}
		case i < half:
			setWindow(m, &at, window)
			l.Mixer = at
		case i == half+1:
			l.Mixer = at
		default:
			at.KVSource = arch.To(half + 1)
			l.Mixer = at
		}
		m.Layers[i] = l
	}
	return m
}

// mamba1 reads the Mamba-1 fields that phi4flash and Jamba share.
func (c *config) mamba1(width int) arch.Mamba1 {
	return arch.Mamba1{
		DInner:   width * c.sizeOr("mamba_expand", 2),
		DState:   c.sizeOr("mamba_d_state", 16),
		DConv:    c.sizeOr("mamba_d_conv", 4),
		DtRank:   c.autoOr("mamba_dt_rank", (width+15)/16),
		ConvBias: c.boolOr("mamba_conv_bias", true),
		ProjBias: c.boolOr("mamba_proj_bias", false),
	}
}

// phi4FlashWindow reads sliding_window: one number, or (as the class writes it back) a
// list with the number for the odd layers of the first half and null elsewhere.
func (c *config) phi4FlashWindow(layers int) int {
	if l, ok := c.fields["sliding_window"].([]any); ok {
		c.used["sliding_window"] = true
		return c.phi4FlashWindows(l, layers)
	}
	n, ok := c.whole("sliding_window", 1, maxPositions)
	if !ok {
		c.missing("sliding_window")
	}
	return n
}

func (c *config) phi4FlashWindows(l []any, n int) int {
	if len(l) != n {
		c.fail("%ssliding_window has %d entries for %d layers", c.prefix, len(l), n)
		return 1
	}
	window := 0
	for i, v := range l {
		windowed := i%2 == 1 && i < n/2
		if !windowed && v != nil {
			c.fail("%ssliding_window[%d] is %s, but layer %d has no window", c.prefix, i, show(v), i)
			return 1
		}
		if !windowed {
			continue
		}
		w := c.asWhole(fmt.Sprintf("sliding_window[%d]", i), v, 1, maxPositions)
		if window != 0 && w != window {
			c.fail("%ssliding_window[%d] is %d, others are %d: different windows are not modelled", c.prefix, i, w, window)
		}
		window = w
	}
	return window
}
