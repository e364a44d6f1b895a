package costmodel

// LengthFrom is the least length from 1 to longest from which ok holds, 0 where it does not
// hold at the longest. It asks at powers of two downwards until ok fails, then bisects. If
// ok holds, fails and holds again, one of the switches to true is returned.
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
