package scaling

import (
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
)

// Speed is a training speed the paper measured: million tokens a second on 64 A100-80GB,
// ~1B models, sequences of 32K.
type Speed struct {
	Table string // of the paper
	Spec  string
	MTok  float64

	Fitted bool // one of the two rows the constants are solved from
}

// SpeedSequence is the training sequence of the paper's speeds.
const SpeedSequence = 32768

// SpeedDevices is the number of A100-80GB the paper trained on.
const SpeedDevices = 64

// PaperSpeeds are the speeds of the paper's tables 2 and 5.
func PaperSpeeds() []Speed {
	row := func(table, spec string, mtok float64) Speed { return Speed{Table: table, Spec: spec, MTok: mtok} }
	speeds := []Speed{
		row("2", "transformer++(d=16)", 0.89), row("2", "transformer-ls(d=16,window=256)", 1.46),
		row("2", "swa+yoco(d=16,window=128)", 1.24), row("2", "samba+yoco(d=16,window=1024)", 0.99),
		row("2", "sambay(d=16,window=256)", 1.11), row("2", "sambay+da(d=16,window=512)", 0.91),
		row("5", "sambay(d=16,window=128)", 1.10), row("5", "mambay(d=16)", 0.94),
		row("5", "sambay-2(d=16,window=128)", 1.43), row("5", "mambay-2(d=16)", 1.38),
		row("5", "s-gdny(d=16,window=128)", 1.34), row("5", "gdny(d=16)", 1.22),
		row("5", "sambay-a(d=16,window=128)", 1.11), row("5", "sambay-aa(d=16,window=128)", 1.25),
		row("5", "sambay-mlp(d=16,window=128)", 1.15),
	}
	for i := range speeds {
		s := &speeds[i]
		s.Fitted = s.Table == "5" && (s.Spec == "sambay(d=16,window=128)" || s.Spec == "sambay-2(d=16,window=128)")
	}
	return speeds
}

// Constants of a time model of training on one A100-80GB, solved from two rows of the
// paper's table 5 that differ in the recurrence alone, sambay (1.10) and sambay-2 (1.43):
//
//	seconds a token = FLOPs / (MatrixUtilisation·312e12) + ScanSeconds·elements
//
// elements are Σ d_inner·d_state over the Mamba-1 layers, forward and backward together:
// that scan runs position by position on the vector units. The recurrences of Mamba-2
// and Gated DeltaNet are trained in chunks, as matrix products, and are in FLOPs.
const (
	MatrixUtilisation = 0.576
	ScanSeconds       = 42.2e-12
)

// ScanElements is Σ d_inner·d_state over the Mamba-1 layers of a model.
func ScanElements(m *arch.Model) float64 {
	n := 0.0
	for _, s := range arch.Each[arch.Mamba1](m) {
		n += float64(s.DInner) * float64(s.DState)
	}
	return n
}

// SpeedCheck is a measured speed beside what three models of it say, in million tokens a
// second on 64 devices.
type SpeedCheck struct {
	Speed
	FLOPs    float64 // of a token, forward and backward
	ByFLOPs  float64 // FLOPs at MatrixUtilisation
	Roofline float64
	WithScan float64 // FLOPs at MatrixUtilisation and the scan's own time
}

// CheckSpeeds prices the models of the paper's speeds on the device, an A100-80GB.
func CheckSpeeds(hw *hardware.Profile) ([]SpeedCheck, error) {
	peak, err := Peak(hw, precision.BF16)
	if err != nil {
		return nil, err
	}
	var out []SpeedCheck
	for _, s := range PaperSpeeds() {
		m, err := family.ParseSpec(s.Spec)
		if err != nil {
			return nil, err
		}
		t, err := NewTraining(m, SpeedSequence)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Spec, err)
		}
		roof, err := t.RooflineSeconds(hw, precision.BF16)
		if err != nil {
			return nil, err
		}
		flops := t.Total() / (MatrixUtilisation * peak)
		speed := func(seconds float64) float64 { return SpeedDevices / seconds / 1e6 }
		out = append(out, SpeedCheck{Speed: s, FLOPs: t.Total(), ByFLOPs: speed(flops), Roofline: speed(roof),
			WithScan: speed(flops + ScanSeconds*ScanElements(m))})
	}
	return out, nil
}

// RankCorrelation is Spearman's ρ: Pearson's correlation of the ranks, equal values
// sharing their mean rank.
func RankCorrelation(x, y []float64) float64 {
	return stat.Correlation(ranks(x), ranks(y), nil)
}

func ranks(x []float64) []float64 {
	at := make([]int, len(x))
	for i := range at {
		at[i] = i
	}
	slices.SortFunc(at, func(i, j int) int {
		switch {
		case x[i] < x[j]:
			return -1
		case x[i] > x[j]:
			return 1
		}
		return 0
	})
	r := make([]float64, len(x))
	for i := 0; i < len(at); {
		j := i
		for j < len(at) && x[at[j]] == x[at[i]] {
			j++
		}
		for k := i; k < j; k++ {
			r[at[k]] = float64(i+j+1) / 2
		}
		i = j
	}
	return r
}

// WithScan is the tokens per second of a run once the Mamba-1 scans take the time they
// took in the paper's runs. ok is false for models without one and for devices other
// than A100, to which the figure does not carry over.
func WithScan(t *Training, r Run, hw *hardware.Profile) (speed float64, ok bool) {
	n := ScanElements(t.Model)
	if n == 0 || !strings.HasPrefix(hw.Name, "a100") {
		return 0, false
	}
	devices := float64(r.Devices)
	return devices / (devices/r.TokensPerSecond + ScanSeconds*n), true
}
