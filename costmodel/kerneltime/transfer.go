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

// take gives each class the curves of its donor.
func (p *Profile) take(donors *[classes]*Profile) {
	lend(p, donors[ClassGEMM], func(p *Profile) **drawer[gemmModel] { return &p.gemm }, nil)
	lend(p, donors[ClassDecode], func(p *Profile) **drawer[decodeModel] { return &p.decode }, nil)
	lend(p, donors[ClassPrefill], func(p *Profile) **drawer[prefillModel] { return &p.prefill }, (*prefillModel).unbind)
	lend(p, donors[ClassDeltaNet], func(p *Profile) **drawer[recurrentModel] { return &p.recurrent }, (*recurrentModel).loosen)
	for _, c := range []Class{ClassMamba1, ClassSSD, ClassConv, ClassRule} {
		lend(p, donors[c], func(p *Profile) **drawer[scanModel] { return p.scans(c) }, (*scanModel).loosen)
	}
	lend(p, donors[ClassUnpacked], func(p *Profile) **drawer[unpackedModel] { return &p.unpacked }, nil)
	lend(p, donors[ClassStream], func(p *Profile) **drawer[streamModel] { return &p.stream }, nil)
	lend(p, donors[ClassMLA], func(p *Profile) **drawer[mlaModel] { return &p.mla }, nil)
	lend(p, donors[ClassCollective], func(p *Profile) **drawer[collectiveModel] { return &p.collective }, nil)
	lend(p, donors[ClassAllReduce], func(p *Profile) **drawer[allReduceModel] { return &p.allReduce }, nil)
}

// lend fills the drawer of one class, which of finds in a profile, with a copy of the donor's model.
// Only where the devices are related, the copy keeps the corrections, and adapt changes its curves. Its intervals are wider the less alike they are. Without a donor nothing is lent.
func lend[M any, P interface {
	*M
	corrections() []Table
	errors() *Spread
}](p, q *Profile, of func(*Profile) **drawer[M], adapt func(m *M, to, from *Device)) {
	if q == nil {
		return
	}
	*of(p) = closed(func() M {
		m := *(*of(q)).get()
		if !p.related(q) {
			clear(P(&m).corrections())
		} else if adapt != nil {
			adapt(&m, &p.device, &q.device)
		}
		spread := P(&m).errors()
		*spread = spread.widen(p.drift(q))
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

func (m *recurrentModel) loosen(to, from *Device) {
	for i := range m.Curves {
		loosen(&m.Curves[i].Bandwidth, to, from)
	}
}

func (m *scanModel) loosen(to, from *Device) {
	for i := range m.Curves {
		loosen(&m.Curves[i].Bandwidth, to, from)
	}
}

// related reports whether a donor's corrections are used as well as its curves.
func (p *Profile) related(q *Profile) bool { return distance(&p.device, &q.device) < related }

// drift returns by how much the intervals of a donor's predictions are widened.
func (p *Profile) drift(q *Profile) float64 { return drift * distance(&p.device, &q.device) }
