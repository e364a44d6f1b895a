// Package kerneltime predicts how long GPU kernels take, from fitted profiles. For each class of
// operation, a profile has a physical model with few parameters (launch, bandwidth, arithmetic in
// whole tiles and waves, split keys, data that stays in the cache), a correction on a coarse
// logarithmic grid, and a 90 % interval. GPUs that were not measured borrow the curves of the
// most similar measured one. The package knows kernels by their shapes and knows nothing about
// models; package calibrate fits the profiles.
//
// Units: seconds, bytes, FLOPs (a multiply-add counts as 2). The embedded profiles were fitted to
// kernel timings of NVIDIA's AIConfigurator project (github.com/ai-dynamo/aiconfigurator,
// Apache-2.0) and to our own (measured/README.md); each profile says for each class which of
// them.
// Apache-2.0) and to our own (measured/README.md); each says which, class by class.
package kerneltime

import (
	"fmt"
	"io"
	"math"

	"github.com/goccy/go-yaml"

	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/internal/input"
	"github.com/OWNER/ridgeline/precision"
)

// Profile describes how efficient one GPU is: for each class of operation, curves with physical
// parameters, a correction smoothed from what the curves leave unexplained, and the distribution
// of errors of rows that were left out of the fit. A prediction allocates no memory. A Profile
// does not change once it is made; goroutines may share it.
type Profile struct {
	hardware string
	device   Device
	basis    [classes]Basis
	from     [classes]Provenance
	timed    [classes]ranges // on the GPU that a class's curves are of

	gemm       *drawer[gemmModel]
	decode     *drawer[decodeModel]
	prefill    *drawer[prefillModel]
	recurrent  *drawer[recurrentModel]
	allReduce  *drawer[allReduceModel]
	mamba1     *drawer[scanModel]
	ssd        *drawer[scanModel]
	conv       *drawer[scanModel]
	unpacked   *drawer[unpackedModel]
	stream     *drawer[streamModel]
	mla        *drawer[mlaModel]
	collective *drawer[collectiveModel]
	rule       *drawer[scanModel]
}

// Provenance says what a class of a profile was fitted to and how well it predicts.
type Provenance struct {
	File    string `yaml:"file"`
	Source  string `yaml:"source"`
	Commit  string `yaml:"commit,omitempty"`
	Engine  string `yaml:"engine,omitempty"`
	License string `yaml:"license,omitempty"`
	Rows    int    `yaml:"rows"`

	// The next fields are errors on rows left out of the fit, as fractions.
	MAPE      float64 `yaml:"left_out_mape"`
	MedianAPE float64 `yaml:"left_out_median_ape"`
	P90APE    float64 `yaml:"left_out_p90_ape"`
	Folds     int     `yaml:"folds"`

	Timed Timed `yaml:"timed,omitempty"`
}

// document is a profile as its file has it.
type document struct {
	Hardware   string                `yaml:"hardware"`
	Device     Device                `yaml:"device"`
	Provenance map[string]Provenance `yaml:"provenance"`
	GEMM       *gemmModel            `yaml:"gemm,omitempty"`
	Decode     *decodeModel          `yaml:"decode_attention,omitempty"`
	Prefill    *prefillModel         `yaml:"prefill_attention,omitempty"`
	Recurrent  *recurrentModel       `yaml:"recurrent,omitempty"`
	AllReduce  *allReduceModel       `yaml:"allreduce,omitempty"`
	Mamba1     *scanModel            `yaml:"mamba1,omitempty"`
	SSD        *scanModel            `yaml:"ssd,omitempty"`
	Conv       *scanModel            `yaml:"conv,omitempty"`
	Unpacked   *unpackedModel        `yaml:"unpacked_attention,omitempty"`
	Stream     *streamModel          `yaml:"stream,omitempty"`
	MLA        *mlaModel             `yaml:"mla_decode,omitempty"`
	Collective *collectiveModel      `yaml:"collectives,omitempty"`
	Rule       *scanModel            `yaml:"delta_rule,omitempty"`
}

