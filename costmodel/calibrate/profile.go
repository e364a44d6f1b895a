package calibrate

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/goccy/go-yaml"

	"ridgeline/internal/input"
	"ridgeline/precision"
)

// Profile is one GPU's fitted efficiency: curves with physical parameters for each
// class of operation, a correction smoothed from what they leave unexplained, and the
// spread of left-out errors. Predicting from it allocates nothing. A Profile is not
// changed once made and may be shared.
type Profile struct {
	hardware string
	device   device
	basis    [classes]Basis
	from     [classes]Provenance

	gemm      gemmModel
	decode    decodeModel
	prefill   prefillModel
	recurrent recurrentModel
	allReduce allReduceModel
}

// Provenance says what a class of a profile was fitted from and how well it does.
type Provenance struct {
	File    string `yaml:"file"`
	Source  string `yaml:"source"`
	Commit  string `yaml:"commit,omitempty"`
	Engine  string `yaml:"engine,omitempty"`
	License string `yaml:"license,omitempty"`
	Rows    int    `yaml:"rows"`

	// Errors on rows left out of the fit, as fractions.
	MAPE      float64 `yaml:"left_out_mape"`
	MedianAPE float64 `yaml:"left_out_median_ape"`
	P90APE    float64 `yaml:"left_out_p90_ape"`
	Folds     int     `yaml:"folds"`
}

// document is a profile's file.
type document struct {
	Hardware   string                `yaml:"hardware"`
	Device     device                `yaml:"device"`
	Provenance map[string]Provenance `yaml:"provenance"`
	GEMM       *gemmModel            `yaml:"gemm,omitempty"`
	Decode     *decodeModel          `yaml:"decode_attention,omitempty"`
	Prefill    *prefillModel         `yaml:"prefill_attention,omitempty"`
	Recurrent  *recurrentModel       `yaml:"recurrent,omitempty"`
	AllReduce  *allReduceModel       `yaml:"allreduce,omitempty"`
}

// newProfile returns unfitted curves on a device.
func newProfile(name string, d device) *Profile {
	return &Profile{
		hardware: name, device: d,
		gemm: newGEMMModel(), decode: newDecodeModel(), prefill: newPrefillModel(),
		recurrent: newRecurrentModel(), allReduce: newAllReduceModel(),
	}
}

// Hardware returns the name of the hardware profile predicted for.
func (p *Profile) Hardware() string { return p.hardware }

// Basis returns what predictions of a class rest on.
func (p *Profile) Basis(c Class) Basis { return p.basis[c] }

// MeasuredIn reports whether the timings behind matrix products or decode attention have
// a number format: of the arithmetic, of the cache.
func (p *Profile) MeasuredIn(c Class, d precision.DType) bool {
	width := d.Bytes()
	switch c {
	case ClassGEMM:
		return (width == 1 || width == 2) && p.gemm.Measured[formatOf(d)]
	case ClassDecode:
		return (width == 1 || width == 2) && p.decode.Measured[formatOf(d)]
	}
	return true
}

// Provenance returns what a class was fitted from; the zero value where nothing was.
func (p *Profile) Provenance(c Class) Provenance { return p.from[c] }

// GEMM predicts a matrix product.
func (p *Profile) GEMM(s GEMM) Estimate {
	return p.gemm.Spread.estimate(p.GEMMSeconds(&s)).among(nil, 0, p.gemm.Measured[s.format()])
}

// GEMMSeconds is GEMM without bounds.
func (p *Profile) GEMMSeconds(s *GEMM) float64 {
	return p.gemm.physics(&p.device, s) * math.Exp(p.gemm.correct(s))
}

// DecodeAttention predicts one decode step of attention.
func (p *Profile) DecodeAttention(s DecodeAttention) Estimate {
	return p.decode.Spread.estimate(p.DecodeSeconds(&s)).among(p.decode.HeadDims, s.HeadDim, p.decode.Measured[formatOf(s.KVDType)])
}

// DecodeSeconds is DecodeAttention without bounds.
func (p *Profile) DecodeSeconds(s *DecodeAttention) float64 {
	return p.decode.physics(&p.device, s) * math.Exp(p.decode.correct(s))
}

// PrefillAttention predicts causal attention over prompts.
func (p *Profile) PrefillAttention(s PrefillAttention) Estimate {
	return p.prefill.Spread.estimate(p.PrefillSeconds(&s)).among(p.prefill.HeadDims, s.HeadDim, true)
}

// PrefillSeconds is PrefillAttention without bounds.
func (p *Profile) PrefillSeconds(s *PrefillAttention) float64 {
	return p.prefill.physics(&p.device, s) * math.Exp(p.prefill.correct(s))
}

