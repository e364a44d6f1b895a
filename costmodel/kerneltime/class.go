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
	ClassMamba1   // Mamba-1's scan and step
	ClassSSD      // Mamba-2's scan and step, as its authors' kernels run them
	ClassConv     // causal convolutions
	ClassUnpacked // decode attention that reads its cache once per query head
	ClassStream   // norms, gates, rotary embedding and whatever else only streams
	ClassMLA      // decode steps of latent attention, absorbed
	classes
)

// The registry of classes: a new one is a file with its facts and a line here.
var registry = [classes]Facts{
	ClassGEMM:      gemmFacts,
	ClassDecode:    decodeFacts,
	ClassPrefill:   prefillFacts,
	ClassDeltaNet:  deltaNetFacts,
	ClassAllReduce: allReduceFacts,
	ClassMamba1:    mamba1Facts,
	ClassSSD:       ssdFacts,
	ClassConv:      convFacts,
	ClassUnpacked:  unpackedFacts,
	ClassStream:    streamFacts,
	ClassMLA:       mlaFacts,
}

// Facts are everything that differs from class to class. A shape is a pointer to the class's
// own type: *GEMM, *DecodeAttention, *PrefillAttention, *Recurrent, *Scan, *UnpackedAttention, *MLADecode, *Stream or *AllReduce.
type Facts interface {
	// Read reads a shape from a line of the class's CSV tables.
	Read(r *records.Record) (shape any)
	// Describe writes a shape on one line.
	Describe(shape any) string
	// Group is the value of a shape that a hold-out leaves out together, such as its number
	// of heads; it is not ok where the class has no such groups.
	Group(by string, shape any) (value float64, ok bool)
	// FoldBy are the groups that cross-validation keeps together, one way after the other; rows
	// are dealt one by one where there are none.
	FoldBy() []string
	// Roofline is max(FLOPs/peak, bytes/bandwidth) in seconds; what a ring sends over the
	// link for an all-reduce.
	Roofline(p *Profile, shape any) float64
	// Predict is the estimate of a shape.
	Predict(p *Profile, shape any) Estimate
	// Fitting is the class's model in a profile, to fit.
	Fitting(p *Profile) Fitting
	// Note tells a profile that a shape was timed.
	Note(p *Profile, shape any)
}

// facts are the Facts of shapes S.
type facts[S any] struct {
	read     func(r *records.Record) S
	describe func(*S) string
	groups   map[string]func(*S) float64
	foldBy   []string
	roofline func(d *Device, s *S) float64
	predict  func(p *Profile, s S) Estimate
	model    func(p *Profile) model[S]
	note     func(p *Profile, s *S)
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

func (k *facts[S]) Note(p *Profile, shape any) {
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

// Facts returns what differs from class to class.
func (c Class) Facts() Facts { return registry[c] }

var classNames = [classes]string{
	"gemm", "decode_attention", "prefill_attention", "gated_deltanet", "allreduce",
	"mamba1", "ssd", "conv", "unpacked_attention", "stream", "mla_decode",
}

// String returns the class's name, which is also how its files begin.
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

// The groups of shapes that a hold-out may leave out.
const (
	ByHeads    = "heads" // channels for recurrent kernels
	ByHeadDim  = "head dims"
	ByMatrix   = "(n,k)"
	ByContexts = "contexts"
)

// noteDim keeps the different head dimensions that were timed, ascending.
func noteDim(dims *[]float64, d float64) {
	i, found := slices.BinarySearch(*dims, d)
	if !found {
		*dims = slices.Insert(*dims, i, d)
	}
}
