package kernels

import (
	"fmt"
	"hash/fnv"
	"math"
	"strings"

	"github.com/OWNER/ridgeline/arch"
)

// Tensor is one tensor of parameters of a model and its name there:
//
//	embed [vocab, width], final_norm, lm_head [vocab, width] unless tied, lm_head_bias
//	positions [positions, width], embed_norm where there are any
//	layers.N.mixer_norm, .mixer_post_norm, .ffn_norm, .ffn_post_norm as the layer's block
//	has them (each with a _bias where LayerNorm)
//	layer_embed and what else arch.Model.OuterWeights and LayerWeights list
//	layers.N.mixer.NAME, layers.N.ffn.NAME as the mixer and FFN name them; experts of
//	one name lie one behind the other
type Tensor struct {
	Name  string
	Shape []int // experts of one name come first, as a dimension of Copies
}

// Elements is the number of parameters in t.
func (t Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Tensors lists the parameters of a model.
func Tensors(m *arch.Model) []Tensor {
	var out []Tensor
	add := func(name string, shape ...int) { out = append(out, Tensor{name, shape}) }
	normed := func(name string) {
		if m.Norm.Vectors() > 0 {
			add(name, m.Width)
		}
		if m.Norm.Bias() {
			add(name+"_bias", m.Width)
		}
	}
	all := func(prefix string, ws []arch.Weight) {
		for _, w := range ws {
			shape := w.Shape
			if w.Copies > 0 {
				shape = append([]int{w.Copies}, shape...)
			}
			add(prefix+w.Name, shape...)
		}
	}
	add("embed", m.Vocab, m.Width)
	if m.Positions > 0 {
		add("positions", m.Positions, m.Width)
	}
	if m.EmbedNorm {
		normed("embed_norm")
	}
	if w, ok := m.LayerEmbedding(); ok {
		all("", []arch.Weight{w})
	}
	all("", m.OuterWeights())
	for i, l := range m.Layers {
		p := fmt.Sprintf("layers.%d.", i)
		mixer, ffn := l.Block.Before()
		part := func(there, before bool, name string) {
			if there && before {
				normed(p + name + "_norm")
			}
			if there && l.Block.After() {
				normed(p + name + "_post_norm")
			}
		}
		part(l.Mixer != nil, mixer, "mixer")
		if l.Mixer != nil {
			all(p+"mixer.", l.Mixer.Weights(m.Width))
		}
		part(l.FFN != nil, ffn, "ffn")
		if l.FFN != nil {
			all(p+"ffn.", l.FFN.Weights(m.Width))
		}
		all(p, m.LayerWeights())
	}
	normed("final_norm")
	if !m.Tied {
		add("lm_head", m.Vocab, m.Width)
	}
	if m.HeadBias {
		add("lm_head_bias", m.Vocab)
	}
	return out
}

// loadWeights takes every tensor from given, or draws it where given is nil.
func loadWeights(tensors []Tensor, given map[string][]float32, seed uint64) (map[string][]float32, error) {
	all := make(map[string][]float32, len(tensors))
	for _, t := range tensors {
		n := t.Elements()
		if given == nil {
			all[t.Name] = draw(t, seed)
			continue
		}
		w, ok := given[t.Name]
		if !ok {
			return nil, fmt.Errorf("kernels: weight %s %v is missing", t.Name, t.Shape)
		}
		if len(w) != n {
			return nil, fmt.Errorf("kernels: weight %s has %d elements, %v needs %d", t.Name, len(w), t.Shape, n)
		}
		all[t.Name] = w
	}
	return all, nil
}

// foldResidualScale multiplies what layers add to the residual stream by a factor, in the
// weights of the maps that add it; 0 and 1 leave them.
func foldResidualScale(w map[string][]float32, f float32) {
	if f == 0 || f == 1 {
		return
	}
	for name, v := range w {
		at := strings.LastIndexByte(name, '.')
		if at < 0 {
			continue
		}
		switch name[at+1:] {
		case "out", "out_bias", "down", "down_bias", "shared_down":
			scaled := make([]float32, len(v))
			for i := range v {
				scaled[i] = f * v[i]
			}
			w[name] = scaled
		}
	}
}

// draw makes random values of the size that trained ones have: matrices uniform with
// variance 1/fan_in, norms near 1, decay rates 1…n (Mamba's A = −n), time step biases
// that give Δ from 0.001 to 0.1.
func draw(t Tensor, seed uint64) []float32 {
	h := fnv.New64a()
	h.Write([]byte(t.Name))
	rng := stream(seed ^ h.Sum64())
	w := make([]float32, t.Elements())
	name := t.Name[strings.LastIndexByte(t.Name, '.')+1:]
	last := t.Shape[len(t.Shape)-1]
	switch {
	case name == "a_log":
		for i := range w {
			if len(t.Shape) == 2 {
				w[i] = float32(math.Log(float64(i%last + 1)))
			} else {
				w[i] = float32(math.Log(1 + 15*rng.unit()))
			}
		}
	case name == "dt_bias":
		for i := range w {
			dt := math.Exp(math.Log(0.001) + rng.unit()*math.Log(100))
			w[i] = float32(dt + math.Log(-math.Expm1(-dt)))
		}
	case strings.HasSuffix(name, "norm") || name == "inner_norms" || name == "d":
		for i := range w {
			w[i] = float32(0.9 + 0.2*rng.unit())
		}
	case name == "lambda" || len(t.Shape) == 1:
		for i := range w {
			w[i] = float32(0.2*rng.unit() - 0.1)
		}
	case name == "embed" || name == "layer_embed":
		for i := range w {
			w[i] = float32(2*rng.unit() - 1)
		}
	default:
		a := math.Sqrt(3 / float64(last))
		for i := range w {
			w[i] = float32(a * (2*rng.unit() - 1))
		}
	}
	return w
}

// stream is splitmix64 (Steele, Lea, Flood 2014).
type stream uint64

func (s *stream) unit() float64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}
