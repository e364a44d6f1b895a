package serving

import "math"

// concern is what a random number is for. Every request draws from a stream of its own for
// each concern, so that changing the rate keeps the lengths, and one more request changes
// no other.
type concern uint64

const (
	forArrival concern = iota + 1
	forPrompt
	forGenerate
	forPick
	forStagger
	forAccept
)

// uniform is a number in (0, 1) that follows from its arguments alone: SplitMix64
// (Steele, Lea, Flood, OOPSLA 2014) over the seed, the concern and the request.
func uniform(seed uint64, c concern, i int) float64 {
	x := mix(seed + mix(uint64(c)+mix(uint64(i))))
	return (float64(x>>11) + 0.5) / (1 << 53)
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// normal turns a uniform number into a standard normal one.
func normal(u float64) float64 { return math.Sqrt2 * math.Erfinv(2*u-1) }