// newProfile returns a profile of a device without fitted curves.
func newProfile(name string, d Device) *Profile {
	return &Profile{
		hardware: name, device: d,
		gemm: filled(newGEMMModel()), decode: filled(newDecodeModel()), prefill: filled(newPrefillModel()),
		recurrent: filled(newRecurrentModel()), allReduce: filled(newAllReduceModel()),
		mamba1: filled(newScanModel(ClassMamba1)), ssd: filled(newScanModel(ClassSSD)), conv: filled(newScanModel(ClassConv)), unpacked: filled(newUnpackedModel()),
		stream: filled(newStreamModel()), mla: filled(newMLAModel()), collective: filled(newCollectiveModel()), rule: filled(newScanModel(ClassRule)),
	}
}

// New returns a profile of a device without fitted curves.
func New(hw *hardware.Profile) (*Profile, error) {
	p := newProfile(hw.Name, NewDevice(hw))
	if err := p.device.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", hw.Name, err)
	}
	return p, nil
}

// Unfit forgets what shapes a class was timed at, before it is fitted anew.
func (p *Profile) Unfit(c Class) { p.timed[c] = nil }

// SetFitted records that a class was fitted, and to what.
func (p *Profile) SetFitted(c Class, from Provenance) {
	from.Timed = c.Facts().spans().write(p.timed[c])
	p.from[c], p.basis[c] = from, Basis{Kind: Fitted}
}

// Hardware returns the name of the device for which the profile predicts.
func (p *Profile) Hardware() string { return p.hardware }

// Basis returns which measurements the predictions of a class rest on.
func (p *Profile) Basis(c Class) Basis { return p.basis[c] }

// MeasuredIn reports whether a number format was timed: for matrix products, that of the
// arithmetic; for decode or latent attention, that of the cache.
func (p *Profile) MeasuredIn(c Class, d precision.DType) bool {
	width := d.Bytes()
	switch c {
	case ClassGEMM:
		return (width == 1 || width == 2) && p.gemm.get().Measured[formatOf(d)]
	case ClassDecode:
		return (width == 1 || width == 2) && p.decode.get().Measured[formatOf(d)]
	case ClassMLA:
		return (width == 1 || width == 2) && p.mla.get().Measured[formatOf(d)]
	}
	return true
}

// Provenance returns what a class was fitted to; the zero value where it was not fitted.
func (p *Profile) Provenance(c Class) Provenance { return p.from[c] }

// GEMM predicts a matrix product.
func (p *Profile) GEMM(s GEMM) Estimate {
	m := p.gemm.get()
	return reach(m.Spread.estimate(p.GEMMSeconds(&s)).among(nil, 0, m.Measured[s.format()]), &gemmSpans, p.timed[ClassGEMM], s)
}

// GEMMSeconds returns the same time without bounds.
func (p *Profile) GEMMSeconds(s *GEMM) float64 {
	m := p.gemm.get()
	return m.physics(&p.device, s) * math.Exp(m.correct(s))
}

// DecodeAttention predicts one decode step of attention.
func (p *Profile) DecodeAttention(s DecodeAttention) Estimate {
	m := p.decode.get()
	return reach(m.Spread.estimate(p.DecodeSeconds(&s)).among(m.HeadDims, s.HeadDim, m.Measured[formatOf(s.KVDType)]), &decodeSpans, p.timed[ClassDecode], s)
}

// DecodeSeconds returns the same time without bounds.
func (p *Profile) DecodeSeconds(s *DecodeAttention) float64 {
	m := p.decode.get()
	t := m.physics(&p.device, s) * math.Exp(m.correct(s))
	if hides(s.Context, s.Window) {
		whole := *s
		whole.Window, whole.Seen = s.Context, s.Context
		t = min(t, hiding*m.physics(&p.device, &whole)*math.Exp(m.correct(&whole)))
	}
	return t
}

