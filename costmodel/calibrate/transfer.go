package calibrate

import (
	"ridgeline/hardware"
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

// transfer asks a fitted profile's curves about another device. Its corrections come
// along when keep is set; its intervals are widened.
func (p *Profile) transfer(name string, d device, keep bool, widen float64) *Profile {
	q := *p
	q.hardware, q.device = name, d
	for c := range classes {
		if q.basis[c].Kind == Fitted {
			q.basis[c] = Basis{Transferred, p.hardware}
		}
		q.from[c] = Provenance{}
	}
	q.gemm.Spread = p.gemm.Spread.widen(widen)
	q.decode.Spread = p.decode.Spread.widen(widen)
	q.prefill.Spread = p.prefill.Spread.widen(widen)
	q.recurrent.Spread = p.recurrent.Spread.widen(widen)
	q.allReduce.Spread = p.allReduce.Spread.widen(widen)
	if !keep {
		clear(q.gemm.Corrections[:])
		clear(q.decode.Corrections[:])
		clear(q.prefill.Corrections[:])
		clear(q.recurrent.Corrections[:])
		clear(q.allReduce.Corrections[:])
	}
	return &q
}

var _ = hardware.Profile{}