// Recurrent predicts one call of a recurrent kernel.
func (p *Profile) Recurrent(s Recurrent) Estimate {
	return p.recurrent.Spread.estimate(p.RecurrentSeconds(&s))
}

// RecurrentSeconds is Recurrent without bounds.
func (p *Profile) RecurrentSeconds(s *Recurrent) float64 {
	return p.recurrent.physics(&p.device, s) * math.Exp(p.recurrent.correct(s))
}

// AllReduce predicts one all-reduce; over one device it is nothing.
func (p *Profile) AllReduce(s AllReduce) Estimate {
	if s.GPUs < 2 {
		return Estimate{}
	}
	return p.allReduce.Spread.estimate(p.allReduce.physics(&p.device, &s) * math.Exp(p.allReduce.correct(&s)))
}

// Stream predicts a kernel that only streams: norms, activations, rotary, embedding. None
// were measured: it costs what a launch costs the engine, and its bytes at the bandwidth
// that large matrix products reach,
//
//	t = launch + bytes / (bandwidth_fraction · BW)
func (p *Profile) Stream(bytes, launch float64) Estimate {
	t := p.StreamSeconds(bytes, launch)
	return Estimate{t, t * streamLow, t * streamHigh}
}

// StreamSeconds is Stream without bounds.
func (p *Profile) StreamSeconds(bytes, launch float64) float64 {
	return launch + bytes/(p.gemm.Curves[0].Bandwidth*p.device.Bandwidth)
}

// Streaming kernels are unmeasured; a third either way is our guess, not a figure.
const (
	streamLow  = 0.67
	streamHigh = 1.5
)

func (s *spread) estimate(seconds float64) Estimate {
	low, high := s.bounds(seconds)
	return Estimate{seconds, low, high}
}

// WriteYAML writes the profile as Read reads it: the classes that were fitted, not
// those a relative fills in.
func (p *Profile) WriteYAML(w io.Writer) error {
	d := document{Hardware: p.hardware, Device: p.device, Provenance: map[string]Provenance{}}
	for c := range classes {
		if p.from[c].Rows == 0 {
			continue
		}
		d.Provenance[c.String()] = p.from[c]
		switch c {
		case ClassGEMM:
			d.GEMM = &p.gemm
		case ClassDecode:
			d.Decode = &p.decode
		case ClassPrefill:
			d.Prefill = &p.prefill
		case ClassDeltaNet, ClassMamba2:
			d.Recurrent = &p.recurrent
		case ClassAllReduce:
			d.AllReduce = &p.allReduce
		}
	}
	b, err := yaml.Marshal(d)
	if err != nil {
		return fmt.Errorf("writing profile: %w", err)
	}
	_, err = w.Write(b)
	return err
}

// ReadProfile reads a profile file.
func ReadProfile(path string) (*Profile, error) {
	b, err := input.ReadYAML(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, b)
}

// Parse reads a profile. Classes it does not hold are unfitted and say so. name is what
// errors call the file.
func Parse(name string, data []byte) (*Profile, error) {
	if err := input.CheckYAML(name, data); err != nil {
		return nil, err
	}
	var d document
	if err := yaml.UnmarshalWithOptions(data, &d, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: not a calibration profile: %s", name, strings.Join(strings.Fields(yaml.FormatError(err, false, false)), " "))
	}
	p := newProfile(d.Hardware, d.Device)
	if err := p.device.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for c := range classes {
		from, ok := d.Provenance[c.String()]
		if !ok {
			continue
		}
		p.from[c] = from
		p.basis[c] = Basis{Kind: Fitted}
	}
	set(&p.gemm, d.GEMM)
	set(&p.decode, d.Decode)
	set(&p.prefill, d.Prefill)
	set(&p.recurrent, d.Recurrent)
	set(&p.allReduce, d.AllReduce)
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func set[M any](to, from *M) {
	if from != nil {
		*to = *from
	}
}

// check refuses curves and tables that could not be asked.
func (p *Profile) check() error {
	fresh := newProfile("", p.device)
	check := []error{
		checkModel("gemm", &p.gemm, &fresh.gemm),
		checkModel("decode_attention", &p.decode, &fresh.decode),
		checkModel("prefill_attention", &p.prefill, &fresh.prefill),
		checkModel("recurrent", &p.recurrent, &fresh.recurrent),
		checkModel("allreduce", &p.allReduce, &fresh.allReduce),
	}
	for _, err := range check {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkModel[S any](name string, m, want fitted[S]) error {
	for c := range m.curves() {
		for _, v := range m.params(c) {
			if !(*v.value > 0 && *v.value < 1e30) {
				return fmt.Errorf("%s: curve %d has a parameter %g, want positive", name, c, *v.value)
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
