package checkpoint

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// onePlus makes the weight of a norm whose modelling code multiplies by 1 + weight.
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

// routerNorm makes the weight of a router's norm, the result of which the modelling code divides
// by the square root of the width.
func routerNorm(p place) joiner {
	return times(1 / math.Sqrt(float64(p.m.Width)))
}

// residualFactor multiplies the factor on what a part adds to the stream into the part's last
// map.
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

// streamNorm makes the weight of the norm before a router of streams, the result of which the
// modelling code divides by the width.
func streamNorm(p place) joiner { return times(1 / float64(p.m.Width)) }

// partScale multiplies a factor of arch.PartScales into the map whose output it scales.
func partScale(of func(arch.PartScales) float64) func(place) joiner {
	return func(p place) joiner { return times(orOne(of(p.m.Numerics.Parts))) }
}

func attentionOut(s arch.PartScales) float64 { return s.AttentionOut }
func ssmOut(s arch.PartScales) float64       { return s.SSMOut }
func mlpDown(s arch.PartScales) float64      { return s.Down }

// keyScale multiplies the factor on the input into queries, keys and values (not into biases),
// and the factor on keys into the keys.
func keyScale(input bool) func(place) joiner {
	return func(p place) joiner {
		s, in := p.m.Numerics.Parts, 1.0
		if input {
			in = orOne(s.AttentionIn)
		}
		return eachTimes(in, in*orOne(s.Key), in)
	}
}

// gateScale multiplies the factor on a gate into the gate's map.
func gateScale(p place) joiner { return eachTimes(orOne(p.m.Numerics.Parts.Gate), 1) }

// ssmScale multiplies the factors on the outputs of Mamba-2's first map into its rows, and
// likewise the factor on its input (not into biases).
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

// eachTimes puts tensors one after the other, each multiplied by a factor of its own.
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
