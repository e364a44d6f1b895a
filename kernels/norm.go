package kernels

import "math"

// norm is RMSNorm or, with a bias, LayerNorm:
//
//	RMSNorm    y = x/√(mean(x²)+ε) · w
//	LayerNorm  y = (x−mean(x))/√(var(x)+ε) · w + b
type norm struct {
	w, b []float32 // b is nil for RMSNorm
	eps  float32
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
	y, w := y[:len(x)], n.w[:len(x)]
	if n.b == nil {
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
	} else {
		n.layerNorm(t, x, y)
	}
	t.write(Activations, len(y))
}

func (n *norm) layerNorm(t *tally, x, y []float32) {
	sum, _ := moments(x, 0)
	mean := sum / float32(len(x))
	t.flops(len(x))
	_, sq := moments(x, mean)
	t.flops(3 * len(x))
	s := rsqrtMean(sq, len(x), n.eps)
	w, b := n.w[:len(x)], n.b[:len(x)]
	v := whole(len(x))
	if v > 0 {
		scaleBy(&y[0], &x[0], &w[0], &b[0], v, mean, s)
	}
	for i := v; i < len(x); i++ {
		y[i] = (x[i]-mean)*s*w[i] + b[i]
	}
	t.flops(4 * len(x))
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
