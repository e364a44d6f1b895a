package arch

// RopeKind says how rotary frequencies are changed for contexts longer than those of the
// training.
type RopeKind uint8

// The kinds.
const (
	RopePlain  RopeKind = iota
	RopeLinear          // every frequency divided by Factor
	RopeYarn            // Peng et al., arXiv:2309.00071
	RopeLlama3          // frequencies with long wavelengths divided by Factor, with a smooth transition
)

// RopeScaling says how the frequencies of a rotary embedding are changed. That costs nothing: the
// tables of sines and cosines have the same size.
type RopeScaling struct {
	Kind     RopeKind
	Factor   float64
	Original float64 // longest context of the training, in tokens
	// For Yarn, Fast is the number of rotations within Original from which on frequencies are not
	// changed, and Slow the number below which they are divided. For Llama 3, they are its
	// factors of high and low frequencies.
	Fast, Slow float64
	Truncate   bool    // for Yarn: whether the bounds are rounded to whole dimensions
	Magnitude  float64 // for Yarn: factor of sines and cosines; with 0 it follows from Factor
	// Spread is over how many elements the pairs are spread: pair i consists of the elements i
	// and i + Spread/2, and frequencies are computed for that many elements (Gemma 4). 0 stands
	// for the rotated elements only.
	Spread   int
	Adjacent bool // pairs are neighbouring elements (GPT-J), not halves (NeoX)
}
