package serving

import "math"

// concern says what a random number is for. For each concern, every request draws from a stream
// of its own, so that a change of the rate does not change the lengths, and one request more does
// not change the others.
type concern uint64

const (
	forArrival concern = iota + 1
	forPrompt
	forGenerate
	forPick
	forStagger
	forAccept
)

// uniform returns a number in (0, 1) that depends on its arguments alone: SplitMix64 (Steele,
// Lea, Flood, OOPSLA 2014) of the seed, the concern and the request.
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

// normal turns a uniform number into one with a standard normal distribution.
func normal(u float64) float64 { return math.Sqrt2 * math.Erfinv(2*u-1) }
