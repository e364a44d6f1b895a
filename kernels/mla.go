package kernels

import (
	"math"
	"slices"

	"github.com/OWNER/ridgeline/arch"
)

// mla is multi-head latent attention, perhaps with an indexer.
type mla struct {
	arch.MLA
	qDown, qUp, kvDown, kvUp, out linear // qUp from the input where there is no latent of queries
	qNorm, kvNorm                 *norm
	scale                         float32

	indexQ, indexK, indexWeights linear
	indexNorm                    norm
}

func (m *Model) newMLA(mx arch.MLA, p string, _ int) *mla {
	width := m.arch.Width
	out := &mla{
		MLA:    mx,
		kvDown: m.linear(p+"kv_down", mx.LatentElements(), width),
		kvNorm: m.bare(p + "kv_norm"),
		kvUp:   m.linear(p+"kv_up", mx.Heads*(mx.NopeDim+mx.ValueDim), mx.KVRank),
		out:    m.linear(p+"out", width, mx.Inner()),
		scale:  float32(mx.Numerics.Scale),
	}
	if mx.Numerics.Scale == 0 {
		out.scale = float32(1 / math.Sqrt(float64(mx.QueryDim())))
	}
	if mx.QRank > 0 {
		out.qDown, out.qNorm = m.linear(p+"q_down", mx.QRank, width), m.bare(p+"q_norm")
		out.qUp = m.linear(p+"q_up", mx.Heads*mx.QueryDim(), mx.QRank)
	} else {
		out.qUp = m.linear(p+"q", mx.Heads*mx.QueryDim(), width)
	}
	if e := float32(mx.Numerics.NormEps); e != 0 {
		out.kvNorm.eps = e
		if out.qNorm != nil {
			out.qNorm.eps = e
		}
	}
	if mx.Indexed() {
		out.indexQ = m.linear(p+"index_q", mx.IndexHeads*mx.IndexDim, mx.QRank)
		out.indexK = m.linear(p+"index_k", mx.IndexDim, width)
		out.indexWeights = m.linear(p+"index_weights", mx.IndexHeads, width)
		out.indexNorm = norm{w: m.weights[p+"index_norm"], b: m.weights[p+"index_norm_bias"], eps: 1e-6, centre: true}
	}
	return out
}

// newState makes the cache of latents, whose values are the first part of its keys, and
// that of the indexer's keys.
func (m *mla) newState(s *Session) mixerState {
	st := mixerState{cache: newKeys(s.batch, m.LatentElements(), s.maxContext), owned: true}
	if m.Indexed() {
		st.index = newKeys(s.batch, m.IndexDim, s.maxContext)
	}
	return st
}

func (m *mla) run(c *call, x mat) {
	r, s := c.r, c.s
	st := s.layers[c.layer].mixers[c.mixer]
	latent := c.mat(x.rows, m.LatentElements())
	c.op("mla.kv_down", func(t *tally) { r.linear(t, m.kvDown, x, latent, epilogue{}) })
	normed := latent.part(0, m.KVRank)
	c.op("mla.kv_norm", func(t *tally) { m.kvNorm.rows(r, t, normed, normed) })
	ask := x // rows that make queries
	if c.lastQuery {
		ask = x.last(c.T)
		c.x = c.x.last(c.T)
	}
	low := ask
	if m.QRank > 0 {
		low = c.mat(ask.rows, m.QRank)
		c.op("mla.q_down", func(t *tally) { r.linear(t, m.qDown, ask, low, epilogue{}) })
		c.op("mla.q_norm", func(t *tally) { m.qNorm.rows(r, t, low, low) })
	}
	q := c.mat(ask.rows, m.Heads*m.QueryDim())
	name := "mla.q"
	if m.QRank > 0 {
		name = "mla.q_up"
	}
	c.op(name, func(t *tally) { r.linear(t, m.qUp, low, q, epilogue{}) })
	nq := ask.rows / s.batch
	if !m.Unrotated {
		rot := s.rotary(m.RopeDim, m.RotaryBase, m.Numerics.Rope)
		c.op("mla.rope", func(t *tally) {
			rot.rotateAt(r, t, q, m.QueryDim(), m.NopeDim, c.n0+c.T-nq, nq)
			rot.rotateAt(r, t, latent, latent.cols, m.KVRank, c.n0, c.T)
		})
	}
	temper(q, c.n0+c.T-nq, nq, m.Numerics.Temperature, m.Numerics.TemperatureFloor)
	c.op("mla.kv_write", func(t *tally) { st.cache.append(t, latent, mat{}, c.n0, c.T) })
	var picked [][]int
	switch owner, taken := m.PicksOf.Layer(); {
	case taken:
		picked = lastOf(c.picks[owner], s.batch, nq)
	case m.IndexTopK > 0:
		picked = m.pick(c, x, ask, low, st.index, nq)
		if _, there := c.picks[c.layer]; !there {
			c.picks[c.layer] = picked
		}
	}
	if m.IndexTopK > 0 && picked == nil { // stopped
		return
	}
	var o mat
	if c.step || m.IndexTopK > 0 {
		o = m.absorbed(c, q, st.cache, nq, picked)
	} else {
		o = m.expanded(c, q, st.cache, nq)
	}
	c.residual("mla.out", m.out, o)
}

