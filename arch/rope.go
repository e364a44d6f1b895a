package arch

// RopeKind is how rotary frequencies are stretched for contexts longer than trained on.
type RopeKind uint8

// The kinds.
const (
	RopePlain  RopeKind = iota
	RopeLinear          // every frequency divided by Factor
	RopeYarn            // Peng et al., arXiv:2309.00071
	RopeLlama3          // long wavelengths divided by Factor, a smooth passage between
)

// RopeScaling is the stretching of a rotary embedding. It costs nothing: the tables of
// sines and cosines have the same size.
type RopeScaling struct {
	Kind     RopeKind
	Factor   float64
	Original float64 // context trained on
	// Yarn: rotations at Original from which frequencies stay (Fast) and below which they
	// are divided (Slow). Llama 3: its high and low frequency factors.
	Fast, Slow float64
	Truncate   bool    // Yarn rounds the bounds to whole dimensions
	Magnitude  float64 // Yarn: factor of sines and cosines; 0 follows from Factor
	// Spread is how many elements the pairs are spread over: pair i is elements i and
	// i + Spread/2, and frequencies are those of as many (Gemma 4); 0 is the rotated ones alone.
	Spread   int
	Adjacent bool // pairs are neighbouring elements (GPT-J), not halves (NeoX)
}
