package kernels

import (
	"math"

	"github.com/OWNER/ridgeline/internal/ceil"
)

// attentionCore computes softmax(scale·q·Kᵀ)·V over a cache. Keys are read in blocks. Every query
// that sees a block uses it while the block is in the processor's cache, and keeps a running
// maximum and sum (Milakov & Gimelshein, arXiv:1805.02867). So a pass reads K and V once,
// whatever the number of queries.
type attentionCore struct {
	q, out  mat // q: heads·dim a row; out: heads·width·vdim
	cache   *kvCache
	passes  []pass
	sinks   []float32
	batch   int
	heads   int
	dim     int       // elements of a key
	vdim    int       // elements of a value
	latent  bool      // whether values are the first vdim elements of their keys
	width   int       // how many heads of V are side by side: 2 for differential attention
	window  int       // 0 for no window
	chunked bool      // whether window is the length of chunks
	slopes  []float64 // by head, what scores lose for each position of distance; nil for nothing
	n       int       // positions in the cache
	nq      int       // the last nq of them have queries
	scale   float32   // factor of the scores; 0 stands for 1/√dim
	cap     float64   // largest absolute score; 0 for no limit

	// reads counts what a pass reads of some rows of keys and values; with nil all of them count
	// as read from the cache.
	reads func(t *tally, p *pass, rows int)
}

const (
	coreBlock = 128  // most keys in a block
	coreTile  = 8192 // most elements of K, and of V, in a block
	coreChunk = 1024 // keys in one piece of a decode step; pieces are joined afterwards
)

func (a *attentionCore) run(r *runner, t *tally) {
	if a.sinks != nil {
		t.read(Weights, len(a.sinks))
	}
	for i := range a.q.rows {
		t.read(Activations, len(a.q.row(i)))
	}
	lo := a.first(a.n - a.nq)
	chunks, size := 1, a.n-lo
	if a.nq == 1 && size > coreChunk {
		chunks, size = ceil.Div(size, coreChunk), coreChunk
	}
	units := a.batch * len(a.passes)
	parts := make([]*partial, units*chunks)
	r.split(units*chunks, t, func(i int, t *tally) {
		u, ch := i/chunks, i%chunks
		b, p := u/len(a.passes), &a.passes[u%len(a.passes)]
		parts[i] = a.sweep(t, b, p, lo+ch*size, min(a.n, lo+(ch+1)*size))
		if chunks == 1 && parts[i] != nil {
			a.store(b, p, parts[i:i+1])
			parts[i] = nil
		}
	})
	if r.stopped() {
		return
	}
	if chunks > 1 {
		r.split(units, nil, func(u int, _ *tally) {
			a.store(u/len(a.passes), &a.passes[u%len(a.passes)], parts[u*chunks:(u+1)*chunks])
		})
	}
	for i := range a.out.rows {
		t.write(Activations, len(a.out.row(i)))
	}
}

// first returns the first position that the query at position p sees.
func (a *attentionCore) first(p int) int {
	if a.chunked {
		return p - p%a.window
	}
	if a.window > 0 {
		return max(0, p-a.window+1)
	}
	return 0
}

// partial is the running state of the queries of one pass over some of the keys, by query and
// head: the maximum, the sum, and Σ exp(s−max)·v.
type partial struct {
	max, sum, o []float32
	q           []float32 // the queries, scaled
}

func (a *attentionCore) newPartial(b int, p *pass) *partial {
	heads := len(p.heads)
	n := a.nq * heads
	wide := len(p.values) * a.vdim
	buf := make([]float32, n*(2+wide+a.dim))
	s := &partial{max: buf[:n], sum: buf[n : 2*n], o: buf[2*n : 2*n+n*wide], q: buf[2*n+n*wide:]}
	scale := a.scale
	if scale == 0 {
		scale = float32(1 / math.Sqrt(float64(a.dim)))
	}
	for i := range a.nq {
		row := a.q.row(b*a.nq + i)
		for j, h := range p.heads {
			s.max[i*heads+j] = float32(math.Inf(-1))
			to := s.q[(i*heads+j)*a.dim : (i*heads+j+1)*a.dim]
			for e, v := range row[h*a.dim : (h+1)*a.dim] {
				to[e] = v * scale
			}
		}
	}
	return s
}

