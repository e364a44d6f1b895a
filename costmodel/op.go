// Package costmodel says what a decoder costs to run: which operations a step is made
// of, the FLOPs and bytes of each, and how long they take on a hardware profile.
//
// Units: bytes, seconds, FLOPs (a multiply-add is 2), tokens. What is counted, operation
// by operation, is written down in docs/accounting.md; the formulas here are its columns.
//
// Two fidelities need nothing but a datasheet:
//
//	limit     max(ΣFLOPs/peak, Σbytes/bandwidth)   speed of light for the step
//	roofline  Σ over operations of max(FLOPs/peak, bytes/bandwidth)
//
// Source of the architecture formulas: Ren et al., arXiv:2507.06607v3 ("paper").
package costmodel

import (
	"math"

	"github.com/OWNER/ridgeline/precision"
)

// Class groups operations that the same kind of GPU kernel runs.
type Class uint8

// The classes.
const (
	GEMM        Class = iota // matrix product
	ExpertGEMM               // grouped product over the experts hit
	Attn                     // attention core
	Scan                     // Mamba-1, Mamba-2, Gated DeltaNet recurrence
	Conv                     // causal convolution
	Norm                     // RMSNorm, LayerNorm
	Elementwise              // activations, gates, rotary, cache writes
	Lookup                   // embedding
	Collective               // all-reduce, all-gather
	numClasses
)

var classNames = [numClasses]string{"gemm", "expert_gemm", "attention", "scan", "conv", "norm", "elementwise", "lookup", "collective"}

func (c Class) String() string { return classNames[c] }

// Kind is what moved bytes belong to.
type Kind uint8

// The kinds of bytes.
const (
	Weights Kind = iota
	CacheRead
	CacheWrite
	StateRead
	StateWrite
	ActRead
	ActWrite
	NumKinds
)

var kindNames = [NumKinds]string{"weights", "cache_read", "cache_write", "state_read", "state_write", "activation_read", "activation_write"}

func (k Kind) String() string { return kindNames[k] }

// The basis: every cost is a linear combination of these quantities, for a call of B sequences
// with T new positions each.
const (
	one     = iota // 1
	rows           // B·T
	seqs           // B
	pairs          // query-key pairs: Σ over query rows of min(position+1, window)
	kvRows         // distinct cache rows the queries see
	ring           // cache rows written: B·min(T, window)
	hit            // distinct experts picked
	numBase        // length of the basis
)

// Coef is a cost as a linear form over the basis.
type Coef [numBase]float64

func (c *Coef) dot(v *Coef) float64 {
	s := 0.0
	for i := range c {
		s += float64(c[i] * v[i])
	}
	return s
}

// Op is one operation of one layer, on one device of the tensor-parallel group.
type Op struct {
	Layer   int    // 0-based; −1 for embedding, final norm and head
	Name    string // as in docs/accounting.md, for people
	Reads   Named  // weights it reads
	Kernel  Kernel
	Part    Part
	Compute precision.DType // format it computes in
	Weight  precision.DType // format of its weights
	KV      precision.DType // format of the cache it touches

	FLOPs Coef
	Bytes [NumKinds]Coef
	Link  Coef // bytes sent to peers
	Net   Coef // bytes sent to devices of other nodes

	// Reused says that the weights are those of an earlier layer: they are read again and not
	// stored again.
	Reused bool

	Shape Shape
	// Only says which calls of a mixed step the operation belongs to: latent attention runs
	// differently for pieces of prompts than for sequences that decode.
	Only Phase
}

// Phase is a part of a mixed step: the pieces of prompts or the sequences that decode.
type Phase uint8

// The phases. The zero value stands for both parts.
const (
	EveryPhase Phase = iota
	PromptOnly
	StepOnly
)

// Shape is what a kernel of the class is launched with; the calibrated cost model reads it.
type Shape struct {
	In, Out int // matrix product [rows, In]×[In, Out]; other classes: width in Out

	Heads, KVHeads, HeadDim int  // attention, scans
	Window                  int  // attention; 0 none
	Chunked                 bool // Window is the length of chunks of which a query sees its own
	QueryLast               bool
	Differential            bool
	RowsAreSeqs             bool    // runs on the last position of each sequence only
	WritesMemory            bool    // scan whose output a GMU reads
	Passes                  int     // plain attention passes the operation is run as
	Latent                  bool    // attention over latents: how caches of keys and values are read says nothing of it
	Rank, Rope              int     // absorbed latent attention: elements of a cached row that serve as keys and values, and as keys alone
	Again                   float64 // attention: times that each byte of the cache is read; 0 is once
	Unsplit                 bool    // attention that reads so and leaves the keys of a sequence and head to one block
	Windowed                bool    // attention whose layer has a window or declares one

	Table int // rows of the table that rows are gathered from; all of them are stored

	StateDim      int // d_state, k_dim
	Experts, TopK int
	Zero          int     // experts beside these that pass their input on
	Ranks         int     // devices over which the experts are spread; 0 where each has all
	Groups        int     // … and the groups of devices whose rows they work
	Skew          float64 // times the mean that the busiest device's experts are picked
}

