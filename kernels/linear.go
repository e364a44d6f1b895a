package kernels

import (
	"github.com/OWNER/ridgeline/internal/ceil"
)

// linear is y = x·Wᵀ (+ bias) with W [out, in].
type linear struct {
	w, bias []float32 // bias may be nil
	out, in int
}

// part returns the linear map with the rows [from, to) of W.
func (l *linear) part(from, to int) linear {
	p := linear{w: l.w[from*l.in : to*l.in], out: to - from, in: l.in}
	if l.bias != nil {
		p.bias = l.bias[from:to]
	}
	return p
}

// epilogue says what a linear map does with its result other than storing it.
type epilogue struct {
	add     bool      // whether the result is added to dst (the residual stream)
	rows    []int32   // the row of dst that each row goes to; nil for the same row
	scale   []float32 // factor for each row; nil for none
	cached  bool      // whether the rows of x come from a cache
	keep    mat       // where the result is stored as well (for a sigmoid GMU)
	keepAdd bool      // whether it is added to keep (for a later part of a parallel mixer)
}

const (
	linearBlock = 32   // most weight rows of a block
	linearTile  = 8192 // elements of a block
)

// linear computes dst = x·Wᵀ + bias for the rows of x.
//
// Each row of the weights is read from memory once: while a block of weights is in the
// processor's cache, all rows of x use it, and the next block is fetched.
func (r *runner) linear(t *tally, l linear, x, dst mat, ep epilogue) {
	from := Activations
	if ep.cached {
		from = Cache
	}
	for i := range x.rows {
		t.read(from, len(x.row(i)))
	}
	n, rows := l.pieces(r.cores, x.rows)
	r.split(n, t, func(i int, t *tally) {
		l.block(t, i*rows, min(l.out, (i+1)*rows), x, dst, &ep)
	})
}

// pieces divides the rows of the weights among the cores: into pieces so large that the time to
// start one does not matter, and several for each core where there are enough. Results do not
// depend on the division.
func (l *linear) pieces(cores, rows int) (count, each int) {
	const least, most = 1 << 15, 1 << 19 // operations of a piece
	work := l.in * max(rows, 1)
	each = l.out / (4 * cores)
	each = min(max(each, least/work), max(most/work, 1))
	each = max(1, ceil.Div(each, linearBlock)) * linearBlock
	return ceil.Div(l.out, each), each
}

func (l *linear) block(t *tally, from, to int, x, dst mat, ep *epilogue) {
	const blockX = 12
	var out [blockX * linearBlock]float32
	step := linearBlock
	for step > 8 && step*l.in > linearTile {
		step /= 2
	}
	for o := from; o < to; o += step {
		nr := min(step, to-o)
		w := l.w[o*l.in : (o+nr)*l.in]
		t.read(Weights, len(w))
		var bias []float32
		if l.bias != nil {
			bias = l.bias[o : o+nr]
			t.read(Weights, len(bias))
		}
		var next ahead
		if o+nr < to && x.rows <= blockX {
			next.next = l.w[(o+nr)*l.in : min(to, o+2*nr)*l.in]
		}
		for i := 0; i < x.rows; i += blockX {
			nx := min(blockX, x.rows-i)
			dots(w, l.in, nr, x, i, nx, out[:], linearBlock, next)
			t.flops(2 * len(w) * nx)
			for e := range nx {
				l.finish(t, out[e*linearBlock:e*linearBlock+nr], bias, dst, i+e, o, ep)
			}
		}
	}
}

func (l *linear) finish(t *tally, y, bias []float32, dst mat, i, o int, ep *epilogue) {
	if bias != nil {
		for j, b := range bias {
			y[j] += b
		}
		t.flops(len(y))
	}
	if ep.scale != nil {
		s := ep.scale[i]
		for j := range y {
			y[j] *= s
		}
		t.flops(len(y))
	}
	if ep.keep.data != nil {
		keep := ep.keep.row(i)[o : o+len(y)]
		for j, v := range y {
			if ep.keepAdd {
				v += keep[j]
			}
			keep[j] = v
		}
		t.write(Activations, len(y))
	}
	to := i
	if ep.rows != nil {
		to = int(ep.rows[i])
	}
	d := dst.row(to)[o : o+len(y)]
	t.write(Activations, len(d))
	if !ep.add {
		copy(d, y)
		return
	}
	t.read(Activations, len(d))
	t.flops(len(d))
	for j, v := range y {
		d[j] += v
	}
}
