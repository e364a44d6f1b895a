package kernels

import "math"

// exp32 is the exponential that the vector routines compute, one lane at a time:
// Cephes expf, relative error below 2e-7, saturated outside [-87.3, 88].
func exp32(x float32) float32 {
	if x < -87.33655 {
		x = -87.33655
	}
	if x > 88 {
		x = 88
	}
	n := float32(math.RoundToEven(float64(x * 1.44269504)))
	x -= n * 0.693359375
	x -= n * -2.12194440e-4
	p := float32(1.9875691500e-4)
	p = p*x + 1.3981999507e-3
	p = p*x + 8.3334519073e-3
	p = p*x + 4.1665795894e-2
	p = p*x + 1.6666665459e-1
	p = p*x + 5.0000001201e-1
	p = p*x + 1
	p = p*x + 1
	return p * math.Float32frombits(uint32(int32(n)+127)<<23)
}

func sigmoid32(x float32) float32 { return 1 / (1 + exp32(-x)) }

func softplus32(x float32) float32 {
	if x > 0 {
		return x + float32(math.Log1p(float64(exp32(-x))))
	}
	return float32(math.Log1p(float64(exp32(x))))
}

// whole is the part of n that the vector routines do.
func whole(n int) int {
	if !fast {
		return 0
	}
	return n &^ 7
}

func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}

// ahead is memory that a routine fetches while it works on as much other memory; the
// zero value is none.
type ahead struct{ next []float32 }

// part is where call i of n starts fetching and its bytes for every 128 it works on;
// with nothing to fetch it stays at idle.
func (a ahead) part(i, n int, idle *float32) (*float32, int) {
	if len(a.next) == 0 {
		return idle, 0
	}
	return &a.next[len(a.next)/n*i], 128 / n
}

// dots sets out[x·outstride + j] = row j of w · row x of xs, for rows rows of w.
func dots(w []float32, stride, rows int, xs mat, x0, nx int, out []float32, outstride int, pf ahead) {
	v := whole(xs.cols)
	quads := rows &^ 3
	if v == 0 {
		quads = 0
	}
	calls := (nx + 2) / 3
	for x, call := 0, 0; x < nx; call++ {
		k := min(3, nx-x)
		if nx-x == 4 {
			k = 2 // two and two are faster than three and one
		}
		if quads > 0 {
			row := xs.row(x0 + x)
			p, step := pf.part(call, calls, &w[0])
			switch k {
			case 1:
				dotRows1(&w[0], stride, &row[0], v, quads, &out[x*outstride], p, step)
			case 2:
				dotRows2(&w[0], stride, &row[0], xs.stride, v, quads, &out[x*outstride], outstride, p, step)
			case 3:
				dotRows3(&w[0], stride, &row[0], xs.stride, v, quads, &out[x*outstride], outstride, p, step)
			}
		}
		for range k {
			dotTails(w, stride, rows, quads, v, xs.row(x0+x), out[x*outstride:])
			x++
		}
	}
}

// dotTails adds what dotRows leaves: columns from v on, and rows from quads on.
func dotTails(w []float32, stride, rows, quads, v int, x, out []float32) {
	if v < len(x) {
		for j := range quads {
			out[j] += dot(x[v:], w[j*stride+v:])
		}
	}
	for j := quads; j < rows; j++ {
		if v > 0 {
			var four [4]float32
			dotRows1(&w[j*stride], 0, &x[0], v, 4, &four[0], &x[0], 0)
			out[j] = four[0] + dot(x[v:], w[j*stride+v:])
			continue
		}
		out[j] = dot(x, w[j*stride:])
	}
}

// axpys adds to each of nq rows of o (ostride apart, n wide) the rows of v weighted
// with its p: o[q] += Σ_j p[q·pstride+j]·v[j].
func axpys(o []float32, ostride, nq int, v []float32, stride, rows, n int, p []float32, pstride int, pf ahead) {
	w := whole(n)
	quads := rows &^ 3
	if w == 0 {
		quads = 0
	}
	calls := (nq + 1) / 2
	for q, call := 0, 0; q < nq; call++ {
		k := min(2, nq-q)
		if quads > 0 {
			next, step := pf.part(call, calls, &v[0])
			if k == 2 {
				axpyRows2(&o[q*ostride], ostride, &v[0], stride, &p[q*pstride], pstride, w, quads, next, step)
			} else {
				axpyRows1(&o[q*ostride], &v[0], stride, &p[q*pstride], w, quads, next, step)
			}
		}
		for range k {
			axpyTails(o[q*ostride:], v, stride, rows, quads, w, n, p[q*pstride:])
			q++
		}
	}
}

func axpyTails(o, v []float32, stride, rows, quads, w, n int, p []float32) {
	o = o[:n]
	if w < n {
		for j := range quads {
			for c := w; c < n; c++ {
				o[c] += p[j] * v[j*stride+c]
			}
		}
	}
	for j := quads; j < rows; j++ {
		if w > 0 {
			four := [4]float32{p[j]}
			axpyRows1(&o[0], &v[j*stride], 0, &four[0], w, 4, &o[0], 0)
		}
		row := v[j*stride : j*stride+n]
		for c := w; c < n; c++ {
			o[c] += p[j] * row[c]
		}
	}
}

// softmaxPart replaces s by exp(s-m) and returns the sum.
func softmaxPart(s []float32, m float32) float32 {
	v := whole(len(s))
	var sum float32
	if v > 0 {
		sum = expSub(&s[0], v, m)
	}
	for i := v; i < len(s); i++ {
		s[i] = exp32(s[i] - m)
		sum += s[i]
	}
	return sum
}

func maximum(s []float32) float32 {
	v := whole(len(s))
	m := float32(math.Inf(-1))
	if v > 0 {
		m = maxOf(&s[0], v)
	}
	for _, x := range s[v:] {
		m = max(m, x)
	}
	return m
}

// siluMuls sets dst = silu(g)·u.
func siluMuls(dst, g, u []float32) {
	v := whole(len(dst))
	if v > 0 {
		siluMul(&dst[0], &g[0], &u[0], v)
	}
	for i := v; i < len(dst); i++ {
		dst[i] = g[i] * sigmoid32(g[i]) * u[i]
	}
}

func silus(dst, x []float32) {
	v := whole(len(dst))
	if v > 0 {
		silu(&dst[0], &x[0], v)
	}
	for i := v; i < len(dst); i++ {
		dst[i] = x[i] * sigmoid32(x[i])
	}
}

// sigmoidMuls sets dst = sigmoid(g)·u.
func sigmoidMuls(dst, g, u []float32) {
	v := whole(len(dst))
	if v > 0 {
		sigmoidMul(&dst[0], &g[0], &u[0], v)
	}
	for i := v; i < len(dst); i++ {
		dst[i] = sigmoid32(g[i]) * u[i]
	}
}

// softplusAdds sets dst = softplus(x + b).
func softplusAdds(dst, x, b []float32) {
	v := whole(len(dst))
	if v > 0 {
		softplusAdd(&dst[0], &x[0], &b[0], v)
	}
	for i := v; i < len(dst); i++ {
		dst[i] = softplus32(x[i] + b[i])
	}
}

// mulAdds adds a·b to dst.
func mulAdds(dst, a, b []float32) {
	v := whole(len(dst))
	if v > 0 {
		mulAdd(&dst[0], &a[0], &b[0], v)
	}
	for i := v; i < len(dst); i++ {
		dst[i] += a[i] * b[i]
	}
}
