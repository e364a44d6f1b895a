package costmodel

import "math"

// Seen is how many of context positions a query at the last of them sees. A window sees the
// last so many; a chunk, given as minus its length, those of its own chunk; 0 sees all.
func Seen(window, context int) int {
	switch {
	case window > 0:
		return min(context, window)
	case window < 0:
		return (context-1)%-window + 1
	}
	return context
}

// Grows is for how many steps, this one included, a query sees one position more each: until its
// window is full or its chunk ends. ok is false where it sees no more from step to step.
func Grows(window, context int) (steps int, ok bool) {
	switch {
	case window > 0:
		return window - context + 1, context < window
	case window < 0:
		return -window - Seen(window, context) + 1, true
	}
	return math.MaxInt, true
}

// span is the window as Compiled.Windows lists it: chunks have minus their length.
func (s *Shape) span() int {
	if s.Chunked {
		return -s.Window
	}
	return s.Window
}

// reach is how far back an operation sees.
type reach struct {
	window  float64 // positions; infinite where all are seen
	chunked bool    // positions are cut into chunks of as many
}

func (s *Shape) reach() reach {
	if s.Window == 0 {
		return reach{window: math.Inf(1)}
	}
	return reach{float64(s.Window), s.Chunked}
}

// at is how many of n positions are seen from the last.
func (r reach) at(n float64) float64 {
	if r.chunked {
		return n - r.begun(n)
	}
	return min(n, r.window)
}

// begun is how many positions lie in the chunks before that of position n.
func (r reach) begun(n float64) float64 { return math.Floor((n-1)/r.window) * r.window }

// sum is Σ_{i=1..n} at(i).
func (r reach) sum(n float64) float64 {
	if r.chunked {
		whole := math.Floor(n / r.window)
		return whole*visible(r.window, r.window) + visible(n-whole*r.window, r.window)
	}
	return visible(n, r.window)
}

// rows is how many positions t queries behind past earlier ones see between them.
func (r reach) rows(past, t float64) float64 {
	if r.chunked {
		return past - math.Floor(past/r.window)*r.window + t
	}
	return min(past, r.window-1) + t
}

// teeth goes through the contexts lo … hi of an operation that works in chunks: from first to
// last positions are seen, one more each, and that several times.
func (r reach) teeth(lo, hi float64, each func(first, last, times float64)) {
	first := r.at(lo)
	end := min(hi, lo+r.window-first)
	each(first, first+end-lo, 1)
	left := hi - end
	if whole := math.Floor(left / r.window); whole > 0 {
		each(1, r.window, whole)
		left -= whole * r.window
	}
	if left > 0 {
		each(1, left, 1)
	}
}