// keyMap and valueMap are the rows of a head in the map up from the latents.
func (m *mla) keyMap(h int) []float32 {
	at := h * (m.NopeDim + m.ValueDim) * m.KVRank
	return m.kvUp.w[at : at+m.NopeDim*m.KVRank]
}

func (m *mla) valueMap(h int) []float32 {
	at := (h*(m.NopeDim+m.ValueDim) + m.NopeDim) * m.KVRank
	return m.kvUp.w[at : at+m.ValueDim*m.KVRank]
}

// absorbed attends to the latents as they are: queries go through their head's map of keys
// first, and what comes out through its map of values.
func (m *mla) absorbed(c *call, q mat, cache *kvCache, nq int, picked [][]int) mat {
	r, row := c.r, m.LatentElements()
	wide := c.mat(q.rows, m.Heads*row)
	c.op("mla.absorb_q", func(t *tally) {
		r.split(m.Heads, t, func(h int, t *tally) {
			w := m.keyMap(h)
			t.read(Weights, len(w))
			for i := range q.rows {
				from := q.row(i)[h*m.QueryDim() : (h+1)*m.QueryDim()]
				to := wide.row(i)[h*row : (h+1)*row]
				t.read(Activations, m.NopeDim)
				clear(to[:m.KVRank])
				axpys(to, row, 1, w, m.KVRank, m.NopeDim, m.KVRank, from, m.QueryDim(), ahead{})
				copy(to[m.KVRank:], from[m.NopeDim:])
				t.flops(2 * len(w))
				t.write(Activations, m.KVRank)
			}
		})
	})
	sums := c.mat(q.rows, m.Heads*m.KVRank)
	core := attentionCore{
		q: wide, out: sums, cache: cache, passes: []pass{{keys: []passKeys{{0, span(0, m.Heads)}}, values: []passValues{{0, 0}}, heads: span(0, m.Heads)}},
		batch: c.s.batch, heads: m.Heads, dim: row, vdim: m.KVRank, width: 1, n: c.n0 + c.T, nq: nq, scale: m.scale, latent: true,
	}
	c.op("mla.core", func(t *tally) {
		if picked == nil {
			core.run(r, t)
			return
		}
		m.gathered(r, t, core, picked)
	})
	o := c.keep(arch.AttentionMemory, q.rows, m.Inner())
	c.op("mla.absorb_v", func(t *tally) {
		r.split(m.Heads, t, func(h int, t *tally) {
			w := m.valueMap(h)
			t.read(Weights, len(w))
			from := sums.part(h*m.KVRank, m.KVRank)
			for i := range sums.rows {
				t.read(Activations, m.KVRank)
				to := o.row(i)[h*m.ValueDim : (h+1)*m.ValueDim]
				dots(w, m.KVRank, m.ValueDim, from, i, 1, to, m.ValueDim, ahead{})
				t.flops(2 * len(w))
				t.write(Activations, m.ValueDim)
			}
		})
	})
	return o
}

// gathered runs the core on the positions that each query picked.
func (m *mla) gathered(r *runner, t *tally, core attentionCore, picked [][]int) {
	all, cache := core, core.cache
	for i, at := range picked {
		t.read(Activations, m.IndexTopK) // the list of positions is that long even where fewer are there
		few := newKeys(1, core.dim, len(at))
		for j, p := range at {
			k, _, _ := cache.rows(i/all.nq, 0, p, p+1)
			copy(few.k[j*core.dim:], k)
		}
		one := all
		one.q, one.out = all.q.only(i), all.out.only(i)
		one.cache, one.batch, one.n, one.nq = few, 1, len(at), 1
		one.run(r, t)
	}
}

// expanded makes keys and values of every position for each head, and attends to them.
func (m *mla) expanded(c *call, q mat, cache *kvCache, nq int) mat {
	r, s, n := c.r, c.s, c.n0+c.T
	latents := c.mat(s.batch*n, m.KVRank)
	made := c.mat(s.batch*n, m.kvUp.out)
	wide := &kvCache{batch: s.batch, kv: m.Heads, dim: m.QueryDim(), vdim: m.ValueDim, size: n}
	wide.k, wide.v = make([]float32, s.batch*m.Heads*n*wide.dim), make([]float32, s.batch*m.Heads*n*wide.vdim)
	c.op("mla.kv_up", func(t *tally) {
		for b := range s.batch {
			k, _, _ := cache.rows(b, 0, 0, n)
			for p := range n {
				copy(latents.row(b*n+p), k[p*cache.dim:])
			}
		}
		r.linear(t, m.kvUp, latents, made, epilogue{cached: true})
		for b := range s.batch { // each head's keys one behind the other, the shared part beside them
			k, _, _ := cache.rows(b, 0, 0, n)
			for p := range n {
				from := made.row(b*n + p)
				for h := range m.Heads {
					head := from[h*(m.NopeDim+m.ValueDim) : (h+1)*(m.NopeDim+m.ValueDim)]
					at := wide.at(b, h, p)
					copy(wide.k[at*wide.dim:], head[:m.NopeDim])
					copy(wide.k[at*wide.dim+m.NopeDim:], k[p*cache.dim+m.KVRank:(p+1)*cache.dim])
					copy(wide.v[at*wide.vdim:], head[m.NopeDim:])
				}
			}
		}
	})
	o := c.keep(arch.AttentionMemory, q.rows, m.Inner())
	c.op("mla.core", func(t *tally) {
		core := attentionCore{
			q: q, out: o, cache: wide, passes: attentionPasses(m.Heads, m.Heads, false, false, false), batch: s.batch,
			heads: m.Heads, dim: wide.dim, vdim: wide.vdim, width: 1, n: n, nq: nq, scale: m.scale,
			reads: func(t *tally, p *pass, rows int) {
				t.read(Activations, rows*(m.NopeDim+m.ValueDim))
				if p.heads[0] == 0 { // the rotated part is one for all heads
					t.read(Cache, rows*m.RopeDim)
				}
			},
		}
		core.run(r, t)
	})
	return o
}

