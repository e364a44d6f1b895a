package costmodel

import (
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// Kernel names the kind of GPU kernel that runs an operation. The builder sets it; the operation's
// class, arithmetic and the measured kernel that prices it are looked up from it. Names of
// operations are only read by people.
type Kernel uint8

// The kernels.
const (
	Embedding     Kernel = iota
	Product              // matrix product
	Head                 // output head
	ExpertProduct        // grouped product over the experts hit
	Attention            // attention core
	ScanMamba1           // selective scan
	ScanSSD              // Mamba-2's recurrence
	ScanDelta            // gated delta rule
	ScanKDA              // delta rule with a decay for each channel
	ScanMLSTM            // matrix memory with exponential gates
	ScanWKV5             // RWKV-5's matrix state with fixed decays
	ScanWKV              // RWKV-4's weighted mean, three states a channel
	ScanRGLRU            // gated linear recurrence, one state a channel
	ScanLightning        // linear attention with fixed decays
	ConvMamba1           // causal convolutions in front of them
	ConvMamba2
	ConvDelta
	ConvShort  // of a gated short convolution
	BlockNorm  // norm of the residual stream
	InnerNorm  // norm inside a mixer
	Activation // between the products of a feed-forward network
	Gate       // product of two activations, and the norm that goes with it
	Rotary
	CacheStore // keys and values into the cache
	Combine    // of the two halves of differential attention
	Unit       // L2 norm of keys and queries
	Routing    // top-k of experts
	AllReduce
	AllGather
	AllToAll // rows to the devices that hold their experts, and back
	SendRecv // from a pipeline stage to the next
	numKernels
)

// pricing is the kind of measured kernel that prices an operation.
type pricing uint8

const (
	asStream    pricing = iota // a kernel that only streams
	asProduct                  // a matrix product
	asExperts                  // one product with the columns of all experts hit
	asAttention                // decode attention, or that of a prompt
	asRecurrent                // a recurrent kernel of a step, or of a prompt
	asScan                     // a scan of Mamba's, or the convolution in front of one
	asReduce                   // an all-reduce
	asMessage                  // an all-gather, an all-to-all, or a message to one device
)

type kernelFacts struct {
	class   Class
	tensor  bool // runs at the peak of the compute format, else at the vector units'
	unlined bool // never runs on the rows that a CUDA graph adds as padding
	price   pricing

	// For operations priced by recurrent kernels or scans: the kernels that run a step and a
	// prompt, and whether these were timed themselves or stand in for others.
	step, prompt         kerneltime.Kernel
	scanStep, scanPrompt kerneltime.ScanKernel
	timed                bool

	stream kerneltime.StreamKernel // of what only streams; a sum where none is like it
}

var kernelTable = [numKernels]kernelFacts{
	Embedding:     {class: Lookup, stream: kerneltime.StreamLookup},
	Product:       {class: GEMM, tensor: true, price: asProduct},
	Head:          {class: GEMM, tensor: true, price: asProduct},
	ExpertProduct: {class: ExpertGEMM, tensor: true, price: asExperts},
	Attention:     {class: Attn, tensor: true, unlined: true, price: asAttention},
	// Where a layer's output is also a memory, its scan writes the output both gated and ungated,
	// and the measured kernel does so too.
	ScanMamba1: {class: Scan, unlined: true, price: asScan, scanStep: kerneltime.Mamba1GatedStep, scanPrompt: kerneltime.Mamba1GatedScan, timed: true},
	ScanSSD:    {class: Scan, unlined: true, price: asScan, scanStep: kerneltime.SSDHeadStep, scanPrompt: kerneltime.SSDScan, timed: true},
	ScanDelta:  {class: Scan, unlined: true, price: asRecurrent, step: kerneltime.DeltaStep, prompt: kerneltime.DeltaContext, timed: true},
	// The same rule with a decay for each channel moves as much.
	ScanKDA:   {class: Scan, unlined: true, price: asRecurrent, step: kerneltime.DeltaStep, prompt: kerneltime.DeltaContext},
	ScanWKV5:  {class: Scan, unlined: true, price: asScan, scanStep: kerneltime.SSDHeadStep, scanPrompt: kerneltime.SSDScan},
	ScanMLSTM: {class: Scan, unlined: true, price: asScan, scanStep: kerneltime.SSDHeadStep, scanPrompt: kerneltime.SSDScan},
	ScanWKV:   {class: Scan, unlined: true},
	ScanRGLRU: {class: Scan, unlined: true}, // the recurrence reads and writes little more than its rows
	// Lightning attention, xLSTM's memory and RWKV-5 are priced by Mamba-2's kernels: nearly the same recurrence.
	ScanLightning: {class: Scan, unlined: true, price: asScan, scanStep: kerneltime.SSDHeadStep, scanPrompt: kerneltime.SSDScan},
	ConvMamba1:    {class: Conv, unlined: true, price: asScan, scanStep: kerneltime.ConvCachedStep, scanPrompt: kerneltime.ConvFirstScan, timed: true},
	ConvMamba2:    {class: Conv, unlined: true, price: asScan, scanStep: kerneltime.ConvCachedStep, scanPrompt: kerneltime.ConvLastScan, timed: true},
	ConvDelta:     {class: Conv, unlined: true, price: asRecurrent, step: kerneltime.DeltaConvStep, prompt: kerneltime.DeltaConvContext, timed: true},
	ConvShort:     {class: Conv, unlined: true, price: asScan, scanStep: kerneltime.ConvCachedStep, scanPrompt: kerneltime.ConvLastScan, timed: true},
	BlockNorm:     {class: Norm, stream: kerneltime.StreamNormAdd},
	InnerNorm:     {class: Norm, stream: kerneltime.StreamNorm},
	Activation:    {class: Elementwise, stream: kerneltime.StreamGatedSiLU},
	Gate:          {class: Elementwise, stream: kerneltime.StreamGate},
	Rotary:        {class: Elementwise, stream: kerneltime.StreamRotary},
	CacheStore:    {class: Elementwise, stream: kerneltime.StreamCacheWrite},
	Combine:       {class: Elementwise, stream: kerneltime.StreamNorm}, // the kernel also normalises the difference
	Unit:          {class: Elementwise, stream: kerneltime.StreamNorm},
	Routing:       {class: Elementwise, stream: kerneltime.StreamNorm}, // a reduction of short rows
	AllReduce:     {class: Collective, price: asReduce},
	AllGather:     {class: Collective, price: asMessage},
	AllToAll:      {class: Collective, price: asMessage},
	SendRecv:      {class: Collective, price: asMessage},
}

// flaTable says of the operations of the gated delta rule what kernelTable does, where the kernels of
// flash-linear-attention run it, and those of causal-conv1d in front.
var flaTable = map[Kernel]kernelFacts{
	ScanDelta: {class: Scan, unlined: true, price: asScan, scanStep: kerneltime.RuleStep, scanPrompt: kerneltime.RuleScan, timed: true},
	// The library has other kernels for a decay for each channel; those of one a head stand in.
	ScanKDA:   {class: Scan, unlined: true, price: asScan, scanStep: kerneltime.RuleStep, scanPrompt: kerneltime.RuleScan},
	ConvDelta: {class: Conv, unlined: true, price: asScan, scanStep: kerneltime.ConvCachedStep, scanPrompt: kerneltime.ConvLastScan, timed: true},
}

// factsOf is what is known of the kernels that run an operation in this deployment.
func (c *Compiled) factsOf(o *Op) *kernelFacts {
	if c.f.fla {
		if f, ok := flaTable[o.Kernel]; ok {
			return &f
		}
	}
	return &kernelTable[o.Kernel]
}

// Class returns the group of kernels that this kernel belongs to.
func (k Kernel) Class() Class { return kernelTable[k].class }

// Part is the part of a decoder that an operation belongs to.
type Part uint8

// The parts.
const (
	InEnds  Part = iota // embedding, final norm, output head
	InMixer             // a layer's mixer and the norm in front of it
	InFFN               // a layer's feed-forward network and the norm in front of it
)

var partNames = [...]string{"ends", "mixer", "ffn"}

func (p Part) String() string { return partNames[p] }
