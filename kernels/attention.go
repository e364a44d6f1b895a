package kernels

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
)

// attention is softmax attention: full, windowed, cross, grouped, differential.
type attention struct {
	arch.Attention
	// The rows of qkv are those of q, then of the output gate if there is one, then of k, then of
	// v.
	qkv, out     linear
	qNorm, kNorm *norm
	innerNorm    *norm
	slopes       []float64 // ALiBi's slopes, by head
	sinks        []float32
	eps          float32 // ε of norms that have no weights
	lambda       float32 // for differential attention: λ of the layer
	lambdaInit   float32
	diffNorm     norm
	passes       []pass
}

func (m *Model) newAttention(mx arch.Attention, p string, layer int) *attention {
	w := m.weights
	rows := mx.Queries()
	if mx.OutputGate {
		rows += mx.Inner()
	}
	if !mx.Cross() {
		rows += mx.KVRows()
	}
	out := &attention{
		Attention: mx,
		qkv:       m.linear(p+"qkv", rows, m.arch.Width),
		out:       m.linear(p+"out", m.arch.Width, mx.Inner()),
		sinks:     w[p+"sinks"],
		eps:       float32(m.opts.NormEps),
		passes: attentionPasses(mx.Heads, mx.KVHeads, mx.Differential,
			m.opts.DiffKernel == execution.FourPass, m.opts.KVRead.PerQueryHead(mx.Window > 0 || mx.DeclaredWindow > 0)),
	}
	if mx.QKNorm {
		of := func(name string) *norm {
			return &norm{w: w[p+name], b: w[p+name+"_bias"], eps: float32(m.opts.NormEps), centre: mx.QKLayerNorm}
		}
		out.qNorm, out.kNorm = of("q_norm"), of("k_norm")
	}
	if mx.InnerNorm {
		out.innerNorm = m.bare(p + "inner_norm")
	}
	if mx.Alibi {
		out.slopes = alibiSlopes(mx.Heads, mx.Numerics)
	}
	if mx.Differential {
		init := lambdaInit(layer)
		out.lambda, out.lambdaInit = float32(diffLambda(w[p+"lambda"], init)), float32(init)
		out.diffNorm = *m.bare(p + "diff_norm") // a bare norm has no weights
	}
	return out
}

// newState makes a cache, or takes the cache of the layer whose cache this one reads.
func (m *attention) newState(s *Session) mixerState {
	if src, ok := m.KVSource.Layer(); ok {
		for _, st := range s.layers[src].mixers {
			if st.cache != nil && st.owned {
				return mixerState{cache: st.cache}
			}
		}
		panic("kernels: a layer reads the cache of one that has none")
	}
	return mixerState{cache: newCache(s.batch, m.KVHeads, m.HeadDim, m.Values(), m.Window, s.maxContext), owned: true}
}

// pass is one pass over the keys and values of some kv heads for some query heads.
type pass struct {
	keys   []passKeys
	values []passValues
	heads  []int // all query heads of the pass, in the order of their keys
}

type passKeys struct {
	kv    int
	heads []int
}

type passValues struct {
	kv     int
	offset int // where its result begins in a head's output
}

// attentionPasses plans which rows of the cache are read in which pass for which heads.
//
//	plain         for each kv head: its K and V for its group of heads
//	differential  for each pair of kv heads: both K for the even and odd heads of the group
//	              and both V side by side, in one pass (fused) or in one for each
//	              pair of a K and a V (four passes)
//
// With perHead, each query head (or pair of them) has a pass of its own.
func attentionPasses(heads, kv int, differential, fourPass, perHead bool) []pass {
	var out []pass
	sub := func(heads []int, size int) [][]int {
		if !perHead {
			return [][]int{heads}
		}
		var parts [][]int
		for i := 0; i < len(heads); i += size {
			parts = append(parts, heads[i:i+size])
		}
		return parts
	}
	if !differential {
		group := heads / kv
		for k := range kv {
			for _, hs := range sub(span(k*group, group), 1) {
				out = append(out, pass{keys: []passKeys{{k, hs}}, values: []passValues{{k, 0}}, heads: hs})
			}
		}
		return out
	}
	group := heads / kv // query pairs for each kv pair
	for p := range kv / 2 {
		for _, hs := range sub(span(2*p*group, 2*group), 2) {
			even, odd := every2(hs, 0), every2(hs, 1)
			if !fourPass {
				out = append(out, pass{
					keys:   []passKeys{{2 * p, even}, {2*p + 1, odd}},
					values: []passValues{{2 * p, 0}, {2*p + 1, 1}},
					heads:  append(append([]int{}, even...), odd...),
				})
				continue
			}
			for e, side := range [2][]int{even, odd} {
				for v := range 2 {
					out = append(out, pass{
						keys:   []passKeys{{2*p + e, side}},
						values: []passValues{{2*p + v, v}},
						heads:  side,
					})
				}
			}
		}
	}
	return out
}

