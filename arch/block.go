package arch

// Block says how a layer combines its mixer f, its FFN g, norms and the residual stream x.
type Block uint8

// The blocks. Each norm is of the model's kind and as wide as the model.
const (
	PreNorm       Block = iota // x += f(norm(x)), x += g(norm(x)): most decoders
	PostNorm                   // x += norm(f(x)), x += norm(g(x)): OLMo 2, EXAONE 4
	SandwichNorm               // x += norm(f(norm(x))), the same for g: Gemma 2, GLM-4
	ParallelNorm               // y = norm(x), x += f(y) + g(y): GPT-J, Falcon, Cohere
	ParallelNorms              // x += f(norm(x)) + g(norm'(x)): GPT-NeoX
	StreamNorm                 // x = norm(x), x += f(x), the same for g: MiniMax
	// SideInput is for parallel mixers. The first, s, reads the stream without a norm, and only
	// the others read its output: x += f(norm(x + s(x))). The FFN is as in PreNorm (Zamba).
	SideInput
)

var blockNames = [...]string{"pre_norm", "post_norm", "sandwich_norm", "parallel_norm", "parallel_norms", "stream_norm", "side_input"}

func (b Block) String() string { return blockNames[b] }

// Blocks lists the blocks.
func Blocks() []Block {
	return []Block{PreNorm, PostNorm, SandwichNorm, ParallelNorm, ParallelNorms, StreamNorm, SideInput}
}

// Parallel reports whether the FFN reads the stream as it was before the mixer.
func (b Block) Parallel() bool { return b == ParallelNorm || b == ParallelNorms }

// Before reports whether a norm stands before the mixer, and one before the FFN.
func (b Block) Before() (mixer, ffn bool) { return b != PostNorm, b != PostNorm && b != ParallelNorm }

// After reports whether there are norms after the mixer and after the FFN, applied before their
// outputs are added to the stream.
func (b Block) After() bool { return b == PostNorm || b == SandwichNorm }

// norms returns how many norms of the model's width a layer has.
func (l Layer) norms() int {
	mixer, ffn := l.Block.Before()
	n := 0
	for _, part := range []struct{ there, before bool }{{l.Mixer != nil, mixer}, {l.FFN != nil, ffn}} {
		if !part.there {
			continue
		}
		if part.before {
			n++
		}
		if l.Block.After() {
			n++
		}
	}
	return n
}
