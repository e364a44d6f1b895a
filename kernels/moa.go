package kernels

import "github.com/OWNER/ridgeline/arch"

// mixtureOfHeads is a mixture of attention heads (arch.MoA).
type mixtureOfHeads struct {
	arch.MoA
	choice    *moe // its router
	q, out    []linear
	kv        linear
	bias      []float32
	attention *attention
}

func (m *Model) newMoA(mx arch.MoA, p string, layer int) *mixtureOfHeads {
	w, n := m.arch.Width, mx.Inner()
	out := &mixtureOfHeads{
		MoA: mx, choice: &moe{MoE: mx.Router(), router: m.linear(p+"router", mx.Experts, w)}, kv: m.linear(p+"kv", 2*n, w),
		bias: m.weights[p+"out_bias"], attention: m.newAttention(mx.Attention(), p, layer),
	}
	qs, outs := linear{w: m.weights[p+"q"], out: mx.Experts * n, in: w}, linear{w: m.weights[p+"out"], out: mx.Experts * w, in: n}
	for e := range mx.Experts {
		out.q, out.out = append(out.q, qs.part(e*n, (e+1)*n)), append(out.out, outs.part(e*w, (e+1)*w))
	}
	return out
}

func (m *mixtureOfHeads) newState(s *Session) mixerState { return m.attention.newState(s) }

func (m *mixtureOfHeads) run(c *call, x mat) {
	r, n, k := c.r, m.Inner(), m.TopK
	logits := c.mat(x.rows, m.Experts)
	c.op("moa.router", func(t *tally) { r.linear(t, m.choice.router, x, logits, epilogue{}) })
	var rt *routes
	c.op("moa.route", func(t *tally) { rt = m.choice.route(t, logits) })
	if rt == nil {
		return
	}
	hit := rt.hit(m.Experts)
	c.s.Meter.hit(c.layer, "moa", len(hit), len(rt.rows))
	picked, made := c.mat(len(rt.rows), x.cols), c.mat(len(rt.rows), n)
	q := c.mat(x.rows, k*n)
	c.op("moa.q", func(t *tally) {
		for i, row := range rt.rows {
			copy(picked.row(i), x.row(int(row)))
		}
		for _, e := range hit {
			r.linear(t, m.q[e], rt.of(picked, e), rt.of(made, e), epilogue{})
		}
		m.spread(rt, made, q, false)
	})
	kv := c.mat(x.rows, 2*n)
	c.op("moa.kv", func(t *tally) { r.linear(t, m.kv, x, kv, epilogue{}) })
	o := m.attention.heads(c, q, kv.part(0, n), kv.part(n, n), mat{})
	sum := c.mat(x.rows, x.cols)
	clear(sum.data[:sum.rows*sum.cols])
	c.op("moa.out", func(t *tally) {
		m.spread(rt, made, o, true)
		for _, e := range hit {
			from, end := rt.start[e], rt.start[e+1]
			r.linear(t, m.out[e], rt.of(made, e), sum, epilogue{add: true, rows: rt.rows[from:end], scale: rt.shares[from:end]})
		}
	})
	m.add(c, sum)
}

// spread copies between rows by expert and rows by token, where the heads that share a kv head are
// neighbours; back is from tokens to experts.
func (m *mixtureOfHeads) spread(rt *routes, byExpert, byToken mat, back bool) {
	slot := make([]int, byToken.rows) // how many of a token's experts were seen
	for i, row := range rt.rows {
		at := slot[row]
		slot[row]++
		for h := range m.KVHeads {
			a := byExpert.row(i)[h*m.HeadDim : (h+1)*m.HeadDim]
			b := byToken.row(int(row))[(h*m.TopK+at)*m.HeadDim:][:m.HeadDim]
			if back {
				a, b = b, a
			}
			copy(b, a)
		}
	}
}

// add adds the sum of the experts, and the bias, to the stream.
func (m *mixtureOfHeads) add(c *call, sum mat) {
	to, add := c.sink()
	var keep mat
	if mix, _ := c.source(arch.OutputMemory); mix != nil {
		keep = mix.sized(sum.rows, sum.cols)
	}
	c.op("moa.add", func(t *tally) {
		t.read(Weights, len(m.bias))
		for i := range sum.rows {
			from, out := sum.row(i), to.row(i)
			t.read(Activations, len(from))
			for j := range m.bias {
				from[j] += m.bias[j]
			}
			t.flops(len(m.bias))
			if keep.data != nil {
				kept := keep.row(i)
				for j, v := range from {
					if c.mixer > 0 { // behind what parallel mixers made
						v += kept[j]
					}
					kept[j] = v
				}
				t.write(Activations, len(kept))
			}
			if add {
				t.read(Activations, len(out))
				t.flops(len(out))
				for j, v := range from {
					out[j] += v
				}
			} else {
				copy(out, from)
			}
			t.write(Activations, len(out))
		}
	})
}
