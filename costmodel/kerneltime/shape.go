package kerneltime

import "github.com/OWNER/ridgeline/precision"

// GEMM is one product [M,K] × [K,N]. A projection of M tokens by an [out,in] weight
// is M = tokens, N = out, K = in.
type GEMM struct {
	M, N, K float64
	DType   precision.DType // format of the weights, and of everything else where Compute is not set
	Compute precision.DType // format of the product where weights are widened when they are read
}

// format returns which curves are used for the product.
func (s *GEMM) format() int {
	if s.Compute != precision.Unset {
		return formatOf(s.Compute)
	}
	return formatOf(s.DType)
}

// FLOPs returns 2·M·N·K.
func (s GEMM) FLOPs() float64 { return 2 * s.M * s.N * s.K }

// Bytes returns the bytes of both inputs and the output, each moved once. The output has 16 bits
// whatever the inputs have.
func (s GEMM) Bytes() float64 {
	return s.DType.Bytes()*(s.M*s.K+s.K*s.N) + 2*s.M*s.N
}

// DecodeAttention is one decode step of attention: Batch queries of Heads heads, each
// over Context cached keys and values, or the last Window of them when Window > 0.
type DecodeAttention struct {
	Batch, Heads, KVHeads, HeadDim float64
	Window, Context                float64
	Seen                           float64         // mean number of keys that a query reads, where sequences differ; 0 where all are alike
	KVDType                        precision.DType // format of the cache; the query has 16 bits
}

// Visible returns how many keys a query reads: min(Context, Window) where sequences are alike.
func (s *DecodeAttention) Visible() float64 {
	if s.Seen > 0 {
		return s.Seen
	}
	return visible(s.Context, s.Window)
}

// Bytes returns the cache bytes read when each KV head is read once:
//
//	2 · batch · kv_heads · head_dim · visible · bytes(kv)
func (s *DecodeAttention) Bytes() float64 {
	return 2 * s.Batch * s.KVHeads * s.HeadDim * s.Visible() * s.KVDType.Bytes()
}

// FLOPs returns 4 · batch · heads · head_dim · visible.
func (s *DecodeAttention) FLOPs() float64 {
	return 4 * s.Batch * s.Heads * s.HeadDim * s.Visible()
}

// PrefillAttention is causal attention of Batch prompts of Prompt tokens to themselves and to
// Past tokens before them, in 16 bits. Each position reads at most Window keys when Window > 0.
// Past > 0 means a later piece of a prompt that is worked in pieces.
type PrefillAttention struct {
	Batch, Heads, KVHeads, HeadDim float64
	Window, Prompt, Past           float64
}

// Pairs returns the query-key pairs of one head of one prompt, Σ min(i, Window) over the
// positions i from Past+1 to Past+Prompt.
func (s *PrefillAttention) Pairs() float64 {
	return triangle(s.Past+s.Prompt, s.Window) - triangle(s.Past, s.Window)
}

// triangle returns Σ_{i=1..p} min(i, window): p(p+1)/2 less what the window hides.
func triangle(p, window float64) float64 {
	pairs := p * (p + 1) / 2
	if window > 0 && window < p {
		hidden := p - window
		pairs -= hidden * (hidden + 1) / 2
	}
	return pairs
}

// Keys returns how many cached keys the prompt's positions read: its own, and those of the past
// that are in the window of its first position.
func (s *PrefillAttention) Keys() float64 {
	past := s.Past
	if s.Window > 0 {
		past = min(past, s.Window-1)
	}
	return s.Prompt + past
}

// FLOPs returns 4 · batch · heads · head_dim · pairs.
func (s *PrefillAttention) FLOPs() float64 {
	return 4 * s.Batch * s.Heads * s.HeadDim * s.Pairs()
}

// Bytes returns the bytes of Q, K, V and the output, each moved once, in 16 bits.
func (s *PrefillAttention) Bytes() float64 {
	return 4 * s.Batch * s.HeadDim * (s.Prompt*s.Heads + s.Keys()*s.KVHeads)
}

// Kernel is one GPU kernel of a recurrent mixer.
type Kernel uint8

