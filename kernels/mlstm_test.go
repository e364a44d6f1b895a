package kernels

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// The matrix memory of xLSTM from its definition, without a largest exponent taken out: h is
// Σ weight·(q·k_j)·v_j over all positions, over max(|Σ weight·(q·k_j)|, 1), where the weight of j is
// its input gate times the forget gates after it. Also across two calls.
func TestMLSTMCell(t *testing.T) {
	const seq, heads, nk, nv = 5, 2, 3, 2
	rng := rand.New(rand.NewPCG(9, 10))
	draw := func(cols int) mat {
		x := newMat(make([]float32, seq*cols), seq, cols)
		for i := range x.data {
			x.data[i] = float32(2 * rng.NormFloat64())
		}
		return x
	}
	q, k, v, gates, h := draw(heads*nk), draw(heads*nk), draw(heads*nv), draw(2*heads), draw(heads*nv)
	m := &mlstm{MLSTM: arch.MLSTM{Heads: heads, KDim: nk, VDim: nv}}
	state := make([]float32, heads*(nk*nv+nk+1))
	r := newRunner(context.Background(), 1)
	part := func(x mat, from, to int) mat {
		return newMat(x.data[from*x.cols:to*x.cols], to-from, x.cols)
	}
	for _, cut := range [][2]int{{0, 3}, {3, 5}} {
		of := func(x mat) mat { return part(x, cut[0], cut[1]) }
		m.cell(r, nil, of(q), of(k), of(v), of(gates), of(h), state, 1)
	}
	for now := range seq {
		for hd := range heads {
			num, norm := [nv]float64{}, 0.0
			for j := range now + 1 {
				weight := math.Exp(float64(gates.row(j)[hd]))
				for a := j + 1; a <= now; a++ {
					weight /= 1 + math.Exp(-float64(gates.row(a)[heads+hd]))
				}
				qk := 0.0
				for a := range nk {
					qk += float64(q.row(now)[hd*nk+a]) * float64(k.row(j)[hd*nk+a]) / math.Sqrt(nk)
				}
				norm += weight * qk
				for a := range nv {
					num[a] += weight * qk * float64(v.row(j)[hd*nv+a])
				}
			}
			for a := range nv {
				want := num[a] / max(math.Abs(norm), 1)
				if got := float64(h.row(now)[hd*nv+a]); math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
					t.Errorf("position %d, head %d, value %d: %g, want %g", now, hd, a, got, want)
				}
			}
		}
	}
}
