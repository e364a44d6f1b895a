package kernels

// linear is y = x·Wᵀ (+ bias) with W [out, in].
type linear struct {
	w, bias []float32 // bias may be nil
	out, in int
}

// part is the linear map of rows from from to to of W.
func (l *linear) part(from, to int) linear {
	p := linear{w: l.w[from*l.in : to*l.in], out: to - from, in: l.in}
	if l.bias != nil {
		p.bias = l.bias[from:to]
	}
	return p
}

// epilogue says what a linear does with its result instead of storing it.
type epilogue struct {
	add     bool      // add it to dst (the residual stream) instead of replacing
	rows    []int32   // row of dst each row goes to; nil is the same row
	scale   []float32 // factor of each row; nil is none
	keep    mat       // also store it here (a sigmoid GMU's mix)
	keepAdd bool      // add to keep (a later part of a parallel mixer)
}

// linear computes dst = x·Wᵀ + bias on the rows of x.
//
// Each weight row is streamed once: in blocks of 32 rows, all rows of x pass over a
// block while it is in cache (a few rows of x pass over it as it arrives).
func (r *runner) linear(t *tally, l linear, x, dst mat, ep epilogue) {
	for i := range x.rows {
		t.read(Activations, len(x.row(i)))
	}
	n, rows := pieces(l.out, l.in*x.rows, 32)
	if x.rows > 8 {
		rows = 32
		n = (l.out + rows - 1) / rows
	}
	r.split(n, t, func(i int, t *tally) {
		l.block(t, i*rows, min(l.out, (i+1)*rows), x, dst, &ep)
	})
}

func (l *linear) block(t *tally, from, to int, x, dst mat, ep *epilogue) {
	const blockRows, blockX = 32, 12
	var out [blockX * blockRows]float32
	for o := from; o < to; o += blockRows {
		nr := min(blockRows, to-o)
		w := l.w[o*l.in : (o+nr)*l.in]
		t.read(Weights, len(w))
		var bias []float32
		if l.bias != nil {
			bias = l.bias[o : o+nr]
			t.read(Weights, len(bias))
		}
		for i := 0; i < x.rows; i += blockX {
			nx := min(blockX, x.rows-i)
			dots(w, l.in, nr, x, i, nx, out[:], blockRows)
			t.flops(2 * len(w) * nx)
			for e := range nx {
				l.finish(t, out[e*blockRows:e*blockRows+nr], bias, dst, i+e, o, ep)
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