// PrefillAttention predicts causal attention over prompts.
func (p *Profile) PrefillAttention(s PrefillAttention) Estimate {
	m := p.prefill.get()
	return reach(m.Spread.estimate(p.PrefillSeconds(&s)).among(m.HeadDims, s.HeadDim, true), &prefillSpans, p.timed[ClassPrefill], s)
}

// PrefillSeconds returns the same time without bounds.
func (p *Profile) PrefillSeconds(s *PrefillAttention) float64 {
	m := p.prefill.get()
	t := m.physics(&p.device, s) * math.Exp(m.correct(s))
	if whole := *s; hides(s.Past+s.Prompt, s.Window) {
		whole.Window = s.Past + s.Prompt
		t = min(t, hiding*m.physics(&p.device, &whole)*math.Exp(m.correct(&whole)))
	}
	return t
}

// Recurrent predicts one call of a recurrent kernel.
func (p *Profile) Recurrent(s Recurrent) Estimate {
	return reach(p.recurrent.get().Spread.estimate(p.RecurrentSeconds(&s)), &deltaNetSpans, p.timed[ClassDeltaNet], s)
}

// RecurrentSeconds returns the same time without bounds.
func (p *Profile) RecurrentSeconds(s *Recurrent) float64 {
	m := p.recurrent.get()
	return m.physics(&p.device, s) * math.Exp(m.correct(s))
}

// AllReduce predicts one all-reduce. With one device, it takes no time.
func (p *Profile) AllReduce(s AllReduce) Estimate {
	if s.GPUs < 2 {
		return Estimate{}
	}
	m := p.allReduce.get()
	return reach(m.Spread.estimate(m.physics(&p.device, &s)*math.Exp(m.correct(&s))), &allReduceSpans, p.timed[ClassAllReduce], s)
}

func (s *Spread) estimate(seconds float64) Estimate {
	low, high := s.Bounds(seconds)
	return Estimate{seconds, low, high}
}

// WriteYAML writes the classes that were fitted, not those filled in from another GPU, so that
// ReadProfile can read them.
func (p *Profile) WriteYAML(w io.Writer) error {
	b, err := yaml.Marshal(p.document())
	if err != nil {
		return fmt.Errorf("writing profile: %w", err)
	}
	_, err = w.Write(b)
	return err
}

// document returns the classes that were fitted in the form of a file.
func (p *Profile) document() document {
	d := document{Hardware: p.hardware, Device: p.device, Provenance: map[string]Provenance{}}
	for c := range classes {
		if p.from[c].Rows == 0 {
			continue
		}
		d.Provenance[c.String()] = p.from[c]
		switch c {
		case ClassGEMM:
			d.GEMM = p.gemm.get()
		case ClassDecode:
			d.Decode = p.decode.get()
		case ClassPrefill:
			d.Prefill = p.prefill.get()
		case ClassDeltaNet:
			d.Recurrent = p.recurrent.get()
		case ClassAllReduce:
			d.AllReduce = p.allReduce.get()
		case ClassMamba1:
			d.Mamba1 = p.mamba1.get()
		case ClassSSD:
			d.SSD = p.ssd.get()
		case ClassConv:
			d.Conv = p.conv.get()
		case ClassUnpacked:
			d.Unpacked = p.unpacked.get()
		case ClassStream:
			d.Stream = p.stream.get()
		case ClassMLA:
			d.MLA = p.mla.get()
		case ClassCollective:
			d.Collective = p.collective.get()
		case ClassRule:
			d.Rule = p.rule.get()
		}
	}
	return d
}

// ReadProfile reads a profile from a file.
func ReadProfile(path string) (*Profile, error) {
	b, err := input.ReadYAML(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, b)
}

