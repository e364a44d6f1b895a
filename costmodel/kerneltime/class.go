package kerneltime

import (
	"fmt"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/internal/records"
)

// Class is a kind of operation that is timed and fitted by itself.
type Class uint8

// The classes that have measurements.
const (
	ClassGEMM Class = iota
	ClassDecode
	ClassPrefill
	ClassDeltaNet
	ClassAllReduce
	ClassMamba1     // Mamba-1's scan and step
	ClassSSD        // Mamba-2's scan and step, as its authors' kernels run them
	ClassConv       // causal convolutions
	ClassUnpacked   // decode attention that reads its cache once for each query head
	ClassStream     // norms, gates, rotary embedding and other kernels that only read and write
	ClassMLA        // decode steps of latent attention in its absorbed form
	ClassCollective // exchanges between GPUs, except the all-reduces of ClassAllReduce
	ClassRule       // the gated delta rule's chunks and step, as flash-linear-attention runs them
	classes
)

// registry holds the facts of each class. A new class is a file with its facts and a line here.
var registry = [classes]Facts{
	ClassGEMM:       gemmFacts,
	ClassDecode:     decodeFacts,
	ClassPrefill:    prefillFacts,
	ClassDeltaNet:   deltaNetFacts,
	ClassAllReduce:  allReduceFacts,
	ClassMamba1:     mamba1Facts,
	ClassSSD:        ssdFacts,
	ClassConv:       convFacts,
	ClassUnpacked:   unpackedFacts,
	ClassStream:     streamFacts,
	ClassMLA:        mlaFacts,
	ClassCollective: collectiveFacts,
	ClassRule:       ruleFacts,
}

// Facts holds everything that differs from class to class. A shape is a pointer to the shape type
// of the class: *GEMM, *DecodeAttention, *PrefillAttention, *Recurrent, *Scan,
// *UnpackedAttention, *MLADecode, *Stream, *AllReduce or
// *Collective.
type Facts interface {
	// Read reads a shape from a line of the class's CSV tables.
	Read(r *records.Record) (shape any)
	// Describe describes a shape in one line.
	Describe(shape any) string
	// Group returns the value of a shape by which rows are grouped, such as its number of heads;
	// a hold-out leaves out all rows of a group together. It is not ok where the class has no
	// such groups.
	Group(by string, shape any) (value float64, ok bool)
	// FoldBy lists the groups that cross-validation keeps together, one way of grouping after the
	// other. Where it lists none, single rows are dealt into folds.
	FoldBy() []string
	// Roofline returns max(FLOPs/peak, bytes/bandwidth) in seconds; for an all-reduce, the time
	// for what a ring sends over the link.
	Roofline(p *Profile, shape any) float64
	// Predict predicts the time of a shape.
	Predict(p *Profile, shape any) Estimate
	// Fitting returns the class's model in a profile, to fit.
	Fitting(p *Profile) Fitting
	// Note records in a profile that a shape was timed.
	Note(p *Profile, shape any)
	// Spans calls each for the numbers of a shape that timings were spread over.
	Spans(shape any, each func(name string, v float64))

	spans() *spans
	numbered(shape any) numbered
}

// facts implements Facts for shapes of type S.
type facts[S any] struct {
	read     func(r *records.Record) S
	describe func(*S) string
	groups   map[string]func(*S) float64
	foldBy   []string
	roofline func(d *Device, s *S) float64
	predict  func(p *Profile, s S) Estimate
	model    func(p *Profile) model[S]
	note     func(p *Profile, s *S)
	class    Class
	over     *spans // what its timings were spread over
}

func (k *facts[S]) Read(r *records.Record) any { s := k.read(r); return &s }
func (k *facts[S]) Describe(shape any) string  { return k.describe(shape.(*S)) }
func (k *facts[S]) FoldBy() []string           { return k.foldBy }

func (k *facts[S]) Group(by string, shape any) (float64, bool) {
	if f, ok := k.groups[by]; ok {
		return f(shape.(*S)), true
	}
	return 0, false
}

func (k *facts[S]) Roofline(p *Profile, shape any) float64 {
	return k.roofline(&p.device, shape.(*S))
}

func (k *facts[S]) Predict(p *Profile, shape any) Estimate { return k.predict(p, *shape.(*S)) }

func (k *facts[S]) Fitting(p *Profile) Fitting { return fitting[S]{k.model(p), &p.device} }

func (k *facts[S]) spans() *spans               { return k.over }
func (k *facts[S]) numbered(shape any) numbered { return any(*shape.(*S)).(numbered) }

func (k *facts[S]) Spans(shape any, each func(name string, v float64)) {
	numbers := k.numbered(shape).numbers()
	for i, n := range k.over.names {
		each(n, numbers[i])
	}
}

func (k *facts[S]) Note(p *Profile, shape any) {
	p.timed[k.class] = k.over.note(p.timed[k.class], k.numbered(shape))
	if k.note != nil {
		k.note(p, shape.(*S))
	}
}

// Classes lists the classes in order.
func Classes() []Class {
	out := make([]Class, classes)
	for i := range out {
		out[i] = Class(i)
	}
	return out
}

// Facts returns what is particular to the class.
func (c Class) Facts() Facts { return registry[c] }

var classNames = [classes]string{
	"gemm", "decode_attention", "prefill_attention", "gated_deltanet", "allreduce",
	"mamba1", "ssd", "conv", "unpacked_attention", "stream", "mla_decode", "collectives", "delta_rule",
}

// String returns the class's name, with which the names of its files begin.
func (c Class) String() string {
	if c < classes {
		return classNames[c]
	}
	return "unknown"
}

// ClassNames lists the names of the classes.
func ClassNames() []string { return append([]string(nil), classNames[:]...) }

// ParseClass reads the name of a class.
func ParseClass(s string) (Class, error) {
	for c := range classes {
		if c.String() == s {
			return c, nil
		}
	}
	return 0, fmt.Errorf("class %q is not one of %s", s, strings.Join(classNames[:], ", "))
}

func grouped(r *records.Record, heads, kvHeads float64) {
	if r.Err() == nil && kvHeads > heads {
		r.Fail("kv_heads", "%g is more than the %g heads", kvHeads, heads)
	}
}

// The ways to group shapes that a hold-out may leave out.
const (
	ByHeads    = "heads" // for recurrent kernels, by the number of channels
	ByHeadDim  = "head dims"
	ByMatrix   = "(n,k)"
	ByContexts = "contexts"
)

// noteDim adds a head dimension that was timed to a list in ascending order.
func noteDim(dims *[]float64, d float64) {
	i, found := slices.BinarySearch(*dims, d)
	if !found {
		*dims = slices.Insert(*dims, i, d)
	}
}
