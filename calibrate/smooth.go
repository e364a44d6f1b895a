package calibrate

import (
	"math"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// sample is one residual to smooth.
type sample struct {
	slice    int
	x        [kerneltime.Axes]float64
	residual float64
}

// smooth fits the values of a table to residuals. With the node values v, the residuals r of the
// rows and the interpolation weights W, it minimises
//
//	Σ_i ω_i (r_i − W_i·v)² + Σ_axes Axis_a · Σ (v_next − v)² + Slice · Σ (v_s − v_s')² + Ridge · Σ v²
//
// The differences are those between neighbours along each axis, and between slices at the same
// node. Ridge lets a correction go to zero where no row is near. The ω_i come from iterative
// reweighting towards the mean absolute percentage error: an error e of the logarithm is weighted
// by e^(−e)/max(|e|/Tail, 1), so that outliers count little.
func smooth(t *kerneltime.Table, rows []sample, s kerneltime.Smoothing) {
	n := t.Shape()
	t.Values = make([]float32, n)
	if len(rows) == 0 {
		return
	}
	p := &penalised{t: t, s: s, v: make([]float64, n), diag: make([]float64, n)}
	for i := range rows {
		p.start = append(p.start, int32(len(p.corners)))
		p.corners = t.Corners(p.corners, rows[i].slice, &rows[i].x)
	}
	p.start = append(p.start, int32(len(p.corners)))
	p.weight = make([]float64, len(rows))
	for i := range p.weight {
		p.weight[i] = 1
	}
	for round := range 4 {
		p.solve(rows, 40+20*round)
		for i := range rows {
			e := rows[i].residual - p.predict(i)
			p.weight[i] = min(math.Exp(-e), 2) / max(math.Abs(e)/s.Tail, 1)
		}
	}
	for i, x := range p.v {
		t.Values[i] = float32(x)
	}
}

// penalised is the least-squares problem of one table.
type penalised struct {
	t       *kerneltime.Table
	s       kerneltime.Smoothing
	corners []kerneltime.Corner
	start   []int32 // corners[start[i]:start[i+1]] belong to row i
	weight  []float64
	v, diag []float64
}

func (p *penalised) predict(i int) float64 { return p.dot(i, p.v) }

func (p *penalised) dot(i int, v []float64) float64 {
	sum := 0.0
	for _, c := range p.corners[p.start[i]:p.start[i+1]] {
		sum += float64(c.Weight) * v[c.Node]
	}
	return sum
}

// solve runs preconditioned conjugate gradients, beginning with the present values.
func (p *penalised) solve(rows []sample, iterations int) {
	n := len(p.v)
	r, z, d, ad := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	p.apply(p.v, ad)
	for i := range r {
		r[i] = -ad[i]
	}
	for i := range rows {
		for _, c := range p.corners[p.start[i]:p.start[i+1]] {
			r[c.Node] += p.weight[i] * float64(c.Weight) * rows[i].residual
		}
	}
	p.precondition()
	rz := 0.0
	for i := range r {
		z[i] = r[i] / p.diag[i]
		d[i] = z[i]
		rz += r[i] * z[i]
	}
	stop := rz * 1e-7
	for range iterations {
		if rz <= stop || rz == 0 {
			return
		}
		p.apply(d, ad)
		dad := 0.0
		for i := range d {
			dad += d[i] * ad[i]
		}
		step := rz / dad
		next := 0.0
		for i := range d {
			p.v[i] += step * d[i]
			r[i] -= step * ad[i]
			z[i] = r[i] / p.diag[i]
			next += r[i] * z[i]
		}
		for i := range d {
			d[i] = z[i] + next/rz*d[i]
		}
		rz = next
	}
}

// apply computes out = (WᵀΩW + penalties)·v.
func (p *penalised) apply(v, out []float64) {
	for i := range v {
		out[i] = p.s.Ridge * v[i]
	}
	for i := range p.weight {
		g := p.weight[i] * p.dot(i, v)
		for _, c := range p.corners[p.start[i]:p.start[i+1]] {
			out[c.Node] += g * float64(c.Weight)
		}
	}
	p.links(func(i, j int, l float64) {
		g := l * (v[i] - v[j])
		out[i] += g
		out[j] -= g
	})
}

// precondition fills in the diagonal of the system.
func (p *penalised) precondition() {
	for i := range p.diag {
		p.diag[i] = p.s.Ridge
	}
	for i := range p.weight {
		for _, c := range p.corners[p.start[i]:p.start[i+1]] {
			p.diag[c.Node] += p.weight[i] * float64(c.Weight) * float64(c.Weight)
		}
	}
	p.links(func(i, j int, l float64) {
		p.diag[i] += l
		p.diag[j] += l
	})
}

// links calls f for every pair of nodes that a penalty connects.
func (p *penalised) links(f func(i, j int, lambda float64)) {
	t := p.t
	for a := range kerneltime.Axes {
		n, st, l := t.Axes[a].N, t.Stride[a], p.s.Axis[a]*max(t.Axes[a].PerOctave, 1)
		if n < 2 || l == 0 {
			continue
		}
		block := n * st
		for base := 0; base < len(p.v); base += block {
			for i := base; i < base+block-st; i++ {
				f(i, i+st, l)
			}
		}
	}
	if p.s.Slice > 0 {
		for s := range t.Slices {
			for u := s + 1; u < t.Slices; u++ {
				for i := range t.Slice {
					f(s*t.Slice+i, u*t.Slice+i, p.s.Slice)
				}
			}
		}
	}
}