func span(from, n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = from + i
	}
	return s
}

func every2(s []int, from int) []int {
	var out []int
	for i := from; i < len(s); i += 2 {
		out = append(out, s[i])
	}
	return out
}

// lambdaInit is λ_init of a differential layer (Ye et al., arXiv:2410.05258).
func lambdaInit(layer int) float64 { return 0.8 - 0.6*math.Exp(-0.3*float64(layer)) }

// diffLambda is λ from the four vectors q1, k1, q2, k2 of w.
func diffLambda(w []float32, init float64) float64 {
	n := len(w) / 4
	var a, b float64
	for i := range n {
		a += float64(w[i]) * float64(w[n+i])
		b += float64(w[2*n+i]) * float64(w[3*n+i])
	}
	return math.Exp(a) - math.Exp(b) + init
}

func (m *attention) run(c *call, x mat) {
	r := c.r
	inner, queries := m.Inner(), m.Queries()
	qRows := queries
	if m.OutputGate {
		qRows += inner
	}
	var q, k, v mat
	switch {
	case m.Cross():
		q = c.mat(x.rows, qRows)
		c.op("attn.q", func(t *tally) { r.linear(t, m.qkv, x, q, epilogue{}) })
	case c.lastQuery:
		kv := c.mat(x.rows, m.KVRows())
		c.op("attn.kv", func(t *tally) { r.linear(t, m.qkv.part(qRows, m.qkv.out), x, kv, epilogue{}) })
		k, v = m.keysValues(c, kv)
		c.x = c.x.last(c.T)
		q = c.mat(c.x.rows, qRows)
		c.op("attn.q", func(t *tally) { r.linear(t, m.qkv.part(0, qRows), x.last(c.T), q, epilogue{}) })
	default:
		qkv := c.mat(x.rows, m.qkv.out)
		c.op("attn.qkv", func(t *tally) { r.linear(t, m.qkv, x, qkv, epilogue{}) })
		q = qkv.part(0, qRows)
		k, v = m.keysValues(c, qkv.part(qRows, m.KVRows()))
	}
	var gate mat
	if m.OutputGate {
		gate = q.part(queries, inner)
	}
	c.residual("attn.out", m.out, m.heads(c, q.part(0, queries), k, v, gate))
}

// heads computes what is between the map to queries, keys and values and the output map.
func (m *attention) heads(c *call, q, k, v, gate mat) mat {
	r, inner := c.r, m.Inner()
	m.beforeCore(c, q, k, v)
	o := m.core(c, q, c.s.layers[c.layer].mixers[c.mixer].cache, c.n0+c.T, q.rows/c.s.batch)
	if m.OutputGate {
		gated := c.mat(q.rows, inner)
		c.op("attn.gate", func(t *tally) { r.outputGate(t, gate, o, gated) })
		o = gated
	}
	if m.InnerNorm {
		normed := c.mat(o.rows, inner)
		c.op("attn.inner_norm", func(t *tally) { m.innerNorm.rows(r, t, o, normed) })
		o = normed
	}
	return o
}

