package calibrate

import (
	"math"
	"sort"
)

// Kind is what a prediction rests on.
type Kind uint8

// The kinds, worst first.
const (
	DatasheetOnly Kind = iota
	Transferred
	Fitted
)

// Basis is what a prediction rests on and, when transferred, from where.
type Basis struct {
	Kind Kind
	From string // hardware the curves were fitted on, when Transferred
}

// String returns the basis as reports print it.
func (b Basis) String() string {
	switch b.Kind {
	case Fitted:
		return "fitted on this GPU"
	case Transferred:
		return "transferred from " + b.From
	default:
		return "datasheet only"
	}
}

// related is the distance within which a relative's corrections come along with its
// curves: the same architecture, not much more of anything.
const related = 1

// drift is how much wider, in the logarithm of time, the 90 % interval of a transferred
// prediction is for each unit of distance; from predicting every measured GPU by every
// other.
const drift = 0.3

// distance is how unlike two devices are: the logarithms of what their datasheets
// differ by, and one more where the architectures do.
func distance(a, b *device) float64 {
	d := math.Abs(math.Log(a.Bandwidth/b.Bandwidth)) + math.Abs(math.Log(a.Peak[0]/b.Peak[0])) + math.Abs(math.Log(a.Units/b.Units))
	if a.Arch != b.Arch {
		d++
	}
	return d
}

// relatives orders profiles by their distance to a device, nearest first.
func relatives(d *device, from []*Profile) []*Profile {
	out := append([]*Profile(nil), from...)
	sort.SliceStable(out, func(i, j int) bool { return distance(d, &out[i].device) < distance(d, &out[j].device) })
	return out
}

// compose returns the profile of a device: its own fit where there is one, and for every
// class without, the curves of the nearest relative that has it, asked about this
// device's datasheet.
func compose(name string, d device, from []*Profile) *Profile {
	p := newProfile(name, d)
	near := relatives(&d, from)
	for c := range classes {
		for _, q := range near {
			if q.basis[c].Kind != Fitted {
				continue
			}
			if q.hardware == name && q.device == d {
				p.basis[c], p.from[c] = q.basis[c], q.from[c]
			} else {
				p.basis[c] = Basis{Transferred, q.hardware}
			}
			p.take(c, q)
			break
		}
	}
	return p
}

// take copies a class's curves from another profile; corrections only from a relative,
// intervals wider the further it is.
func (p *Profile) take(c Class, q *Profile) {
	away := distance(&p.device, &q.device)
	wider := drift * away
	keep := away < related
	switch c {
	case ClassGEMM:
		p.gemm = q.gemm
		forget(p.gemm.Corrections[:], keep)
		p.gemm.Spread = q.gemm.Spread.widen(wider)
	case ClassDecode:
		p.decode = q.decode
		forget(p.decode.Corrections[:], keep)
		p.decode.Spread = q.decode.Spread.widen(wider)
	case ClassPrefill:
		p.prefill = q.prefill
		forget(p.prefill.Corrections[:], keep)
		p.prefill.Spread = q.prefill.Spread.widen(wider)
	case ClassDeltaNet, ClassMamba2:
		// One model serves both; each class takes its own kernels.
		for k := range kernels {
			if k.Class() == c {
				p.recurrent.take(k, &q.recurrent, keep)
			}
		}
		if len(p.recurrent.Spread.Low) == 0 || c == ClassDeltaNet {
			p.recurrent.Spread = q.recurrent.Spread.widen(wider)
		}
	case ClassAllReduce:
		p.allReduce = q.allReduce
		forget(p.allReduce.Corrections[:], keep)
		p.allReduce.Spread = q.allReduce.Spread.widen(wider)
	}
}

func forget(tables []table, keep bool) {
	if !keep {
		clear(tables)
	}
}
