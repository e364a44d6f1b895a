package kerneltime

import (
	"math"
	"sort"
)

// Kind says what kind of measurements a prediction rests on.
type Kind uint8

// The kinds, the worst first.
const (
	DatasheetOnly Kind = iota
	Transferred
	Fitted
)

// Basis says what a prediction rests on and, where curves were transferred, from which device.
type Basis struct {
	Kind Kind
	From string // the device on which the curves were fitted, for Transferred
}

// String returns the basis in the words of reports.
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

// related is the distance below which a donor GPU's corrections are used as well as its curves:
// GPUs of one architecture whose bandwidth, peak and units differ by less than a factor of e
// together.
const related = 1

// drift is by how much the 90 % interval of a transferred prediction is widened, in the logarithm
// of the time, for each unit of distance. It was found by predicting every measured GPU from
// every other one.
const drift = 0.3

// distance says how unlike two devices are: the sum of the absolute logarithms of the ratios of
// their figures, and 1 more where their architectures differ.
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

// compose returns the profile of a device. Classes that were fitted for it have that fit. Every
// other class has the curves of the most similar device that has the class, with the figures of
// this device's datasheet.
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
			donors[c], p.timed[c] = q, q.timed[c]
			break
		}
	}
	p.take(&donors)
	return p
}

// take gives each class the curves of its donor. Corrections are taken only from similar devices,
// and intervals are wider the less similar the donor is.
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
			if p.related(q) {
				m.unbind(&p.device, &q.device)
			}
			m.Spread = m.Spread.widen(p.drift(q))
			return m
		})
	}
	if q := donors[ClassDeltaNet]; q != nil {
		p.recurrent = closed(func() recurrentModel {
			m := *q.recurrent.get()
			forget(m.Corrections[:], p.related(q))
			if p.related(q) {
				for i := range m.Curves {
					loosen(&m.Curves[i].Bandwidth, &p.device, &q.device)
				}
			}
			m.Spread = m.Spread.widen(p.drift(q))
			return m
		})
	}
	p.mamba1 = p.lend(donors[ClassMamba1], ClassMamba1)
	p.ssd = p.lend(donors[ClassSSD], ClassSSD)
	p.conv = p.lend(donors[ClassConv], ClassConv)
	p.rule = p.lend(donors[ClassRule], ClassRule)
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
	if q := donors[ClassCollective]; q != nil {
		p.collective = closed(func() collectiveModel {
			m := *q.collective.get()
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

// lend returns the drawer of a class of scans whose curves are a donor's.
func (p *Profile) lend(q *Profile, c Class) *drawer[scanModel] {
	if q == nil {
		return filled(newScanModel(c))
	}
	return closed(func() scanModel {
		m := *q.scans(c).get()
		forget(m.Corrections[:], p.related(q))
		if p.related(q) {
			for i := range m.Curves {
				loosen(&m.Curves[i].Bandwidth, &p.device, &q.device)
			}
		}
		m.Spread = m.Spread.widen(p.drift(q))
		return m
	})
}

// loosen has a kernel that reads and writes a state gain on one device, over a related one that it
// was fitted on, by the square root of the ratio of their bandwidths. The H200's is 0.36 above the
// H100's in the logarithm, and such kernels gain about half of it: steps of the gated delta rule
// 0.18, of Mamba-1 0.15, of Mamba-2 0.13, convolutions 0.15 to 0.25, chunked prompts of the delta
// rule 0.15 (measured/).
func loosen(fraction *float64, to, from *Device) {
	*fraction *= math.Sqrt(from.Bandwidth / to.Bandwidth)
}

// related reports whether a donor's corrections are used as well as its curves.
func (p *Profile) related(q *Profile) bool { return distance(&p.device, &q.device) < related }

// drift returns by how much the intervals of a donor's predictions are widened.
func (p *Profile) drift(q *Profile) float64 { return drift * distance(&p.device, &q.device) }

func forget(tables []Table, keep bool) {
	if !keep {
		clear(tables)
	}
}
