package scaling

import (
	"errors"
	"fmt"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
)

// Measure is what two models are made equal in.
type Measure uint8

// The measures.
const (
	// CountingForm is the paper's approximate non-embedding count (appendix A).
	CountingForm Measure = iota
	// Params is the exact count, embedding included.
	Params
	// TrainFLOPs is the arithmetic of training on one token, forward and backward; with
	// Setting.Chinchilla, of training on as many tokens as are optimal for the size.
	TrainFLOPs
	// DecodeBytes is what generating one token moves, all devices counted.
	DecodeBytes
	// Throughput is decoded tokens per second.
	Throughput
)

var measureNames = []string{"counting-form", "params", "train-flops", "decode-bytes", "throughput"}

func (m Measure) String() string { return measureNames[m] }

// Unit is the unit of the measure, "" for a count.
func (m Measure) Unit() string { return [...]string{"", "", "FLOPs", "B", "tok/s"}[m] }

// Measures lists the names of the measures.
func Measures() []string { return append([]string(nil), measureNames...) }

// ParseMeasure reads a name of Measures.
func ParseMeasure(s string) (Measure, error) {
	i, err := parse("by", s, measureNames)
	return Measure(i), err
}

// Setting is what a model is measured in, and where.
type Setting struct {
	By Measure

	// TrainFLOPs.
	Sequence   int
	Chinchilla bool

	// DecodeBytes and Throughput. Batch 0 is the largest that fits.
	Hardware *hardware.Profile
	Options  costmodel.Options
	Fidelity costmodel.Fidelity
	Load     costmodel.Workload
}

// Value is the measure of a model.
func (s *Setting) Value(m *arch.Model) (float64, error) {
	switch s.By {
	case CountingForm:
		if n := Form(m); n > 0 {
			return n, nil
		}
		return 0, fmt.Errorf("%s has no counting form: the paper gives it for its families in its own proportions (match by params)", m.Name)
	case Params:
		return float64(m.Params().Total), nil
	case TrainFLOPs:
		t, err := NewTraining(m, s.Sequence)
		if err != nil {
			return 0, err
		}
		if s.Chinchilla {
			return t.Total() * Optimal(m), nil
		}
		return t.Total(), nil
	case DecodeBytes, Throughput:
		c, err := costmodel.Compile(m, s.Hardware, s.Options)
		if err != nil {
			return 0, err
		}
		w, fits := c.Fill(s.Load)
		if s.Load.Batch == 0 && !fits {
			return 0, fmt.Errorf("%s: not even one sequence fits %s", m.Name, s.Hardware.Name)
		}
		e, err := c.Estimate(s.Fidelity, w)
		if err != nil {
			return 0, err
		}
		if s.By == DecodeBytes {
			return e.Decode.BytesPerToken, nil
		}
		return e.Decode.TokensPerSecond, nil
	}
	return 0, errors.New("unknown measure")
}

// cost is the measure as something that grows with the model: throughput turns into
// seconds per token.
func (s *Setting) cost(m *arch.Model) (float64, error) {
	v, err := s.Value(m)
	if s.By == Throughput && err == nil {
		return 1 / v, nil
	}
	return v, err
}

// Form is the counting form of a model, 0 where its proportions are not the paper's. To
// samba the paper gives none: see family.SambaForm.
func Form(m *arch.Model) float64 {
	if m.CountingForm > 0 || m.Family != "samba" {
		return float64(m.CountingForm)
	}
	return family.SambaForm(m)
}
