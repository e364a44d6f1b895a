package kernels

// kvCache holds K and V of a layer by sequence and head, [batch][kv][capacity][head_dim],
// so that the keys of one head stream. With a window it is a ring: position p lies in
// row p mod window.
type kvCache struct {
	k, v                 []float32
	batch, kv, dim, size int // size is the capacity in positions
	ring                 bool
	staged               bool // this call reads stage, from position base on
	stageK, stageV       []float32
	base, stageRows      int
}

func newCache(batch, kv, dim, window, maxContext int) *kvCache {
	c := &kvCache{batch: batch, kv: kv, dim: dim, size: maxContext}
	if window > 0 && window < maxContext {
		c.size, c.ring = window, true
	}
	n := batch * kv * c.size * dim
	c.k, c.v = make([]float32, n), make([]float32, n)
	return c
}

// append writes the K and V of T new positions, after n0 earlier ones; rows of k and v
// are kv heads of dim. A ring that takes more than one position at a time would
// overwrite what the first of them still see, so those that this call reads are laid
// out in a stage of their own beside it.
func (c *kvCache) append(t *tally, k, v mat, n0, T int) {
	c.staged = c.ring && T > 1
	if c.staged {
		c.stage(n0, T)
	}
	for i := range k.rows {
		b, p := i/T, n0+i%T
		kr, vr := k.row(i), v.row(i)
		t.read(Activations, len(kr)+len(vr))
		kept := !c.ring || p >= n0+T-c.size
		for h := range c.kv {
			kh, vh := kr[h*c.dim:(h+1)*c.dim], vr[h*c.dim:(h+1)*c.dim]
			if c.staged {
				at := ((b*c.kv+h)*c.stageRows + p - c.base) * c.dim
				copy(c.stageK[at:], kh)
				copy(c.stageV[at:], vh)
			}
			if kept {
				at := c.at(b, h, p)
				t.write(Cache, copy(c.k[at:at+c.dim], kh)+copy(c.v[at:at+c.dim], vh))
			}
		}
	}
}

// at is the offset of position p of a head in the cache.
func (c *kvCache) at(b, h, p int) int {
	if c.ring {
		p %= c.size
	}
	return ((b*c.kv+h)*c.size + p) * c.dim
}

// stage makes room for T new positions behind the earlier ones they see.
func (c *kvCache) stage(n0, T int) {
	old := min(n0, c.size-1)
	c.base, c.stageRows = n0-old, old+T
	n := c.batch * c.kv * c.stageRows * c.dim
	if len(c.stageK) < n {
		c.stageK, c.stageV = make([]float32, n), make([]float32, n)
	}
	for b := range c.batch {
		for h := range c.kv {
			for p := c.base; p < n0; p++ {
				to, from := ((b*c.kv+h)*c.stageRows+p-c.base)*c.dim, c.at(b, h, p)
				copy(c.stageK[to:to+c.dim], c.k[from:])
				copy(c.stageV[to:to+c.dim], c.v[from:])
			}
		}
	}
}

// rows returns K and V of a head from position p on, up to position hi or as many as
// lie side by side, and how many they are.
func (c *kvCache) rows(b, h, p, hi int) (k, v []float32, n int) {
	if c.staged {
		at := ((b*c.kv+h)*c.stageRows + p - c.base) * c.dim
		n = hi - p
		return c.stageK[at : at+n*c.dim], c.stageV[at : at+n*c.dim], n
	}
	n = hi - p
	if c.ring {
		n = min(n, c.size-p%c.size)
	}
	at := c.at(b, h, p)
	return c.k[at : at+n*c.dim], c.v[at : at+n*c.dim], n
}
