package checkpoint

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// onePlus is the weight of a norm whose modelling code multiplies by 1 + weight.
func onePlus(parts []Tensor) []float32 {
	d := make([]float32, len(parts[0].Data))
	for i, v := range parts[0].Data {
		d[i] = 1 + v
	}
	return d
}

func onePlusNorms(s scheme, names ...string) scheme {
	change := map[string]entry{}
	for _, n := range names {
		change[n] = joined(plain(onePlus), s.names[n].tensors...)
	}
	return s.with(change)
}

// routerNorm is the weight of a router's norm, whose result the modelling code divides by the
// root of the width.
func routerNorm(p place) joiner {
	return times(1 / math.Sqrt(float64(p.m.Width)))
}

// residualFactor folds the factor of what a part adds to the stream into its last map.
func residualFactor(p place) joiner {
	n := p.m.Numerics
	switch {
	case p.mixer == nil:
		return times(orOne(n.FFNScale))
	case arch.Recurrent(p.mixer):
		return times(orOne(n.LinearScale))
	}
	return times(orOne(n.FullScale))
}

// streamNorm is the weight of the norm in front of a router of streams, whose result the
// modelling code divides by the width.
func streamNorm(p place) joiner { return times(1 / float64(p.m.Width)) }

// partScale folds a factor of arch.PartScales into the map it stands behind.
func partScale(of func(arch.PartScales) float64) func(place) joiner {
	return func(p place) joiner { return times(orOne(of(p.m.Numerics.Parts))) }
}

func attentionOut(s arch.PartScales) float64 { return s.AttentionOut }
func ssmOut(s arch.PartScales) float64       { return s.SSMOut }
func mlpDown(s arch.PartScales) float64      { return s.Down }

// keyScale folds the factor of the input into queries, keys and values (not into biases), and
// that of the keys into theirs.
func keyScale(input bool) func(place) joiner {
	return func(p place) joiner {
		s, in := p.m.Numerics.Parts, 1.0
		if input {
			in = orOne(s.AttentionIn)
		}
		return eachTimes(in, in*orOne(s.Key), in)
	}
}

// gateScale folds the factor of a gate into it.
func gateScale(p place) joiner { return eachTimes(orOne(p.m.Numerics.Parts.Gate), 1) }

// ssmScale folds the factors of what Mamba-2's first map makes into its rows, and that of its
// input too (not into biases).
func ssmScale(input bool) func(place) joiner {
	return func(p place) joiner {
		m, s := mixerOf[arch.Mamba2](p), p.m.Numerics.Parts
		inner, states := m.DInner(), m.Groups*m.DState
		ends := []int{inner, 2 * inner, 2*inner + states, 2*inner + 2*states, 2*inner + 2*states + m.Heads}
		return func(parts []Tensor) []float32 {
			t := parts[0]
			d := make([]float32, len(t.Data))
			cols, at := len(t.Data)/t.Shape[0], 0
			for i, end := range ends {
				f := orOne(s.SSM[i])
				if input {
					f *= orOne(s.SSMIn)
				}
				for ; at < end*cols; at++ {
					d[at] = t.Data[at] * float32(f)
				}
			}
			return d
		}
	}
}

func orOne(f float64) float64 {
	if f == 0 {
		return 1
	}
	return f
}

// eachTimes lays tensors one behind the other, each times a factor of its own.
func eachTimes(f ...float64) joiner {
	return func(parts []Tensor) []float32 {
		all := make([]Tensor, len(parts))
		for i, t := range parts {
			all[i] = Tensor{Data: times(f[i])([]Tensor{t})}
		}
		return rows(all)
	}
}

func times(f float64) joiner {
	return func(parts []Tensor) []float32 {
		d := make([]float32, len(parts[0].Data))
		for i, v := range parts[0].Data {
			d[i] = v * float32(f)
		}
		return d
	}
}