// beforeCore runs norms and rotation of queries and keys, and puts keys and values into the cache.
func (m *attention) beforeCore(c *call, q, k, v mat) {
	r, s := c.r, c.s
	if m.ValueNorm && !m.Cross() {
		from := v
		if m.KeysAsValues {
			from = k
		}
		c.op("attn.v_norm", func(t *tally) { bareNorm(t, from, v, m.Values(), m.eps) })
	}
	normed := func() {
		if !m.QKNorm {
			return
		}
		c.op("attn.qk_norm", func(t *tally) {
			wideQ, wideK := m.NormWidths()
			headNorm(r, t, q, q, m.qNorm, wideQ)
			if !m.Cross() {
				headNorm(r, t, k, k, m.kNorm, wideK)
			}
		})
	}
	nq := q.rows / s.batch
	if !m.Numerics.NormBehindRope {
		normed()
	}
	if m.RotaryDim > 0 {
		rot := s.rotary(m.RotaryDim, m.RotaryBase, m.Numerics.Rope)
		c.op("attn.rope", func(t *tally) {
			rot.rotate(r, t, q, m.HeadDim, c.n0+c.T-nq, nq)
			if !m.Cross() {
				rot.rotate(r, t, k, m.HeadDim, c.n0, c.T)
			}
		})
	}
	if m.Numerics.NormBehindRope {
		normed()
	}
	m.temper(q, c.n0+c.T-nq, nq)
	cache := s.layers[c.layer].mixers[c.mixer].cache
	if !m.Cross() {
		c.op("attn.kv_write", func(t *tally) { cache.append(t, k, v, c.n0, c.T) })
	}
}

// temper scales the queries of each position (arch.AttentionNumerics.Temperature). The factor is
// one of the scores, so it costs nothing beyond the factor they already have.
func (m *attention) temper(q mat, from, T int) {
	n := &m.Numerics
	if !n.TemperatureFromZero {
		from++
	}
	temper(q, from, T, n.Temperature, n.TemperatureFloor)
}

// temper scales T queries of each sequence, the first at position from.
func temper(q mat, from, T int, temperature, floor float64) {
	if temperature == 0 || floor <= 0 {
		return
	}
	for i := range q.rows {
		f := float32(1 + temperature*math.Log1p(math.Floor(float64(from+i%T)/floor)))
		row := q.row(i)
		for j := range row {
			row[j] *= f
		}
	}
}

// alibiSlopes returns the slopes of ALiBi by head: 2^(−max·i/n), i from 1, for n heads, where n
// is a power of two. Where it is not, the heads beyond the next smaller power of two get every
// other slope of twice as many heads.
func alibiSlopes(heads int, n arch.AttentionNumerics) []float64 {
	most, factor := n.AlibiMax, n.AlibiScale
	if most == 0 {
		most = 8
	}
	if factor == 0 {
		factor = 1
	}
	whole := 1
	for 2*whole <= heads {
		whole *= 2
	}
	slopes := make([]float64, heads)
	for h := range slopes {
		i := float64(h + 1)
		if h >= whole {
			i = float64(h-whole) + 0.5
		}
		slopes[h] = factor * math.Exp2(-most*i/float64(whole))
	}
	return slopes
}

// keysValues divides the output of a map into keys and values. Where values are the same as keys,
// they get a place of their own, which their norm fills.
func (m *attention) keysValues(c *call, kv mat) (k, v mat) {
	keys, values := m.KVHeads*m.HeadDim, m.KVHeads*m.Values()
	if m.KeysAsValues {
		return kv, c.mat(kv.rows, values)
	}
	return kv.part(0, keys), kv.part(keys, values)
}

// bareNorm sets dst to the heads of x, each divided by the square root of its mean square.
func bareNorm(t *tally, x, dst mat, dim int, eps float32) {
	for i := range x.rows {
		from, to := x.row(i), dst.row(i)
		t.read(Activations, len(from))
		for at := 0; at < len(from); at += dim {
			h := from[at : at+dim]
			_, sq := moments(h, 0)
			s := rsqrtMean(sq, dim, eps)
			for j, v := range h {
				to[at+j] = v * s
			}
		}
		t.flops(3 * len(to))
		t.write(Activations, len(to))
	}
}

