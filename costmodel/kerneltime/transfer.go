package kerneltime

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

// related is the distance below which a donor GPU's tables of corrections are used as well
// as its curves: GPUs of one architecture that differ by less than e in bandwidth, peak and
// units together.
const related = 1

// drift widens the 90 % interval of a transferred prediction by so much, in log time, for
// each unit of distance. It comes from predicting every measured GPU by every other.
const drift = 0.3

// distance is how unlike two devices are: the logarithms of what their datasheets
// differ by, and one more where the architectures do.
func distance(a, b *Device) float64 {
	d := math.Abs(math.Log(a.Bandwidth/b.Bandwidth)) + math.Abs(math.Log(a.Peak[0]/b.Peak[0])) + math.Abs(math.Log(a.Units/b.Units))
	if a.Arch != b.Arch {
		d++
	}
	return d
}

// relatives orders profiles by their distance to a device, nearest first.
func relatives(d *Device, from []*Profile) []*Profile {
	out := append([]*Profile(nil), from...)
	sort.SliceStable(out, func(i, j int) bool { return distance(d, &out[i].device) < distance(d, &out[j].device) })
	return out
}

// compose returns the profile of a device: its own fit where there is one, and for every
// class without, the curves of the nearest relative that has it, asked about this
// device's datasheet.
func compose(name string, d Device, from []*Profile) *Profile {
	p := newProfile(name, d)
	near := relatives(&d, from)
	var donors [classes]*Profile
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
			donors[c] = q
			break
		}
	}
	p.take(&donors)
	return p
}

// take has each class's curves come from its donor: corrections only from a relative,
// intervals wider the further it is.
func (p *Profile) take(donors *[classes]*Profile) {
	if q := donors[ClassGEMM]; q != nil {
		p.gemm = closed(func() gemmModel {
			m := *q.gemm.get()
			forget(m.Corrections[:], p.related(q))
			m.Spread = m.Spread.widen(p.drift(q))
			return m
		})
	}
	if q := donors[ClassDecode]; q != nil {
		p.decode = closed(func() decodeModel {
			m := *q.decode.get()
			forget(m.Corrections[:], p.related(q))
			m.Spread = m.Spread.widen(p.drift(q))
			return m
		})
	}
	if q := donors[ClassPrefill]; q != nil {
		p.prefill = closed(func() prefillModel {
			m := *q.prefill.get()
			forget(m.Corrections[:], p.related(q))
			m.Spread = m.Spread.widen(p.drift(q))
			return m
		})
	}
	if q := donors[ClassDeltaNet]; q != nil {
		p.recurrent = closed(func() recurrentModel {
			m := *q.recurrent.get()
			forget(m.Corrections[:], p.related(q))
			m.Spread = m.Spread.widen(p.drift(q))
			return m
		})
	}
	p.mamba1 = p.lend(donors[ClassMamba1], ClassMamba1)
	p.ssd = p.lend(donors[ClassSSD], ClassSSD)
	p.conv = p.lend(donors[ClassConv], ClassConv)
	if q := donors[ClassUnpacked]; q != nil {
		p.unpacked = closed(func() unpackedModel {
			m := *q.unpacked.get()
			forget(m.Corrections[:], p.related(q))
			m.Spread = m.Spread.widen(p.drift(q))
			return m
		})
	}
	if q := donors[ClassStream]; q != nil {
		p.stream = closed(func() streamModel {
			m := *q.stream.get()
			m.Spread = m.Spread.widen(p.drift(q))
			return m
		})
	}
	if q := donors[ClassMLA]; q != nil {
		p.mla = closed(func() mlaModel {
			m := *q.mla.get()
			forget(m.Corrections[:], p.related(q))
			m.Spread = m.Spread.widen(p.drift(q))
			return m
		})
	}
	if q := donors[ClassAllReduce]; q != nil {
		p.allReduce = closed(func() allReduceModel {
			m := *q.allReduce.get()
			forget(m.Corrections[:], p.related(q))
			m.Spread = m.Spread.widen(p.drift(q))
			return m
		})
	}
}

// lend is the drawer of a class of scans whose curves come from a donor.
func (p *Profile) lend(q *Profile, c Class) *drawer[scanModel] {
	if q == nil {
		return filled(newScanModel(c))
	}
	return closed(func() scanModel {
		m := *q.scans(c).get()
		forget(m.Corrections[:], p.related(q))
		m.Spread = m.Spread.widen(p.drift(q))
		return m
	})
}

// related reports whether a donor's corrections come along with its curves.
func (p *Profile) related(q *Profile) bool { return distance(&p.device, &q.device) < related }

// drift is how much wider the intervals of a donor's predictions are.
func (p *Profile) drift(q *Profile) float64 { return drift * distance(&p.device, &q.device) }

func forget(tables []Table, keep bool) {
	if !keep {
		clear(tables)
	}
}
