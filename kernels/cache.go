package kernels

// kvCache holds K and V of a layer by sequence and head, [batch][kv][capacity][dim] and
// [batch][kv][capacity][vdim], so that the keys of one head follow one another in memory. With a
// window it is a ring: position p is in row p mod window. A cache of keys without values has vdim
// 0.
type kvCache struct {
	k, v                       []float32
	batch, kv, dim, vdim, size int // size is the number of positions that there is room for
	ring                       bool
	staged                     bool // whether this call reads stage, which begins at position base
	stageK, stageV             []float32
	base, stageRows            int
}

func newCache(batch, kv, dim, vdim, window, maxContext int) *kvCache {
	c := &kvCache{batch: batch, kv: kv, dim: dim, vdim: vdim, size: maxContext}
	if window > 0 && window < maxContext {
		c.size, c.ring = window, true
	}
	rows := batch * kv * c.size
	c.k, c.v = make([]float32, rows*dim), make([]float32, rows*vdim)
	return c
}

// newKeys makes a cache of one head's keys.
func newKeys(batch, dim, maxContext int) *kvCache { return newCache(batch, 1, dim, 0, 0, maxContext) }

// append writes the K and V of T new positions after n0 earlier ones. Rows of k and v are kv
// heads of dim and vdim elements. In a ring, several new positions would overwrite what the first
// of them still see. So those that this call reads are put into a separate stage.
func (c *kvCache) append(t *tally, k, v mat, n0, T int) {
	c.staged = c.ring && T > 1
	if c.staged {
		c.stage(n0, T)
	}
	for i := range k.rows {
		b, p := i/T, n0+i%T
		kr, vr := k.row(i), []float32(nil)
		if c.vdim > 0 {
			vr = v.row(i)
		}
		t.read(Activations, len(kr)+len(vr))
		kept := !c.ring || p >= n0+T-c.size
		for h := range c.kv {
			kh, vh := kr[h*c.dim:(h+1)*c.dim], vr[h*c.vdim:(h+1)*c.vdim]
			if c.staged {
				at := (b*c.kv+h)*c.stageRows + p - c.base
				copy(c.stageK[at*c.dim:], kh)
				copy(c.stageV[at*c.vdim:], vh)
			}
			if kept {
				at := c.at(b, h, p)
				t.write(Cache, copy(c.k[at*c.dim:], kh)+copy(c.v[at*c.vdim:], vh))
			}
		}
	}
}

// at returns the row of a head's position p in the cache.
func (c *kvCache) at(b, h, p int) int {
	if c.ring {
		p %= c.size
	}
	return (b*c.kv+h)*c.size + p
}

// stage makes room for T new positions after the earlier ones that they see.
func (c *kvCache) stage(n0, T int) {
	old := min(n0, c.size-1)
	c.base, c.stageRows = n0-old, old+T
	rows := c.batch * c.kv * c.stageRows
	if len(c.stageK) < rows*c.dim {
		c.stageK, c.stageV = make([]float32, rows*c.dim), make([]float32, rows*c.vdim)
	}
	for b := range c.batch {
		for h := range c.kv {
			for p := c.base; p < n0; p++ {
				to, from := (b*c.kv+h)*c.stageRows+p-c.base, c.at(b, h, p)
				copy(c.stageK[to*c.dim:(to+1)*c.dim], c.k[from*c.dim:])
				copy(c.stageV[to*c.vdim:(to+1)*c.vdim], c.v[from*c.vdim:])
			}
		}
	}
}

// rows returns K and V of a head from position p on, up to position hi or as many as follow one
// another in memory, and how many those are.
func (c *kvCache) rows(b, h, p, hi int) (k, v []float32, n int) {
	n = hi - p
	if c.staged {
		at := (b*c.kv+h)*c.stageRows + p - c.base
		return c.stageK[at*c.dim : (at+n)*c.dim], c.stageV[at*c.vdim : (at+n)*c.vdim], n
	}
	if c.ring {
		n = min(n, c.size-p%c.size)
	}
	at := c.at(b, h, p)
	return c.k[at*c.dim : (at+n)*c.dim], c.v[at*c.vdim : (at+n)*c.vdim], n
}