// Call is one execution of the model: Batch sequences with New new positions each, after Past
// earlier ones. A decode step has New = 1, the prefill of a fresh prompt Past = 0.
type Call struct {
	Batch, New, Past int
}

// Context is the number of positions of each sequence after the call.
func (c Call) Context() int { return c.Past + c.New }

// Work is what an operation costs in a call: FLOPs and bytes.
type Work struct {
	FLOPs float64
	Bytes [NumKinds]float64
	Link  float64
	Net   float64
}

// Total is the sum of the bytes moved to and from memory.
func (w Work) Total() float64 {
	s := 0.0
	for _, b := range w.Bytes {
		s += b
	}
	return s
}

func (w *Work) add(o Work, times float64) {
	w.FLOPs += o.FLOPs * times
	w.Link += o.Link * times
	w.Net += o.Net * times
	for k := range w.Bytes {
		w.Bytes[k] += o.Bytes[k] * times
	}
}

// expectedHits is the expected number of distinct experts, of few among all, that r rows pick.
func expectedHits(few, all, topK int, r float64) float64 {
	if few == all {
		return ExpectedHits(all, topK, r)
	}
	return float64(few) / float64(all) * ExpectedHits(all, topK, r)
}

// ExpectedHits is the expected number of distinct experts that r rows pick, k of E each,
// if all are as likely: E·(1−(1−k/E)^r).
func ExpectedHits(experts, topK int, r float64) float64 {
	e := float64(experts)
	if topK >= experts {
		return e
	}
	return e * -math.Expm1(r*math.Log1p(-float64(topK)/e))
}

// basis evaluates the basis of the operation for a call.
func (o *Op) basis(c Call) Coef {
	b, t, n := float64(c.Batch), float64(c.New), float64(c.Context())
	w := o.Shape.reach()
	v := Coef{one: 1, rows: b * t, seqs: b, ring: b * min(t, w.window)}
	if o.Shape.QueryLast {
		v[pairs] = b * w.at(n)
		v[kvRows] = b * w.at(n)
	} else {
		v[pairs] = b * (w.sum(n) - w.sum(float64(c.Past)))
		v[kvRows] = b * w.rows(float64(c.Past), t)
	}
	if o.Shape.Experts > 0 {
		v[hit] = o.Shape.hits(v[o.rowBasis()])
	}
	return v
}

func (o *Op) rowBasis() int {
	if o.Shape.RowsAreSeqs {
		return seqs
	}
	return rows
}

// visible is Σ_{i=1..n} min(i, w): how many positions n successive queries see through a window of
// w.
func visible(n, w float64) float64 {
	if n <= w {
		return n * (n + 1) / 2
	}
	return w*(w+1)/2 + (n-w)*w
}

// Work is the cost of the operation in a call.
func (o *Op) Work(c Call) Work {
	v := o.basis(c)
	return o.work(&v)
}

// WorkWithHits is Work with what a router decided given instead of expected: how many distinct
// experts were hit, and how many picks of rows fell on experts that compute. It is what an
// execution that counts its routing is compared with.
func (o *Op) WorkWithHits(c Call, hits, picks int) Work {
	v := o.basis(c)
	v[hit] = float64(hits)
	if o.Shape.Zero == 0 {
		return o.work(&v)
	}
	all := float64(o.Shape.Experts + o.Shape.Zero)
	r := o.rowBasis()
	v[r] = float64(picks) * all / float64(o.Shape.TopK*o.Shape.Experts) // rows that would pick as often in the mean
	w := o.work(&v)
	w.FLOPs = math.Round(w.FLOPs) // whole numbers, of fractions of rows
	for k := range w.Bytes {
		w.Bytes[k] = math.Round(w.Bytes[k])
	}
	return w
}

func (o *Op) work(v *Coef) Work {
	w := Work{FLOPs: o.FLOPs.dot(v), Link: o.Link.dot(v), Net: o.Net.dot(v)}
	for k := range o.Bytes {
		w.Bytes[k] = o.Bytes[k].dot(v)
	}
	return w
}
