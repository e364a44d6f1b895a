package kernels

import (
	"math"
	"slices"

	"github.com/OWNER/ridgeline/arch"
)

// blockSparse is attention to the blocks that an indexer picks (arch.BlockSparse).
type blockSparse struct {
	arch.BlockSparse
	attention              *attention
	indexQ, indexK         linear
	indexQNorm, indexKNorm *norm
}

func (m *Model) newBlockSparse(mx arch.BlockSparse, p string, layer int) *blockSparse {
	w := m.arch.Width
	return &blockSparse{
		BlockSparse: mx, attention: m.newAttention(mx.Attention(), p, layer),
		indexQ: m.linear(p+"index_q", mx.KVHeads*mx.IndexDim, w), indexK: m.linear(p+"index_k", mx.IndexDim, w),
		indexQNorm: m.bare(p + "index_q_norm"), indexKNorm: m.bare(p + "index_k_norm"),
	}
}

func (m *blockSparse) newState(s *Session) mixerState {
	st := m.attention.newState(s)
	st.index = newKeys(s.batch, m.IndexDim, s.maxContext)
	return st
}

func (m *blockSparse) run(c *call, x mat) {
	r, q, kv := c.r, m.Heads*m.HeadDim, m.KVHeads*m.HeadDim
	st := c.s.layers[c.layer].mixers[c.mixer]
	qkv := c.mat(x.rows, q+2*kv)
	c.op("attn.qkv", func(t *tally) { r.linear(t, m.attention.qkv, x, qkv, epilogue{}) })
	queries := qkv.part(0, q)
	m.attention.beforeCore(c, queries, qkv.part(q, kv), qkv.part(q+kv, kv))
	picked := m.pick(c, x, st.index)
	if picked == nil { // stopped
		return
	}
	o := c.keep(arch.AttentionMemory, x.rows, q)
	c.op("bsa.core", func(t *tally) { m.core(t, queries, o, st.cache, picked, c.n0, c.T) })
	c.residual("attn.out", m.attention.out, o)
}

// pick runs the indexer: for each row and kv head the blocks that it sees, ascending; nil where
// the run was stopped.
func (m *blockSparse) pick(c *call, x mat, keys *kvCache) [][]int {
	r, d := c.r, m.IndexDim
	q, k := c.mat(x.rows, m.KVHeads*d), c.mat(x.rows, d)
	c.op("bsa.index_q", func(t *tally) { r.linear(t, m.indexQ, x, q, epilogue{}) })
	c.op("bsa.index_k", func(t *tally) { r.linear(t, m.indexK, x, k, epilogue{}) })
	c.op("bsa.index_norm", func(t *tally) {
		headNorm(r, t, q, q, m.indexQNorm, d)
		headNorm(r, t, k, k, m.indexKNorm, d)
	})
	if m.RotaryDim > 0 {
		rot := c.s.rotary(m.RotaryDim, m.RotaryBase, m.Numerics.Rope)
		c.op("bsa.index_rope", func(t *tally) {
			rot.rotate(r, t, q, d, c.n0, c.T)
			rot.rotate(r, t, k, d, c.n0, c.T)
		})
	}
	c.op("bsa.index_write", func(t *tally) { keys.append(t, k, mat{}, c.n0, c.T) })
	var picked [][]int
	c.op("bsa.index", func(t *tally) {
		n := c.n0 + c.T
		for b := range c.s.batch {
			at, _, _ := keys.rows(b, 0, 0, n)
			t.read(Cache, len(at))
			for i := b * c.T; i < (b+1)*c.T; i++ {
				seen := c.n0 + i - b*c.T + 1
				t.read(Activations, q.cols)
				for g := range m.KVHeads {
					picked = append(picked, m.bestBlocks(q.row(i)[g*d:(g+1)*d], at, seen))
				}
				t.flops(seen * m.KVHeads * (2*d + 1))
				t.write(Activations, m.KVHeads*m.TopBlocks) // the list has as many places even where fewer are there
			}
		}
	})
	return picked
}

// bestBlocks are the blocks of the first seen keys that a query sees.
func (m *blockSparse) bestBlocks(q, keys []float32, seen int) []int {
	own := (seen - 1) / m.Block
	scores := make([]float32, own+1)
	for i := range scores {
		scores[i] = float32(math.Inf(-1))
	}
	for p := range seen {
		i := p / m.Block
		scores[i] = max(scores[i], dot(q, keys[p*m.IndexDim:(p+1)*m.IndexDim]))
	}
	for i := range min(m.LocalBlocks, own+1) {
		scores[own-i] = float32(math.Inf(1))
	}
	return best(scores, m.TopBlocks)
}

// core attends to the blocks picked. A query that sees all positions works those there are; one
// that picks works whole blocks, of its own also what lies behind it and is masked.
func (m *blockSparse) core(t *tally, q, o mat, cache *kvCache, picked [][]int, n0, T int) {
	group, d := m.Heads/m.KVHeads, m.HeadDim
	scale := 1 / math.Sqrt(float64(d))
	for i := range q.rows {
		seen := n0 + i%T + 1
		t.read(Activations, q.cols+m.KVHeads*m.TopBlocks)
		clear(o.row(i))
		for g := range m.KVHeads {
			blocks := picked[i*m.KVHeads+g]
			worked := len(blocks) * m.Block
			if seen <= m.Picked() {
				worked = seen
			}
			t.read(Cache, worked*2*d)
			t.flops(worked * group * 4 * d)
			at := positions(blocks, m.Block, seen)
			for h := g * group; h < (g+1)*group; h++ {
				query, to := q.row(i)[h*d:(h+1)*d], o.row(i)[h*d:(h+1)*d]
				scores := make([]float64, len(at))
				for j, p := range at {
					k, _, _ := cache.rows(i/T, g, p, p+1)
					scores[j] = scale * float64(dot(query, k))
				}
				top, sum := slices.Max(scores), 0.0
				for j := range scores {
					scores[j] = math.Exp(scores[j] - top)
					sum += scores[j]
				}
				for j, p := range at {
					_, v, _ := cache.rows(i/T, g, p, p+1)
					share := float32(scores[j] / sum)
					for e := range to {
						to[e] += share * v[e]
					}
				}
			}
		}
		t.write(Activations, o.cols)
	}
}

// positions lists the first seen positions that lie in blocks of a size.
func positions(blocks []int, size, seen int) []int {
	var at []int
	for _, b := range blocks {
		for p := b * size; p < min((b+1)*size, seen); p++ {
			at = append(at, p)
		}
	}
	return at
}
