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
	if n.b != nil {
		n.layerNorm(t, x, y)
	} else {
		s := rsqrtMean(dot(x, x), len(x), n.eps)
		t.flops(2 * len(x))
		w := n.w[:len(x)]
		y = y[:len(x)]
		for i, v := range x {
			y[i] = v * s * w[i]
		}
		t.flops(2 * len(x))
	}
	t.write(Activations, len(y))
}

func (n *norm) layerNorm(t *tally, x, y []float32) {
	var sum float32
	for _, v := range x {
		sum += v
	}
	mean := sum / float32(len(x))
	t.flops(len(x))
	var sq float32
	for _, v := range x {
		d := v - mean
		sq += d * d
	}
	t.flops(3 * len(x))
	s := rsqrtMean(sq, len(x), n.eps)
	w, b := n.w[:len(x)], n.b[:len(x)]
	y = y[:len(x)]
	for i, v := range x {
		y[i] = (v-mean)*s*w[i] + b[i]
	}
	t.flops(4 * len(x))
}

// rsqrtMean is 1/√(sum/n + ε).
func rsqrtMean(sum float32, n int, eps float32) float32 {
	return float32(1 / math.Sqrt(float64(sum)/float64(n)+float64(eps)))
}
