package costmodel

import (
	"math"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// span is a row of steps that see lo, lo+1, … hi positions, in the mean over their
// sequences. Sequences that are alike see what their window or chunk has of them; unlike ones see
// seen at first and slope more from step to step.
type span struct {
	lo, hi      float64
	alike       bool
	seen, slope float64
}

// at is how many positions attention sees at a context.
func (s *span) at(n float64, r reach) float64 {
	if s.alike {
		return r.at(n)
	}
	return s.seen + s.slope*(n-s.lo)
}

// The nodes and weights of Gauss–Legendre quadrature of four points on [−1, 1], ±:
// Abramowitz & Stegun, Handbook of Mathematical Functions, table 25.4.
var (
	gaussX = [...]float64{-0.861136311594052575224, -0.339981043584856264803, 0.339981043584856264803, 0.861136311594052575224}
	gaussW = [...]float64{0.347854845137453857373, 0.652145154862546142627, 0.652145154862546142627, 0.347854845137453857373}
)

// shortest is the number of steps up to which a generation is summed step by step; longer ones use
// quadrature.
const shortest = 24

// Generation sums the attention by quadrature between the places where its fitted time
// bends, doublings of the context, the window and where split keys take a tile more: within 0.1 % of the loop.
func (c *calibrated) Generation(w Workload) float64 {
	if w.Generate <= 0 {
		return 0
	}
	b, n := float64(w.Batch), float64(w.Generate)
	table := c.at(b)
	t := table.steady * n
	for i := range c.vary {
		t += c.grow(&c.vary[i], &table.over[i], b, span{lo: float64(w.Prompt + 1), hi: float64(w.Prompt + w.Generate), alike: true})
	}
	return t
}

// grow sums a kernel's seconds over a span of steps.
func (c *calibrated) grow(k *kernel, o *kerneltime.DecodeOver, b float64, s span) (t float64) {
	if k.floor.chunked && s.alike { // attention of a chunk is that of as many positions
		k.floor.teeth(s.lo, s.hi, func(first, last, times float64) {
			t += times * c.between(k, o, b, span{lo: first, hi: last, alike: true})
		})
		return t
	}
	return c.between(k, o, b, s)
}

// between is grow for a span within which no chunk ends.
func (c *calibrated) between(k *kernel, o *kerneltime.DecodeOver, b float64, s span) (t float64) {
	for start := s.lo; start <= s.hi; {
		// The steps before the next doubling, and up to the window.
		end := min(s.hi, start+math.Ceil(math.Exp2(math.Floor(math.Log2(start))+1)-start)-1)
		if w := k.floor.window; start <= w {
			end = min(end, start+math.Floor(w-start))
		}
		t += c.pieces(k, o, b, start, end, &s)
		start = end + 1
	}
	return t
}

// pieces is piece, cut where the kernel's time jumps.
func (c *calibrated) pieces(k *kernel, o *kerneltime.DecodeOver, b, lo, hi float64, s *span) (sum float64) {
	c.cut(k, b, lo, hi, func(n float64) float64 { return s.at(n, k.floor.reach) }, func(start, end float64) {
		if end > start+shortest && end < 1.1*start { // nearly a straight line
			mid := (start + end) / 2
			sum += (end - start + 1) * c.attend(k, o, b, mid, s.at(mid, k.floor.reach))
			return
		}
		sum += c.piece(k, o, b, start, end, s)
	})
	return sum
}

// cut calls each with the parts of lo … hi within which no jump of a kernel's time lies, whose batch
// is b and which sees a number of keys that grows evenly: an attention kernel that splits its
// keys takes one tile more, one of latents begins to split. A quadrature across a jump is a percent off.
func (c *calibrated) cut(k *kernel, b, lo, hi float64, seen func(float64) float64, each func(start, end float64)) {
	tile, whole := 0.0, 0.0
	switch {
	case hi-lo < shortest:
	case k.unpacked:
		s := k.decoding(b, lo, 0)
		u := k.asUnpacked(&s)
		tile = c.profile.SplitTile(&u)
	case k.latent:
		whole = kerneltime.MLAWhole
	}
	for start := lo; start <= hi; {
		end := hi
		sees := seen(start)
		last := whole // keys before the next jump
		if tile > 0 {
			last = math.Ceil(sees/tile) * tile
		}
		if grows := seen(start+1) - sees; last >= sees && grows > 0 {
			end = min(hi, start+math.Floor((last-sees)/grows))
		}
		each(start, end)
		start = end + 1
	}
}

func (c *calibrated) piece(k *kernel, o *kerneltime.DecodeOver, b, lo, hi float64, s *span) float64 {
	return smooth(lo, hi, func(n float64) float64 { return c.attend(k, o, b, n, s.at(n, k.floor.reach)) })
}

// smooth is Σ at(n) over n = lo, lo+1 … hi of a function that does not bend in between: few are
// added up one by one, of many a quadrature is taken.
func smooth(lo, hi float64, at func(n float64) float64) (sum float64) {
	n := hi - lo + 1
	if n <= shortest {
		for x := lo; x < hi+0.5; x++ {
			sum += at(x)
		}
		return sum
	}
	mid, half := (lo+hi)/2, n/2
	for i, g := range gaussX {
		sum += gaussW[i] * at(mid+half*g)
	}
	return half * sum
}
