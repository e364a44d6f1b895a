package costmodel

// LengthFrom returns the least length from 1 to longest from which on ok holds, and 0 where ok
// does not hold at the longest. The search tries halves of the length until ok fails, then
// bisects. Where ok holds, fails and holds again, the result is one of the lengths at which it
// begins to hold.
func LengthFrom(longest int, ok func(length int) bool) int {
	if !ok(longest) {
		return 0
	}
	lo, hi := 0, longest
	for n := longest / 2; n >= 1; n /= 2 {
		if !ok(n) {
			lo = n
			break
		}
		hi = n
	}
	for lo+1 < hi {
		if mid := (lo + hi) / 2; ok(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}
