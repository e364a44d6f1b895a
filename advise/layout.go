package advise

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/models"
)

// owners lists the layers that store a cache that grows with the context.
func owners(m *arch.Model) []int {
	var out []int
	for _, i := range m.CacheOwners() {
		if arch.CacheOwner(m.Layers[i].Mixer).Stores().Window == 0 {
			out = append(out, i)
		}
	}
	return out
}

// gmus lists the GMU layers.
func gmus(m *arch.Model) (layers []int, units []arch.GMU) {
	for i, g := range m.GMUs() {
		layers, units = append(layers, i), append(units, g)
	}
	return layers, units
}

// crossFrom returns the first layer of the cross-decoder, 0 where there is none.
func crossFrom(m *arch.Model) int {
	from, _ := m.CrossDecoder()
	return from
}

// pattern returns the attention whose shape other layers are given: that of the last layer whose
// cache grows with the context, else of any layer; ok is false where the model has no attention.
func pattern(m *arch.Model) (a arch.Attention, ok bool) {
	if o := owners(m); len(o) > 0 {
		if a, ok := arch.AttentionOf(m.Layers[o[len(o)-1]].Mixer); ok {
			return a, true
		}
	}
	for _, a := range m.Attentions() {
		return a, true
	}
	return a, false
}

// fullAttention returns the model with full attention in place of every mixer, with the shape of
// the model's own attention, or with a head dimension of 128 and four query heads for each kv
// head where it has none.
func fullAttention(m *arch.Model) *arch.Model {
	t := m.Clone()
	t.Name, t.Family, t.CountingForm = m.Name+" with full attention", "", 0
	a, ok := pattern(m)
	if !ok {
		heads := max(m.Width/128, 1)
		a = arch.Attention{Heads: heads, KVHeads: heads, HeadDim: max(m.Width/heads, 1)}
		if heads%4 == 0 {
			a.KVHeads = heads / 4
		}
	}
	for i := range t.Layers {
		if t.Layers[i].Mixer == nil {
			continue
		}
		a.Window, a.KVSource = 0, 0
		t.Layers[i].Mixer = a
	}
	return t
}

// hybrid turns a Transformer into a SambaY of the same depth, width, attention and FFNs, in the
// layout of the released model (paper §2): (mamba swa)*d/4 mamba full (gmu cross)*(d/4−1).
func hybrid(m *arch.Model) (*arch.Model, error) {
	d := len(m.Layers)
	if d < 8 || d%4 != 0 {
		return nil, fmt.Errorf("%d layers do not halve into pairs", d)
	}
	for _, l := range m.Layers {
		if a, ok := arch.AttentionAlone(l.Mixer); !ok || a.Cross() {
			return nil, fmt.Errorf("not attention throughout")
		}
	}
	h := m.Clone()
	h.Name, h.Family, h.CountingForm = m.Name+"-sambay", "", 0
	shape, _ := pattern(m)
	shape.Window, shape.DeclaredWindow = 0, 0
	memory, owner := d/2, d/2+1
	mamba := arch.Mamba1{DInner: 2 * m.Width, DState: 16, DConv: 4, DtRank: arch.DtRank(m.Width), ConvBias: true}
	for i := range h.Layers {
		a := shape
		switch {
		case i == owner:
		case i > owner:
			a.KVSource = arch.To(owner)
		case i%2 == 0:
			h.Layers[i].Mixer = mamba
			continue
		default:
			a.Window = recommendedWindow
		}
		h.Layers[i].Mixer = a
	}
	for i := owner + 1; i < d; i += 2 {
		h.Layers[i].Mixer = arch.GMU{Memory: arch.To(memory), From: arch.ScanMemory, DMem: mamba.DInner}
	}
	return h, h.Check()
}

// shareCache lets the full-attention layers in the second half read the cache of the first layer
// there that stores one, instead of storing their own.
func shareCache(m *arch.Model) (*arch.Model, error) {
	s := m.Clone()
	s.Name, s.Family, s.CountingForm = m.Name+"-shared", "", 0
	from := -1
	for _, i := range owners(m) {
		a, attends := arch.AttentionAlone(m.Layers[i].Mixer)
		if from < 0 {
			if i >= len(m.Layers)/2 {
				from = i
			}
			continue
		}
		if o, _ := arch.AttentionOf(m.Layers[from].Mixer); !attends || a.KVHeads != o.KVHeads || a.HeadDim != o.HeadDim || a.Differential != o.Differential {
			continue
		}
		a.KVSource = arch.To(from)
		s.Layers[i].Mixer = a
	}
	return s, s.Check()
}

// halve moves the layer that stores the shared cache, and the memory layer before it, up to the
// middle of a model whose self-decoder is deeper than half.
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
		h.Layers[half].Mixer = m.Layers[src].Mixer
		at++
	}
	ratio, _ := m.GMURatio()
	h.Layers[at].Mixer = m.Layers[last].Mixer
	cross, ok := arch.ReadingCache(arch.CacheOwner(m.Layers[last].Mixer), arch.To(at))
	if !ok {
		return nil, fmt.Errorf("the cache of layer %d cannot be shared", last)
	}
	for i := at + 1; i < len(h.Layers); i++ {
		h.Layers[i].Mixer = cross
	}
	if ratio == 0 {
		return h, h.Check()
	}
	return family.WithGMURatio(h, ratio)
}

// spec returns the text of a MODEL argument that means the changed model: that of the model
// itself with one option set. It returns "" where no family builds the model, or where the text
// would mean another model.
func spec(argument, key, value string, want *arch.Model) string {
	fam, o, err := models.OpenFamily(strings.TrimSpace(argument))
	if err != nil || o.Set(key, value) != nil {
		return ""
	}
	m, err := family.Build(fam, o)
	if err != nil || !reflect.DeepEqual(m.Layers, want.Layers) || m.Width != want.Width || m.Vocab != want.Vocab {
		return ""
	}
	return o.Spec(fam)
}
