package costmodel

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch"
)

// MTP is the draft that the model's checkpoint carries: a block of multi-token prediction, run
// once for each drafted token (vLLM runs the first again where there are fewer than tokens).
// DeepSeek-V3 (arXiv:2412.19437, section 2.2) defines it, and others follow:
//
//	norm(hidden state), norm(embedding of the next token) → [2·width, width] → a layer → head
//
// The layer is taken to be like the model's last with a cache of its own: configs do not say
// more. Embedding and head are the model's; block, projection and norms are its own.
func (c *Compiled) MTP() (Draft, error) {
	if c.stages != nil {
		return Draft{}, c.errNotShared()
	}
	m, err := mtpModel(c.Model)
	if err != nil {
		return Draft{}, err
	}
	o := c.Options
	o.mtp = true
	d, err := Compile(m, c.Hardware, o)
	if err != nil {
		return Draft{}, fmt.Errorf("its block of multi-token prediction: %w", err)
	}
	own := 0.0
	for i := range d.decode {
		if g := &d.decode[i]; g.Shape.Table == 0 && g.Kernel != Head && !g.Reused {
			own += float64(g.Count) * (g.Bytes[Weights][one] + g.Bytes[Weights][hit]*float64(g.Shape.Experts))
		}
	}
	return Draft{Name: "mtp", Compiled: d, Weights: own * float64(c.Model.MTP)}, nil
}

func mtpModel(m *arch.Model) (*arch.Model, error) {
	if m.MTP == 0 {
		return nil, fmt.Errorf("%s has no blocks of multi-token prediction: its file names none (num_nextn_predict_layers, mtp_num_hidden_layers)", m.Name)
	}
	out := *m
	out.Name, out.Family, out.MTP, out.Positions, out.EmbedNorm = m.Name+" MTP", "", 0, 0, false
	out.AltUp, out.LaurelRank = arch.AltUp{}, 0
	out.LayerInput, out.LayerScales, out.CountingForm, out.Layers = arch.LayerInput{}, false, 0, nil
	for i := len(m.Layers) - 1; i >= 0 && out.Layers == nil; i-- {
		if l := m.Layers[i]; keepsCache(l.Mixer) {
			out.Layers = []arch.Layer{l}
		}
	}
	if out.Layers == nil {
		return nil, fmt.Errorf("%s has no layer of attention that its block of multi-token prediction could be like", m.Name)
	}
	for i := len(m.Layers) - 1; i >= 0 && out.Layers[len(out.Layers)-1].FFN == nil; i-- {
		if l := m.Layers[i]; l.FFN != nil { // mixers and networks are layers of their own
			l.Mixer = nil
			out.Layers = append(out.Layers, l)
		}
	}
	return &out, nil
}

// keepsCache reports whether a layer's only mixer stores a cache of its own and reads nothing of
// other layers.
func keepsCache(mixer arch.Mixer) bool {
	if len(arch.Parts(mixer)) != 1 {
		return false
	}
	s := mixer.Stores()
	return s.CacheElements > 0 && !s.Recurrent() && mixer.Reads() == arch.Reads{}
}

// predictor prices what precedes the layer in a block of multi-token prediction: two norms and a
// projection.
func (b *builder) predictor() {
	if !b.o.mtp {
		return
	}
	b.part, b.storage = InEnds, nil
	b.norm("mtp.embed_norm", "mtp_embed_norm", b.m.Width, rows)
	b.norm("mtp.hidden_norm", "mtp_hidden_norm", b.m.Width, rows)
	b.linear("mtp.proj", "mtp_proj", 2*b.m.Width, b.m.Width, rows, linearOpts{})
}
