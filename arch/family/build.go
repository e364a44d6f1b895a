package family

import (
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// Kinds of recurrent mixers, as Mixer.Kind returns them.
const (
	mamba1Kind   = "mamba1"
	mamba2Kind   = "mamba2"
	deltaNetKind = "gated_deltanet"
)

// builder is a recipe with a value for every option.
type builder struct {
	recipe
	Options
	standard bool // whether the proportions are the paper's, for which its counting form holds
}

func newBuilder(r recipe, o Options) (*builder, error) {
	b := &builder{recipe: r, Options: o}
	if o.Depth == 0 {
		return nil, fmt.Errorf("depth is missing: write %s(d=16)", r.Name)
	}
	for _, f := range b.sizes() {
		if *f.p < 0 {
			return nil, fmt.Errorf("%s must be positive, is %d", f.key, *f.p)
		}
		if *f.p > arch.MaxDimension {
			return nil, fmt.Errorf("%s %d is more than %d", f.key, *f.p, arch.MaxDimension)
		}
	}
	if err := b.checkDepth(); err != nil {
		return nil, err
	}
	if err := b.checkMixers(); err != nil {
		return nil, err
	}
	d := o.Depth
	fill(&b.Width, r.Alpha*d)
	w := b.Width
	b.standard = (o.Heads == 0 || o.Heads == d) && (o.KVHeads == 0 || 4*o.KVHeads == d) &&
		(o.HeadDim == 0 || o.HeadDim == 128) && (o.Expand == 0 || o.Expand == 2) &&
		(o.MLP == 0 || o.MLP == 4*w) && b.SSM == r.ssm && d%4 == 0
	fill(&b.Heads, d)
	if b.KVHeads == 0 {
		if d%4 != 0 {
			return nil, fmt.Errorf("depth %d does not give d/4 kv heads: set kv_heads", d)
		}
		b.KVHeads = d / 4
	}
	fill(&b.HeadDim, 128)
	fill(&b.Options.Window, r.window)
	if b.SSM == mamba1Kind {
		fill(&b.DState, 16)
	} else {
		fill(&b.DState, 128)
	}
	fill(&b.Expand, 2)
	fill(&b.DConv, 4)
	fill(&b.MLP, 4*w)
	fill(&b.Vocab, 32000)
	b.Differential = b.Differential || r.diff
	if b.Heads*b.HeadDim > arch.MaxDimension || b.Expand*w > arch.MaxDimension {
		return nil, fmt.Errorf("heads·head_dim %d or expand·width %d is more than %d", b.Heads*b.HeadDim, b.Expand*w, arch.MaxDimension)
	}
	return b, nil
}

func fill(p *int, v int) {
	if *p == 0 {
		*p = v
	}
}

// sizeOption names an integer option.
type sizeOption struct {
	key string
	p   *int
}

func (o *Options) sizes() []sizeOption {
	return []sizeOption{
		{"d", &o.Depth}, {"width", &o.Width}, {"heads", &o.Heads}, {"kv_heads", &o.KVHeads},
		{"head_dim", &o.HeadDim}, {"window", &o.Window}, {"d_state", &o.DState},
		{"expand", &o.Expand}, {"d_conv", &o.DConv}, {"mlp", &o.MLP}, {"vocab", &o.Vocab},
	}
}

func (b *builder) checkDepth() error {
	d := b.Depth
	if d > arch.MaxLayers {
		return fmt.Errorf("depth %d is more than %d layers", d, arch.MaxLayers)
	}
	switch b.form {
	case localFull:
		if d%4 != 0 {
			return fmt.Errorf("depth %d is not a multiple of 4: every 4th layer is full attention", d)
		}
	case interleave:
		if d%2 != 0 {
			return fmt.Errorf("depth %d is odd: layers come in pairs", d)
		}
	case windowYOCO, hybridYOCO, purelyYOCO:
		if d%4 != 0 {
			return fmt.Errorf("depth %d is not a multiple of 4: the decoder halves and each half pairs its layers", d)
		}
		if d < 8 && b.form != windowYOCO {
			return fmt.Errorf("depth %d leaves no cross-decoder: the least is 8", d)
		}
	}
	return nil
}

// checkMixers decides which mixers the layers have.
func (b *builder) checkMixers() error {
	if b.Options.SSM == "" {
		b.Options.SSM = b.recipe.ssm
	}
	recurrent := b.recipe.ssm != ""
	switch b.SSM {
	case mamba1Kind, mamba2Kind, deltaNetKind:
	case "":
	default:
		return fmt.Errorf("unknown ssm %q (know mamba1, mamba2, gated_deltanet)", b.SSM)
	}
	if !recurrent && (b.SSM != "" || b.DState != 0 || b.Expand != 0 || b.DConv != 0) {
		return fmt.Errorf("no recurrent layers: ssm, d_state, expand and d_conv have nothing to set")
	}
	if b.SSM == deltaNetKind && (b.DState != 0 || b.Expand != 0) {
		return fmt.Errorf("gated_deltanet has no d_state or expand: its heads follow the width")
	}
	if b.recipe.window == 0 && b.Options.Window != 0 {
		return fmt.Errorf("no sliding windows: window has nothing to set")
	}
	if b.GMURatio != nil {
		if !b.crossDecoder() {
			return fmt.Errorf("%s has %w", b.Name, arch.ErrNoCrossDecoder)
		}
		return arch.CheckGMURatio(*b.GMURatio)
	}
	return nil
}

func (b *builder) build() (*arch.Model, error) {
	m := &arch.Model{
		Name: b.Name, Family: b.Name, Width: b.Width, Vocab: b.Vocab, Tied: !b.Untied, Norm: arch.RMSNorm,
		Layers: make([]arch.Layer, b.Depth),
	}
	owner := b.Depth // first layer that is not laid out by the self-decoder's rule
	switch b.form {
	case windowYOCO:
		owner = b.Depth/2 - 1
	case hybridYOCO, purelyYOCO:
		owner = b.Depth/2 + 1
	}
	for i := range m.Layers {
		l := &m.Layers[i]
		l.FFN = arch.MLP{Inner: b.MLP, Gated: true}
		switch {
		case i == owner:
			l.Mixer = b.attention(0)
		case i > owner:
			l.Mixer, _ = arch.ReadingCache(m.Layers[owner].Mixer, arch.To(owner))
		default:
			mx, err := b.selfMixer(i)
			if err != nil {
				return nil, err
			}
			l.Mixer = mx
		}
	}
	if b.crossDecoder() {
		ratio := b.ratio
		if b.GMURatio != nil {
			ratio = *b.GMURatio
		}
		var err error
		if m, err = arch.SpreadGMUs(m, ratio, b.memory); err != nil {
			return nil, err
		}
	}
	if err := m.Check(); err != nil {
		return nil, err
	}
	m.CountingForm = b.countingForm(m)
	return m, nil
}

// countingForm returns the paper's approximation for the model that was just built, 0 where its
// proportions are not the paper's.
func (b *builder) countingForm(m *arch.Model) int64 {
	if !b.standard {
		return 0
	}
	r, ok := m.GMURatio()
	if !ok {
		r = b.ratio
	}
	n, ok := countingForm(b.recipe, b.Depth, b.Width, r)
	if !ok {
		return 0
	}
	return int64(math.Round(n))
}

// selfMixer makes the mixer of layer i of the self-decoder.
func (b *builder) selfMixer(i int) (arch.Mixer, error) {
	window := b.Options.Window
	switch b.form {
	case allFull:
		return b.attention(0), nil
	case localFull:
		if i%4 == 3 {
			window = 0
		}
		return b.attention(window), nil
	case windowYOCO:
		return b.attention(window), nil
	case interleave, hybridYOCO:
		if i%2 == 1 {
			return b.attention(window), nil
		}
	}
	return b.recurrent()
}

func (b *builder) attention(window int) arch.Attention {
	a := arch.Attention{
		Heads: b.Heads, KVHeads: b.KVHeads, HeadDim: b.HeadDim, Window: window, Differential: b.Differential,
	}
	if b.rotary {
		a.RotaryDim, a.RotaryBase = b.HeadDim, 10000
	}
	return a
}

func (b *builder) recurrent() (arch.Mixer, error) {
	w, inner := b.Width, b.Expand*b.Width
	switch b.SSM {
	case mamba2Kind:
		head := mamba2HeadDim(inner)
		return arch.Mamba2{
			Heads: inner / head, HeadDim: head, DState: b.DState, Groups: 1, DConv: b.DConv, ConvBias: true,
		}, nil
	case deltaNetKind:
		if w%4 != 0 {
			return nil, fmt.Errorf("width %d is not a multiple of 4: q and k are 0.75·width wide", w)
		}
		n := deltaNetHeads(3 * w / 4)
		return arch.GatedDeltaNet{
			KHeads: n, VHeads: n, KDim: 3 * w / 4 / n, VDim: 3 * w / 2 / n, DConv: b.DConv,
		}, nil
	}
	return arch.Mamba1{
		DInner: inner, DState: b.DState, DConv: b.DConv, DtRank: arch.DtRank(w), ConvBias: true,
	}, nil
}

// mamba2HeadDim returns the largest head dimension up to 64, Mamba-2's own, that divides d_inner.
func mamba2HeadDim(inner int) int {
	for h := 64; h > 1; h-- {
		if inner%h == 0 {
			return h
		}
	}
	return 1
}

// deltaNetHeads returns the smallest number of heads, each of at most 256 (the paper's k_dim),
// that divides a key width exactly. At the paper's widths, 0.75·w is seldom a multiple of 256.
// This keeps the widths, on which cost and parameters depend, and changes the head dimension.
func deltaNetHeads(key int) int {
	for n := (key + 255) / 256; n < key; n++ {
		if key%n == 0 {
			return n
		}
	}
	return key
}
