package kernels

import (
	"strconv"

	"github.com/OWNER/ridgeline/arch"
)

// sharedBlock is a Transformer block whose weights several layers use (arch.SharedBlock).
type sharedBlock struct {
	arch.SharedBlock
	norm, ffnNorm          *norm
	qkv, attnOut, up, down linear
	upLow, upHigh, qkvLow  linear
	qkvHigh                [3]linear // of queries, keys and values
	attention              *attention
	out                    linear
}

func (m *Model) newSharedBlock(mx arch.SharedBlock, p string, layer int) *sharedBlock {
	w, n := m.arch.Width, mx.QKVRows()
	shared := p
	if l, ok := mx.WeightsOf.Layer(); ok {
		shared = "layers." + strconv.Itoa(l) + ".mixer."
		if _, part := arch.WeightOwner(m.arch.Layers[l].Mixer); len(arch.Parts(m.arch.Layers[l].Mixer)) > 1 {
			shared += strconv.Itoa(part) + "."
		}
	}
	out := &sharedBlock{
		SharedBlock: mx, norm: m.bare(shared + "norm"), ffnNorm: m.bare(shared + "ffn_norm"),
		qkv: m.linear(shared+"qkv", n, 2*w), attnOut: m.linear(shared+"attn_out", w, mx.Heads*mx.HeadDim),
		up: m.linear(shared+"up", 2*mx.Inner, w), down: m.linear(shared+"down", w, mx.Inner),
		out: m.linear(p+"out", w, w), attention: m.newAttention(mx.Attention(), p, layer),
	}
	if r := mx.Adapter; r > 0 {
		out.upLow, out.upHigh = m.linear(p+"up_low", r, w), m.linear(p+"up_high", 2*mx.Inner, r)
	}
	if r := mx.AttentionAdapter; r > 0 {
		out.qkvLow = m.linear(p+"qkv_low", 3*r, 2*w)
		high, q, kv := m.linear(p+"qkv_high", n, r), mx.Heads*mx.HeadDim, mx.KVHeads*mx.HeadDim
		out.qkvHigh = [3]linear{high.part(0, q), high.part(q, q+kv), high.part(q+kv, n)}
	}
	return out
}

func (m *sharedBlock) newState(s *Session) mixerState { return m.attention.newState(s) }

func (m *sharedBlock) run(c *call, x mat) {
	r, w := c.r, x.cols
	add := func(name string, l linear, in, to mat, ep epilogue) {
		c.op(name, func(t *tally) { r.linear(t, l, in, to, ep) })
	}
	both := c.mat(x.rows, 2*w)
	c.op("shared.norm", func(t *tally) {
		first := c.first
		if first.rows > x.rows {
			first = first.last(first.rows / x.rows)
		}
		for i := range x.rows {
			copy(both.row(i)[:w], x.row(i))
			copy(both.row(i)[w:], first.row(i))
		}
		m.norm.rows(r, t, both, both)
	})
	n, q, kv := m.QKVRows(), m.Heads*m.HeadDim, m.KVHeads*m.HeadDim
	qkv := c.mat(x.rows, n)
	add("shared.qkv", m.qkv, both, qkv, epilogue{})
	if low := m.AttentionAdapter; low > 0 {
		y := c.mat(x.rows, 3*low)
		add("shared.qkv_low", m.qkvLow, both, y, epilogue{})
		c.op("shared.qkv_high", func(t *tally) {
			for i, to := range []mat{qkv.part(0, q), qkv.part(q, kv), qkv.part(q+kv, kv)} {
				r.linear(t, m.qkvHigh[i], y.part(i*low, low), to, epilogue{add: true})
			}
		})
	}
	o := m.attention.heads(c, qkv.part(0, q), qkv.part(q, kv), qkv.part(q+kv, kv), mat{})
	y := c.mat(x.rows, w)
	add("shared.attn_out", m.attnOut, o, y, epilogue{})
	c.op("shared.ffn_norm", func(t *tally) { m.ffnNorm.rows(r, t, y, y) })
	up := c.mat(x.rows, 2*m.Inner)
	add("shared.up", m.up, y, up, epilogue{})
	if m.Adapter > 0 {
		low := c.mat(x.rows, m.Adapter)
		add("shared.up_low", m.upLow, y, low, epilogue{})
		add("shared.up_high", m.upHigh, low, up, epilogue{add: true})
	}
	inner, z := c.mat(x.rows, m.Inner), c.mat(x.rows, w)
	c.op("mlp.act", func(t *tally) { activate(r, t, up, inner, m.Act, true) })
	add("shared.down", m.down, inner, z, epilogue{})
	c.residual("shared.out", m.out, z)
}
