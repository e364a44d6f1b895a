package kernels

import "math"

// norm is RMSNorm or LayerNorm, which may be without a bias, or without either vector:
//
//	RMSNorm    y = x/√(mean(x²)+ε) · w
//	LayerNorm  y = (x−mean(x))/√(var(x)+ε) · w + b
type norm struct {
	w, b   []float32
	eps    float32
	centre bool // LayerNorm
}

// rows normalises the rows of x into dst, which may be x.
func (n *norm) rows(r *runner, t *tally, x, dst mat) {
	t.read(Weights, len(n.w)+len(n.b))
	count, rows := pieces(x.rows, 8*x.cols, 1)
	r.split(count, t, func(p int, t *tally) {
		for i := p * rows; i < min(x.rows, (p+1)*rows); i++ {
			n.row(t, x.row(i), dst.row(i))
		}
	})
}

func (n *norm) row(t *tally, x, y []float32) {
	t.read(Activations, len(x))
	y = y[:len(x)]
	if !n.centre && n.w == nil {
		_, sq := moments(x, 0)
		s := rsqrtMean(sq, len(x), n.eps)
		for i, v := range x {
			y[i] = v * s
		}
		t.flops(3 * len(x))
		n.addBias(t, y)
	} else if !n.centre {
		w := n.w[:len(x)]
		_, sq := moments(x, 0)
		t.flops(2 * len(x))
		s := rsqrtMean(sq, len(x), n.eps)
		v := whole(len(x))
		if v > 0 {
			scaleOnly(&y[0], &x[0], &w[0], v, s)
		}
		for i := v; i < len(x); i++ {
			y[i] = x[i] * s * w[i]
		}
		t.flops(2 * len(x))
		n.addBias(t, y)
	} else {
		n.layerNorm(t, x, y)
	}
	t.write(Activations, len(y))
}

// addBias adds the bias that an RMSNorm seldom has.
func (n *norm) addBias(t *tally, y []float32) {
	for i, b := range n.b {
		y[i] += b
	}
	t.flops(len(n.b))
}

func (n *norm) layerNorm(t *tally, x, y []float32) {
	sum, _ := moments(x, 0)
	mean := sum / float32(len(x))
	t.flops(len(x))
	_, sq := moments(x, mean)
	t.flops(3 * len(x))
	s := rsqrtMean(sq, len(x), n.eps)
	v := 0
	if n.w != nil && n.b != nil {
		if v = whole(len(x)); v > 0 {
			scaleBy(&y[0], &x[0], &n.w[:len(x)][0], &n.b[:len(x)][0], v, mean, s)
		}
	}
	for i := v; i < len(x); i++ {
		y[i] = (x[i] - mean) * s
		if n.w != nil {
			y[i] *= n.w[i]
		}
		if n.b != nil {
			y[i] += n.b[i]
		}
	}
	t.flops(2 * len(x))
	if n.w != nil {
		t.flops(len(x))
	}
	if n.b != nil {
		t.flops(len(x))
	}
}

// add adds the norm of the rows of x to those of dst.
func (n *norm) add(r *runner, t *tally, x, dst mat) {
	t.read(Weights, len(n.w)+len(n.b))
	count, rows := pieces(x.rows, 10*x.cols, 1)
	r.split(count, t, func(p int, t *tally) {
		for i := p * rows; i < min(x.rows, (p+1)*rows); i++ {
			y := x.row(i)
			n.row(nil, y, y)
			t.read(Activations, len(y))
			t.flops(n.flops(len(y)))
			to := dst.row(i)
			t.read(Activations, len(to))
			for j, v := range y {
				to[j] += v
			}
			t.flops(len(y))
			t.write(Activations, len(to))
		}
	})
}

// sum normalises the sums of the rows of x and y into dst.
func (n *norm) sum(r *runner, t *tally, x, y, dst mat) {
	t.read(Weights, len(n.w)+len(n.b))
	count, rows := pieces(x.rows, 10*x.cols, 1)
	r.split(count, t, func(p int, t *tally) {
		for i := p * rows; i < min(x.rows, (p+1)*rows); i++ {
			a, b, to := x.row(i), y.row(i), dst.row(i)
			t.read(Activations, len(a)+len(b))
			for j, v := range a {
				to[j] = v + b[j]
			}
			n.row(nil, to, to)
			t.flops(len(to) + n.flops(len(to)))
			t.write(Activations, len(to))
		}
	})
}

// flops is the arithmetic of a norm over n elements (docs/accounting.md).
func (n *norm) flops(elements int) int {
	per := 4
	if n.centre {
		per = 6
		if n.w != nil {
			per++
		}
		if n.b != nil {
			per++
		}
	}
	return per * elements
}

// moments is Σx and Σ(x−mean)².
func moments(x []float32, mean float32) (sum, squares float32) {
	v := whole(len(x))
	if v > 0 {
		sum, squares = sumSquares(&x[0], v, mean)
	}
	for _, e := range x[v:] {
		sum += e
		squares += (e - mean) * (e - mean)
	}
	return sum, squares
}

// rsqrtMean is 1/√(sum/n + ε).
func rsqrtMean(sum float32, n int, eps float32) float32 {
	return float32(1 / math.Sqrt(float64(sum)/float64(n)+float64(eps)))
}