// core runs the attention itself and, where attention is differential, joins the two maps.
func (m *attention) core(c *call, q mat, cache *kvCache, n, nq int) mat {
	r := c.r
	width := 1
	if m.Differential {
		width = 2
	}
	var maps mat
	if m.Differential {
		maps = c.mat(q.rows, 2*m.Inner())
	} else {
		maps = c.keep(arch.AttentionMemory, q.rows, m.Inner())
	}
	c.op("attn.core", func(t *tally) {
		core := attentionCore{
			q: q, out: maps, cache: cache, passes: m.passes, sinks: m.sinks, batch: c.s.batch,
			slopes: m.slopes, chunked: m.Chunked,
			heads: m.Heads, dim: m.HeadDim, vdim: m.Values(), width: width, window: m.Window, n: n, nq: nq, scale: float32(m.Numerics.Scale), cap: m.LogitCap,
		}
		core.run(r, t)
		if f := float32(m.Numerics.ValueScale); f != 0 {
			for i := range maps.rows {
				row := maps.row(i)
				for j := range row {
					row[j] *= f
				}
			}
		}
	})
	if !m.Differential {
		return maps
	}
	o := c.keep(arch.AttentionMemory, q.rows, m.Inner())
	c.op("attn.combine", func(t *tally) { m.combine(r, t, maps, o) })
	return o
}

// combine joins the two maps of each pair: RMSNorm(a1 − λ·a2)·(1−λ_init), where the norm may have
// weights.
func (m *attention) combine(r *runner, t *tally, maps, o mat) {
	t.read(Weights, len(m.diffNorm.w))
	pair := 2 * m.HeadDim
	count, rows := pieces(o.rows, 8*o.cols, 1)
	r.split(count, t, func(p int, t *tally) {
		for i := p * rows; i < min(o.rows, (p+1)*rows); i++ {
			in, out := maps.row(i), o.row(i)
			for j := range m.Heads / 2 {
				a1, a2 := in[2*j*pair:(2*j+1)*pair], in[(2*j+1)*pair:(2*j+2)*pair]
				to := out[j*pair : (j+1)*pair]
				t.read(Activations, len(a1)+len(a2))
				for e := range to {
					to[e] = a1[e] - m.lambda*a2[e]
				}
				_, sq := moments(to, 0)
				s := rsqrtMean(sq, pair, m.diffNorm.eps)
				for e := range to {
					to[e] = to[e] * s * (1 - m.lambdaInit)
				}
				t.flops((2 + 3 + 1) * len(to))
				for e, w := range m.diffNorm.w {
					to[e] *= w
					t.flops(1)
				}
				t.write(Activations, len(to))
			}
		}
	})
}

// headNorm normalises each head of the rows of x into dst, which may be x. Weights longer than
// one head are those of all heads in order.
func headNorm(r *runner, t *tally, x, dst mat, n *norm, dim int) {
	t.read(Weights, len(n.w)+len(n.b))
	count, rows := pieces(x.rows, 8*x.cols, 1)
	own := func(v []float32, at int) []float32 {
		if len(v) > dim {
			return v[at : at+dim]
		}
		return v
	}
	r.split(count, t, func(p int, t *tally) {
		for i := p * rows; i < min(x.rows, (p+1)*rows); i++ {
			row, to := x.row(i), dst.row(i)
			for at := 0; at < len(row); at += dim {
				of := norm{w: own(n.w, at), b: own(n.b, at), eps: n.eps, centre: n.centre}
				of.row(t, row[at:at+dim], to[at:at+dim])
			}
		}
	})
}

// outputGate sets dst = sigmoid(gate)·o.
func (r *runner) outputGate(t *tally, gate, o, dst mat) {
	for i := range o.rows {
		t.read(Activations, len(gate.row(i))+len(o.row(i)))
		sigmoidMuls(dst.row(i), gate.row(i), o.row(i))
		t.flops(2 * len(o.row(i)))
		t.write(Activations, len(dst.row(i)))
	}
}