// The kernels that were timed; those of Mamba are scans (ScanKernel).
const (
	DeltaConvContext Kernel = iota // causal_conv1d_fn of a Gated DeltaNet layer, over a prompt
	DeltaConvStep                  // causal_conv1d_update, one token
	DeltaContext                   // chunk_gated_delta_rule, over a prompt
	DeltaStep                      // fused_recurrent_gated_delta_rule, one token
	kernels
)

// kernelFacts says what is known about a recurrent kernel.
type kernelFacts struct {
	name string
	step bool // whether the kernel advances each sequence by one token; otherwise it works a prompt
	conv bool // whether the kernel is a convolution
}

var kernelTable = [kernels]kernelFacts{
	DeltaConvContext: {name: "delta-conv-context", conv: true},
	DeltaConvStep:    {name: "delta-conv-step", conv: true, step: true},
	DeltaContext:     {name: "delta-context"},
	DeltaStep:        {name: "delta-step", step: true},
}

// String returns the kernel's short name.
func (k Kernel) String() string {
	if k < kernels {
		return kernelTable[k].name
	}
	return "unknown"
}

// Step reports whether the kernel advances each sequence by one token.
func (k Kernel) Step() bool { return kernelTable[k].step }

// Recurrent is one call of a recurrent kernel, in 16-bit with a 32-bit state.
//
// A Gated DeltaNet layer has KeyHeads heads of KeyDim and ValueHeads of ValueDim; its
// convolution runs over 2·KeyHeads·KeyDim + ValueHeads·ValueDim channels.
type Recurrent struct {
	Kernel               Kernel
	Batch, Tokens        float64 // tokens of each sequence; 1 for the kernels of steps
	KeyHeads, KeyDim     float64
	ValueHeads, ValueDim float64
	Conv                 float64 // number of taps of the convolution
}

// Channels returns the channels of the convolution.
func (s Recurrent) Channels() float64 {
	return 2*s.KeyHeads*s.KeyDim + s.ValueHeads*s.ValueDim
}

// State returns the elements of the recurrent state of one sequence.
func (s Recurrent) State() float64 { return s.ValueHeads * s.ValueDim * s.KeyDim }

// Bytes returns the bytes that the kernel must move: the activations of Batch·Tokens positions in
// and out, and the state of each sequence once in and once out.
func (s Recurrent) Bytes() float64 {
	tokens := s.Batch * s.Tokens
	if kernelTable[s.Kernel].conv {
		return 4*tokens*s.Channels() + 2*s.Batch*s.Channels()*s.Conv
	}
	return 2*tokens*(s.Channels()+s.ValueHeads*s.ValueDim) + 8*s.Batch*s.State()
}

// FLOPs returns the arithmetic of the kernel: for the convolution, 2 for each tap and channel;
// for the rule, 8 for each element of the state and token (a rank-one update and a read, and as
// much again for the correction).
func (s Recurrent) FLOPs() float64 {
	tokens := s.Batch * s.Tokens
	if kernelTable[s.Kernel].conv {
		return 2 * tokens * s.Channels() * s.Conv
	}
	return 8 * tokens * s.State()
}

// AllReduce sums Bytes of 16-bit values over GPUs devices of one fabric.
type AllReduce struct {
	GPUs, Bytes float64
	Eager       bool // whether the kernel was launched by itself, not from a CUDA graph
}

func visible(context, window float64) float64 {
	if window > 0 && window < context {
		return window
	}
	return context
}

// windows is how many states of the window kernels distinguish.
const windows = 3

// hides reports whether a window hides keys.
func hides(context, window float64) bool { return window > 0 && context > window }

// hiding bounds how much longer a call that hides keys takes than the same kernel at the same
// context where its window hides none. Few windows were timed (128, 1,024 and 8,192 positions), and
// curves of those alone leave the ones between far too slow where few keys are hidden. In the timings
// of Hopper and Blackwell calls that hide half of the keys take 1.05 times as long in the median.
const hiding = 1.1

// biting is a window that hides keys, 0 for one that does not.
func biting(context, window float64) float64 {
	if hides(context, window) {
		return window
	}
	return 0
}

// windowed returns the state of the window: 0 without a window, 1 while the context fits into it,
// 2 once it hides keys.
func windowed(context, window float64) int {
	switch {
	case window <= 0:
		return 0
	case context <= window:
		return 1
	default:
		return 2
	}
}