// pick runs the indexer: for each query row the positions it sees, ascending; nil where
// the run was stopped.
func (m *mla) pick(c *call, x, ask, low mat, keys *kvCache, nq int) [][]int {
	r, s := c.r, c.s
	q := c.mat(ask.rows, m.IndexHeads*m.IndexDim)
	c.op("mla.index_q", func(t *tally) { r.linear(t, m.indexQ, low, q, epilogue{}) })
	k := c.mat(x.rows, m.IndexDim)
	c.op("mla.index_k", func(t *tally) { r.linear(t, m.indexK, x, k, epilogue{}) })
	c.op("mla.index_norm", func(t *tally) { m.indexNorm.rows(r, t, k, k) })
	rope := m.Numerics.Rope
	rope.Adjacent = m.Numerics.IndexAdjacent
	rot := s.rotary(m.RopeDim, m.RotaryBase, rope)
	c.op("mla.index_rope", func(t *tally) {
		rot.rotate(r, t, q, m.IndexDim, c.n0+c.T-nq, nq)
		rot.rotate(r, t, k, m.IndexDim, c.n0, c.T)
	})
	w := c.mat(ask.rows, m.IndexHeads)
	c.op("mla.index_weights", func(t *tally) { r.linear(t, m.indexWeights, ask, w, epilogue{}) })
	c.op("mla.index_write", func(t *tally) { keys.append(t, k, mat{}, c.n0, c.T) })
	n := c.n0 + c.T
	scores := make([][]float32, ask.rows)
	c.op("mla.index", func(t *tally) { m.score(t, q, w, keys, n, nq, scores) })
	picked := make([][]int, ask.rows)
	done := false
	c.op("mla.select", func(t *tally) {
		for i, sc := range scores {
			t.read(Activations, len(sc))
			picked[i] = best(sc, m.IndexTopK)
			t.write(Activations, m.IndexTopK)
		}
		done = true
	})
	if !done {
		return nil
	}
	return picked
}

// lastOf is what was picked for the last n queries of each sequence, nil where nothing was.
func lastOf(picked [][]int, batch, n int) [][]int {
	per := len(picked) / batch
	if per == n {
		return picked
	}
	var out [][]int
	for b := range batch {
		out = append(out, picked[(b+1)*per-min(n, per):(b+1)*per]...)
	}
	return out
}

// score sets the scores of the positions that each query may see.
func (m *mla) score(t *tally, q, w mat, keys *kvCache, n, nq int, scores [][]float32) {
	scale := float32(1 / math.Sqrt(float64(m.IndexDim)*float64(m.IndexHeads))) // a factor of the weights
	for b := range q.rows / nq {
		k, _, _ := keys.rows(b, 0, 0, n)
		t.read(Cache, len(k))
		for i := b * nq; i < (b+1)*nq; i++ {
			seen := n - nq + i - b*nq + 1
			qs, ws := q.row(i), w.row(i)
			t.read(Activations, len(qs)+len(ws))
			sc := make([]float32, seen)
			for p := range sc {
				key := k[p*m.IndexDim : (p+1)*m.IndexDim]
				for h, wh := range ws {
					sc[p] += scale * wh * max(dot(qs[h*m.IndexDim:(h+1)*m.IndexDim], key), 0)
				}
			}
			t.flops(seen * m.IndexHeads * (2*m.IndexDim + 3))
			t.write(Activations, len(sc))
			scores[i] = sc
		}
	}
}

// best are the places of the k largest scores, ascending; ties go to the earlier place.
func best(scores []float32, k int) []int {
	at := span(0, len(scores))
	if k < len(at) {
		slices.SortStableFunc(at, func(a, b int) int {
			switch {
			case scores[a] > scores[b]:
				return -1
			case scores[a] < scores[b]:
				return 1
			}
			return 0
		})
		at = at[:k]
		slices.Sort(at)
	}
	return at
}
