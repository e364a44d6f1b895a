package costmodel

import "math"

// Seen returns how many of context positions a query at the last of them sees: the last window
// positions; with a negative window, which is minus the length of chunks, the positions of the
// query's own chunk; with 0, all of them.
func Seen(window, context int) int {
	switch {
	case window > 0:
		return min(context, window)
	case window < 0:
		return (context-1)%-window + 1
	}
	return context
}

// Grows returns for how many steps, this one included, a query sees one more position in each:
// until its window is full or its chunk ends. ok is false where the query does not see more from
// step to step.
func Grows(window, context int) (steps int, ok bool) {
	switch {
	case window > 0:
		return window - context + 1, context < window
	case window < 0:
		return -window - Seen(window, context) + 1, true
	}
	return math.MaxInt, true
}

// span is the window as Compiled.Windows lists it: minus the length for chunks.
func (s *Shape) span() int {
	if s.Chunked {
		return -s.Window
	}
	return s.Window
}

// reach is how far back an operation sees, in positions.
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

// at is how many of n positions a query at the last of them sees.
func (r reach) at(n float64) float64 {
	if r.chunked {
		return n - r.begun(n)
	}
	return min(n, r.window)
}

// begun is how many positions lie in the chunks before the one that holds position n.
func (r reach) begun(n float64) float64 { return math.Floor((n-1)/r.window) * r.window }

// sum is Σ_{i=1..n} at(i).
func (r reach) sum(n float64) float64 {
	if r.chunked {
		whole := math.Floor(n / r.window)
		return whole*visible(r.window, r.window) + visible(n-whole*r.window, r.window)
	}
	return visible(n, r.window)
}

// rows is how many different positions t queries see together, after past earlier positions.
func (r reach) rows(past, t float64) float64 {
	if r.chunked {
		return past - math.Floor(past/r.window)*r.window + t
	}
	return min(past, r.window-1) + t
}

// teeth walks through the contexts lo … hi of an operation that works in chunks. For each run it
// calls f with the positions seen first and last, one more at each context between, and with how
// many times that run repeats.
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
