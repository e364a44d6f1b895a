package kernels

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// rotary is a table of cos and sin by position (Su et al., arXiv:2104.09864).
type rotary struct {
	dim      int
	apart    int       // distance of the elements of a pair of halves
	adjacent bool      // pairs are neighbours (GPT-J), not halves (NeoX)
	cos, sin []float32 // [positions][dim/2]
}

// rotaryKey is what tables are told apart by.
type rotaryKey struct {
	dim     int
	base    float64
	scaling arch.RopeScaling
}

// rotary is the table of a rotary embedding, made once.
func (s *Session) rotary(dim int, base float64, scaling arch.RopeScaling) *rotary {
	if base == 0 {
		base = 10000
	}
	key := rotaryKey{dim, base, scaling}
	r := s.rotaries[key]
	if r == nil {
		r = newRotary(key, s.maxContext)
		s.rotaries[key] = r
	}
	return r
}

func newRotary(k rotaryKey, positions int) *rotary {
	half := k.dim / 2
	r := &rotary{dim: k.dim, apart: k.over() / 2, adjacent: k.scaling.Adjacent, cos: make([]float32, positions*half), sin: make([]float32, positions*half)}
	m := k.magnitude()
	for i := range half {
		f := k.frequency(i)
		for p := range positions {
			sin, cos := math.Sincos(float64(p) * f)
			r.cos[p*half+i], r.sin[p*half+i] = float32(m*cos), float32(m*sin)
		}
	}
	return r
}

// frequency is the angle of pair i from one position to the next, stretched as the model
// says:
//
//	plain    θ = base^(−2i/dim)
//	linear   θ/factor
//	yarn     θ/factor·(1−γ) + θ·γ, γ a ramp between two dimensions (arXiv:2309.00071, eq. 23)
//	llama3   θ/factor for long wavelengths, θ for short ones, a ramp in wavelengths between
func (k rotaryKey) frequency(i int) float64 {
	f := math.Pow(k.base, -float64(2*i)/float64(k.over()))
	s := k.scaling
	switch s.Kind {
	case arch.RopeLinear:
		return f / s.Factor
	case arch.RopeYarn:
		low, high := k.turns(s.Fast), k.turns(s.Slow)
		if s.Truncate {
			low, high = math.Floor(low), math.Ceil(high)
		}
		low, high = max(low, 0), min(high, float64(k.dim-1))
		if low == high {
			high += 0.001
		}
		ramp := min(max((float64(i)-low)/(high-low), 0), 1)
		return f/s.Factor*ramp + f*(1-ramp)
	case arch.RopeLlama3:
		wave := 2 * math.Pi / f
		long, short := s.Original/s.Slow, s.Original/s.Fast
		switch {
		case wave > long:
			return f / s.Factor
		case wave < short:
			return f
		}
		smooth := (s.Original/wave - s.Slow) / (s.Fast - s.Slow)
		return (1-smooth)*f/s.Factor + smooth*f
	}
	return f
}

// over is how many elements the pairs are spread over.
func (k rotaryKey) over() int {
	if k.scaling.Spread > 0 {
		return k.scaling.Spread
	}
	return k.dim
}

// turns is the pair that turns n times around within the original context.
func (k rotaryKey) turns(n float64) float64 {
	return float64(k.dim) * math.Log(k.scaling.Original/(n*2*math.Pi)) / (2 * math.Log(k.base))
}

// magnitude is the factor of sines and cosines: for Yarn 0.1·ln(factor) + 1 unless given.
func (k rotaryKey) magnitude() float64 {
	s := k.scaling
	switch {
	case s.Kind != arch.RopeYarn:
		return 1
	case s.Magnitude != 0:
		return s.Magnitude
	case s.Factor <= 1:
		return 1
	}
	return 0.1*math.Log(s.Factor) + 1
}

// rotate turns the first dims of every head in place; row i is at position from + i mod T.
func (ro *rotary) rotate(r *runner, t *tally, x mat, headDim, from, T int) {
	ro.rotateAt(r, t, x, headDim, 0, from, T)
}

// rotateAt turns the dims of every head from element first on.
func (ro *rotary) rotateAt(r *runner, t *tally, x mat, headDim, first, from, T int) {
	half := ro.dim / 2
	count, rows := pieces(x.rows, 4*x.cols, 1)
	r.split(count, t, func(p int, t *tally) {
		for i := p * rows; i < min(x.rows, (p+1)*rows); i++ {
			at := (from + i%T) * half
			cos, sin := ro.cos[at:at+half], ro.sin[at:at+half]
			for h := x.row(i); len(h) > 0; h = h[headDim:] {
				ro.turn(h[first:first+2*ro.apart], cos, sin)
				t.read(Activations, ro.dim)
				t.flops(3 * ro.dim)
				t.write(Activations, ro.dim)
			}
		}
	})
}

func (ro *rotary) turn(h, cos, sin []float32) {
	for j, c := range cos {
		p, q := j, j+ro.apart
		if ro.adjacent {
			p, q = 2*j, 2*j+1
		}
		u, v := h[p], h[q]
		h[p] = u*c - v*sin[j]
		h[q] = v*c + u*sin[j]
	}
}
