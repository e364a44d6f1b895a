package advise

import (
	"fmt"
	"reflect"
	"strings"

	"ridgeline/arch"
)

// owners lists the layers that store a cache that grows with the context.
func owners(m *arch.Model) []int {
	var out []int
	for i, l := range m.Layers {
		if a := attention(l.Mixer); a != nil && !a.Cross() && a.Window == 0 {
			out = append(out, i)
		}
	}
	return out
}

// attention is the attention of a mixer, nil if it has none.
func attention(m arch.Mixer) *arch.Attention {
	for _, p := range arch.Parts(m) {
		if a, ok := p.(*arch.Attention); ok {
			return a
		}
	}
	return nil
}

// gmus lists the GMU layers.
func gmus(m *arch.Model) (layers []int, units []*arch.GMU) {
	for i, l := range m.Layers {
		if g, ok := l.Mixer.(*arch.GMU); ok {
			layers, units = append(layers, i), append(units, g)
		}
	}
	return layers, units
}

func recurrent(m arch.Mixer) bool {
	for _, p := range arch.Parts(m) {
		switch p.(type) {
		case *arch.Mamba1, *arch.Mamba2, *arch.GatedDeltaNet:
			return true
		}
	}
	return false
}

// crossFrom is the first layer of the cross-decoder, 0 where there is none.
func crossFrom(m *arch.Model) int {
	for i, l := range m.Layers {
		switch x := l.Mixer.(type) {
		case *arch.GMU:
			return i
		case *arch.Attention:
			if x.Cross() {
				return i
			}
		}
	}
	return 0
}

// pattern is the attention whose shape others take: a cache owner's, else any.
func pattern(m *arch.Model) *arch.Attention {
	if o := owners(m); len(o) > 0 {
		return attention(m.Layers[o[len(o)-1]].Mixer)
	}
	for _, l := range m.Layers {
		if a := attention(l.Mixer); a != nil {
			return a
		}
	}
	return nil
}

// fullAttention is the model with full attention in every mixer's place, of the shape its
// own attention has, or of head dim 128 with four query heads to a kv head.
func fullAttention(m *arch.Model) *arch.Model {
	t := m.Clone()
	t.Name, t.Family, t.CountingForm = m.Name+" with full attention", "", 0
	a := pattern(m)
	if a == nil {
		heads := max(m.Width/128, 1)
		a = &arch.Attention{Heads: heads, KVHeads: heads, HeadDim: max(m.Width/heads, 1)}
		if heads%4 == 0 {
			a.KVHeads = heads / 4
		}
	}
	for i := range t.Layers {
		if t.Layers[i].Mixer == nil {
			continue
		}
		x := *a
		x.Window, x.KVSource = 0, 0
		t.Layers[i].Mixer = &x
	}
	return t
}

// hybrid turns a Transformer into a SambaY of its own depth, width, attention and FFNs, as
// the released model is laid out (paper §2): (mamba swa)*d/4 mamba full (gmu cross)*(d/4−1).
func hybrid(m *arch.Model) (*arch.Model, error) {
	d := len(m.Layers)
	if d < 8 || d%4 != 0 {
		return nil, fmt.Errorf("%d layers do not halve into pairs", d)
	}
	for _, l := range m.Layers {
		if a, ok := l.Mixer.(*arch.Attention); !ok || a.Cross() {
			return nil, fmt.Errorf("not attention throughout")
		}
	}
	h := m.Clone()
	h.Name, h.Family, h.CountingForm = m.Name+"-sambay", "", 0
	shape := *pattern(m)
	shape.Window, shape.DeclaredWindow = 0, 0
	memory, owner := d/2, d/2+1
	mamba := arch.Mamba1{DInner: 2 * m.Width, DState: 16, DConv: 4, DtRank: (m.Width + 15) / 16, ConvBias: true}
	for i := range h.Layers {
		a := shape
		switch {
		case i == owner:
		case i > owner:
			a.KVSource = arch.To(owner)
		case i%2 == 0:
			x := mamba
			h.Layers[i].Mixer = &x
			continue
		default:
			a.Window = recommendedWindow
		}
		h.Layers[i].Mixer = &a
	}
	for i := owner + 1; i < d; i += 2 {
		h.Layers[i].Mixer = &arch.GMU{Memory: arch.To(memory), From: arch.ScanMemory, DMem: mamba.DInner}
	}
	return h, h.Check()
}

// shareCache makes the full-attention layers behind the first owner in the second half read
// its cache.
func shareCache(m *arch.Model) (*arch.Model, error) {
	s := m.Clone()
	s.Name, s.Family, s.CountingForm = m.Name+"-shared", "", 0
	from := -1
	for _, i := range owners(m) {
		a := attention(m.Layers[i].Mixer)
		if from < 0 {
			if i >= len(m.Layers)/2 {
				from = i
			}
			continue
		}
		o := attention(m.Layers[from].Mixer)
		if _, plain := s.Layers[i].Mixer.(*arch.Attention); !plain || a.KVHeads != o.KVHeads || a.HeadDim != o.HeadDim || a.Differential != o.Differential {
			continue
		}
		attention(s.Layers[i].Mixer).KVSource = arch.To(from)
	}
	return s, s.Check()
}

// halve moves the cache owner, and the memory layer before it, up to the middle of a model
// whose self-decoder is deeper than half.
func halve(m *arch.Model) (*arch.Model, error) {
	own := owners(m)
	from := crossFrom(m)
	if len(own) == 0 || from == 0 {
		return nil, fmt.Errorf("no cross-decoder")
	}
	last := own[len(own)-1]
	h := m.Clone()
	h.Name, h.Family, h.CountingForm = m.Name+"-half", "", 0
	half := len(m.Layers) / 2
	at := half
	if _, us := gmus(m); len(us) > 0 && us[0].From == arch.ScanMemory && us[0].Variant == arch.GatedMemory {
		src, _ := us[0].Memory.Layer()
		h.Layers[half].Mixer = m.Clone().Layers[src].Mixer
		at++
	}
	ratio, _ := m.GMURatio()
	h.Layers[at].Mixer = m.Clone().Layers[last].Mixer
	o := attention(h.Layers[at].Mixer)
	for i := at + 1; i < len(h.Layers); i++ {
		c := *o
		c.KVSource = arch.To(at)
		h.Layers[i].Mixer = &c
	}
	if ratio == 0 {
		return h, h.Check()
	}
	return arch.WithGMURatio(h, ratio)
}

// withWindow gives every windowed layer another window.
func withWindow(m *arch.Model, window int) *arch.Model {
	w := m.Clone()
	for _, l := range w.Layers {
		if a := attention(l.Mixer); a != nil && a.Window > 0 {
			a.Window = window
		}
	}
	return w
}

// spec finds a family spec that says what the changed model is: the model's own with one
// option set. "" where the model is not a family's or the spec makes another model.
func spec(argument, key, value string, want *arch.Model) string {
	family, o, err := arch.OpenFamily(strings.TrimSpace(argument))
	if err != nil || o.Set(key, value) != nil {
		return ""
	}
	m, err := arch.BuildFamily(family, o)
	if err != nil || !reflect.DeepEqual(m.Layers, want.Layers) || m.Width != want.Width || m.Vocab != want.Vocab {
		return ""
	}
	return o.Spec(family)
}