func (a *attentionCore) sweep(t *tally, b int, p *pass, lo, hi int) *partial {
	s := a.newPartial(b, p)
	scores := make([]float32, len(p.heads)*coreBlock)
	var ks, vs [2][]float32
	block := min(coreBlock, max(8, coreTile/max(a.dim, a.vdim)&^7))
	for at := lo; at < hi; {
		n := 0
		for i, k := range p.keys {
			ks[i], _, n = a.cache.rows(b, k.kv, at, min(hi, at+block))
			if a.reads == nil {
				t.read(Cache, len(ks[i]))
			}
		}
		for i, v := range p.values {
			if a.latent {
				vs[i] = ks[i]
				continue
			}
			_, vs[i], n = a.cache.rows(b, v.kv, at, min(hi, at+block))
			if a.reads == nil {
				t.read(Cache, len(vs[i]))
			}
		}
		if a.reads != nil {
			a.reads(t, p, n)
		}
		var next ahead
		if at+n < hi && a.nq == 1 {
			next.next, _, _ = a.cache.rows(b, p.keys[0].kv, at+n, min(hi, at+n+block))
		}
		for i := range a.nq {
			pos := a.n - a.nq + i
			from, to := max(at, a.first(pos)), min(at+n, pos+1)
			if from < to {
				a.visit(t, p, s, i, &ks, &vs, scores, from-at, to-at, at-pos, next)
			}
		}
		at += n
	}
	return s
}

// visit lets query i use the rows from … to−1 of a block. The block's first row is so many
// positions away from the query's.
func (a *attentionCore) visit(t *tally, p *pass, s *partial, i int, ks, vs *[2][]float32, scores []float32, from, to, away int, next ahead) {
	n, heads := to-from, len(p.heads)
	h0 := 0
	for j, k := range p.keys {
		nh := len(k.heads)
		qs := newMat(s.q[(i*heads+h0)*a.dim:], nh, a.dim)
		soon := ahead{vs[0]} // fetches what comes next while this block of keys is used
		if j+1 < len(p.keys) {
			soon.next = ks[j+1]
		}
		if a.nq > 1 {
			soon = ahead{}
		}
		dots(ks[j][from*a.dim:], a.dim, n, qs, 0, nh, scores[h0*coreBlock:], coreBlock, soon)
		t.flops(2 * n * nh * a.dim)
		h0 += nh
	}
	wide, stride := len(p.values)*a.vdim, a.vdim
	if a.latent {
		stride = a.dim
	}
	for h := range heads {
		sc := scores[h*coreBlock : h*coreBlock+n]
		if a.cap > 0 {
			capScores(sc, a.cap)
			t.flops(3 * n)
		}
		if a.slopes != nil {
			slope := a.slopes[p.heads[h]]
			for j := range sc {
				sc[j] += float32(slope * float64(away+from+j))
			}
			t.flops(2 * n)
		}
		e := i*heads + h
		if m := maximum(sc); m > s.max[e] {
			f := exp32(s.max[e] - m)
			s.sum[e] *= f
			o := s.o[e*wide : (e+1)*wide]
			for c := range o {
				o[c] *= f
			}
			s.max[e] = m
		}
		s.sum[e] += softmaxPart(sc, s.max[e])
	}
	for j := range p.values {
		o := s.o[i*heads*wide+j*a.vdim:]
		soon := next
		if a.nq == 1 && j+1 < len(p.values) {
			soon = ahead{vs[j+1]}
		}
		axpys(o, wide, heads, vs[j][from*stride:], stride, n, a.vdim, scores, coreBlock, soon)
		t.flops(2 * n * heads * a.vdim)
	}
}

// store joins the parts of a pass, those of the earliest keys first, and writes the output.
func (a *attentionCore) store(b int, p *pass, parts []*partial) {
	heads, wide := len(p.heads), len(p.values)*a.vdim
	for i := range a.nq {
		row := a.out.row(b*a.nq + i)
		for j, h := range p.heads {
			e := i*heads + j
			m := float32(math.Inf(-1))
			for _, s := range parts {
				m = max(m, s.max[e])
			}
			var sum float32
			if a.sinks != nil {
				m = max(m, a.sinks[h])
				sum = exp32(a.sinks[h] - m)
			}
			for _, s := range parts {
				sum += s.sum[e] * exp32(s.max[e]-m)
			}
			for v, value := range p.values {
				at := (h*a.width + value.offset) * a.vdim
				to := row[at : at+a.vdim]
				clear(to)
				for _, s := range parts {
					f := exp32(s.max[e]-m) / sum
					for c, x := range s.o[e*wide+v*a.vdim : e*wide+(v+1)*a.vdim] {
						to[c] += f * x
					}
				}
			}
		}
	}
}