// Parse reads a profile. Classes that the file does not have are left unfitted. name is what
// errors call the file.
func Parse(name string, data []byte) (*Profile, error) {
	var d document
	if err := input.Decode(name, data, &d); err != nil {
		return nil, fmt.Errorf("%w: not a calibration profile", err)
	}
	p := newProfile(d.Hardware, d.Device)
	if err := p.device.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.provide(d.Provenance)
	set(p.gemm.get(), d.GEMM)
	set(p.decode.get(), d.Decode)
	set(p.prefill.get(), d.Prefill)
	set(p.recurrent.get(), d.Recurrent)
	set(p.allReduce.get(), d.AllReduce)
	set(p.mamba1.get(), d.Mamba1)
	set(p.ssd.get(), d.SSD)
	set(p.conv.get(), d.Conv)
	set(p.unpacked.get(), d.Unpacked)
	set(p.stream.get(), d.Stream)
	set(p.mla.get(), d.MLA)
	set(p.collective.get(), d.Collective)
	set(p.rule.get(), d.Rule)
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// provide records what classes were fitted to.
func (p *Profile) provide(by map[string]Provenance) {
	for c := range classes {
		if from, ok := by[c.String()]; ok {
			p.from[c], p.basis[c], p.timed[c] = from, Basis{Kind: Fitted}, c.Facts().spans().read(from.Timed)
		}
	}
}

func set[M any](to, from *M) {
	if from != nil {
		*to = *from
	}
}

// check returns an error for curves and tables with which no prediction would be possible.
func (p *Profile) check() error {
	fresh := newProfile("", p.device)
	check := []error{
		checkModel("gemm", p.gemm.get(), fresh.gemm.get()),
		checkModel("decode_attention", p.decode.get(), fresh.decode.get()),
		checkModel("prefill_attention", p.prefill.get(), fresh.prefill.get()),
		checkModel("recurrent", p.recurrent.get(), fresh.recurrent.get()),
		checkModel("allreduce", p.allReduce.get(), fresh.allReduce.get()),
		checkModel("mamba1", scanOf{p.mamba1.get(), ClassMamba1}, scanOf{fresh.mamba1.get(), ClassMamba1}),
		checkModel("ssd", scanOf{p.ssd.get(), ClassSSD}, scanOf{fresh.ssd.get(), ClassSSD}),
		checkModel("conv", scanOf{p.conv.get(), ClassConv}, scanOf{fresh.conv.get(), ClassConv}),
		checkModel("unpacked_attention", p.unpackedOn(), fresh.unpackedOn()),
		checkModel("stream", p.stream.get(), fresh.stream.get()),
		checkModel("mla_decode", p.mla.get(), fresh.mla.get()),
		checkModel("collectives", p.collective.get(), fresh.collective.get()),
		checkModel("delta_rule", scanOf{p.rule.get(), ClassRule}, scanOf{fresh.rule.get(), ClassRule}),
	}
	for _, err := range check {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkModel[S any](name string, m, want model[S]) error {
	for c := range m.curves() {
		for _, v := range m.params(c) {
			if !(*v.Value > 0 && *v.Value < 1e30) {
				return fmt.Errorf("%s: curve %d has a parameter %g, want positive", name, c, *v.Value)
			}
		}
	}
	for i := range m.corrections() {
		if got, want := m.corrections()[i].Slices, want.corrections()[i].Slices; got != want {
			return fmt.Errorf("%s: correction %d has %d slices, want %d", name, i, got, want)
		}
	}
	s := m.errors()
	if len(s.Low) != len(s.High) {
		return fmt.Errorf("%s: spread has %d low and %d high bounds", name, len(s.Low), len(s.High))
	}
	for i := range s.Low {
		if !(s.Low[i] > 0 && s.Low[i] <= 1 && s.High[i] >= 1 && s.High[i] < 1e6) {
			return fmt.Errorf("%s: spread bin %d is %g to %g, want around 1", name, i, s.Low[i], s.High[i])
		}
	}
	return nil
}
