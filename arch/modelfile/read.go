package modelfile

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/precision"

	"github.com/goccy/go-yaml/ast"
)

// Parse reads a model file: sizes, the mixers by name, and the layout that orders
// them. The filename is for messages, and names the model where the file does not.
//
//	width: 2560
//	vocab: 200064
//	layout: (mamba swa)*8 mamba@memory full@cache (gmu cross)*7
//	mixers:
//	  mamba: {kind: mamba1, d_state: 16}
//	  swa:   {kind: attention, heads: 40, kv_heads: 20, head_dim: 64, window: 512}
//	  full:  {kind: attention, heads: 40, kv_heads: 20, head_dim: 64}
//	  cross: {kind: cross, of: cache}
//	  gmu:   {kind: gmu, memory: memory}
//	ffn: {kind: swiglu, inner: 10240}
//
// Cross-attention takes the shape of the layer whose cache it reads, a GMU its width
// from the memory. A mixer may have an ffn of its own, or ffn: none, and a block of its own
// (pre_norm, post_norm, sandwich_norm, parallel_norm, parallel_norms, stream_norm, side_input: see arch.Block).
func Parse(filename string, data []byte) (*arch.Model, error) {
	f := &yamlFile{name: filename}
	top, err := f.parseTree(data)
	if err != nil {
		return nil, err
	}
	m := &arch.Model{Name: Name(filename), Tied: true}
	readHeader(top, m)
	r := &yamlModel{yamlFile: f, model: m, defs: map[string]*yamlMixer{}, chains: map[int]arch.Ref{}}
	optional(top, "block", arch.Blocks(), &r.block)
	if field, ok := top.get("ffn"); ok {
		r.ffn = r.readFFN("ffn", field)
	}
	if field, ok := top.get("mixers"); ok {
		r.readMixers(field)
	}
	stored := top.list("stored")
	layout, ok := top.get("layout")
	top.finish()
	if !ok {
		f.fail(top.line, "layout is missing")
	}
	if f.err != nil {
		return nil, f.err
	}
	if err := r.place(top.text(layout)); err != nil {
		f.fail(layout.line, "%w", err)
	}
	if err := readStored(m, stored); err != nil {
		field, _ := top.find("stored")
		f.fail(field.line, "stored: %w", err)
	}
	if f.err != nil {
		return nil, f.err
	}
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", filename, err)
	}
	return m, nil
}

// readHeader reads everything that is not about layers.
func readHeader(top *yamlMap, m *arch.Model) {
	top.str("name", &m.Name)
	top.str("family", &m.Family)
	top.required("width", &m.Width)
	top.required("vocab", &m.Vocab)
	top.boolean("tied", &m.Tied)
	top.boolean("head_bias", &m.HeadBias)
	optional(top, "norm", arch.Norms(), &m.Norm)
	top.boolean("embed_norm", &m.EmbedNorm)
	top.size("positions", &m.Positions, 0)
	top.number("logit_cap", &m.LogitCap)
	top.size("layer_input", &m.LayerInput.Width, 0)
	if m.LayerInput.Width > 0 {
		m.LayerInput.Vocab = m.Vocab
		top.size("layer_input_vocab", &m.LayerInput.Vocab, 0)
		optional(top, "layer_input_activation", arch.Activations(), &m.LayerInput.Act)
	}
	top.size("altup_streams", &m.AltUp.Streams, 0)
	top.size("altup_active", &m.AltUp.Active, 0)
	top.size("laurel_rank", &m.LaurelRank, 0)
	top.boolean("layer_scales", &m.LayerScales)
	top.size("max_context", &m.MaxContext, 0)
	top.size("mtp", &m.MTP, 0)
	for _, d := range dtypes(m) {
		var s string
		if top.str(d.key, &s) {
			dt, err := precision.Parse(s)
			if err != nil {
				f, _ := top.find(d.key)
				top.fail(f.line, "%s: %w", d.key, err)
			}
			*d.p = dt
		}
	}
	top.count("counting_form", &m.CountingForm)
	m.Notes = top.list("notes")
}

// optional reads a choice by its name, if the file has it.
func optional[T fmt.Stringer](m *yamlMap, key string, all []T, p *T) {
	if f, ok := m.get(key); ok {
		choose(m, f, key, p, all)
	}
}

type dtypeField struct {
	key string
	p   *precision.DType
}

func dtypes(m *arch.Model) []dtypeField {
	return []dtypeField{
		{"weight_dtype", &m.WeightDType}, {"expert_dtype", &m.ExpertDType}, {"state_dtype", &m.StateDType},
		{"kv_dtype", &m.KVDType}, {"conv_dtype", &m.ConvDType},
	}
}

// yamlModel is a model that is being put together.
type yamlModel struct {
	*yamlFile
	model  *arch.Model
	ffn    arch.FFN
	block  arch.Block
	defs   map[string]*yamlMixer
	names  []string // names of defs, in the order of the file
	labels map[string]int
	later  map[string]bool  // all labels of the layout
	chains map[int]arch.Ref // for each labelled layer, the last sigmoid GMU that follows it
}

// yamlMixer is a mixer as the file defines it, not yet in a layer.
type yamlMixer struct {
	name   string
	mixer  arch.Mixer
	source string   // label of the layer that a cross-attention or GMU reads
	cross  *yamlMap // for cross-attention: its own fields, read over the owner's
	parts  []string
	chain  bool // whether sigmoid GMUs form a chain
	reuses bool // whether it uses the weights of the labelled layer and has that layer's sizes
	takes  bool // whether it uses the positions that the labelled layer picks
	ffn    arch.FFN
	ownFFN bool
	block  arch.Block
}

func (r *yamlModel) readMixers(field yamlField) {
	if _, ok := field.value.(*ast.NullNode); ok {
		return
	}
	all := r.mapping("mixers", field.value)
	for _, f := range all.fields {
		if !arch.IsName(f.key) {
			r.fail(f.line, "mixers: %q is not a name: letters, digits, _ - + . after a letter", f.key)
			return
		}
		m := r.mapping("mixer "+f.key, f.value)
		if r.err != nil {
			return
		}
		r.defs[f.key] = r.readMixer(f.key, m)
		r.names = append(r.names, f.key)
	}
	for _, name := range r.names {
		for _, part := range r.defs[name].parts {
			d, ok := r.defs[part]
			f, _ := all.find(name)
			switch {
			case !ok:
				r.fail(f.line, "mixer %s: no mixer named %q (know %s)", name, part, strings.Join(r.names, ", "))
			case d.ownFFN || d.parts != nil || d.empty():
				r.fail(f.line, "mixer %s: part %s must be one mixer, without an ffn", name, part)
			}
		}
	}
}

func (d *yamlMixer) empty() bool {
	return d.mixer == nil && d.cross == nil && d.parts == nil && !d.reuses
}

// place builds the layers in the order of the layout.
func (r *yamlModel) place(text string) error {
	layout, err := arch.ParseLayout(text)
	if err != nil {
		return err
	}
	layers := layout.Layers()
	r.labels, r.later = map[string]int{}, map[string]bool{}
	for _, it := range layers {
		if it.Label != "" {
			r.later[it.Label] = true
		}
	}
	for i, it := range layers {
		d, ok := r.defs[it.Name]
		if !ok {
			known := strings.Join(r.names, ", ")
			if known == "" {
				known = "none"
			}
			return arch.NewLayoutError(it.Column, "no mixer named %q (know %s)", it.Name, known)
		}
		mx, err := r.build(d, i)
		if err != nil {
			return arch.NewLayoutError(it.Column, "%w", err)
		}
		ffn := r.ffn
		if d.ownFFN {
			ffn = d.ffn
		}
		r.model.Layers = append(r.model.Layers, arch.Layer{Mixer: mx, FFN: ffn, Block: d.block})
		if mx == nil && ffn == nil {
			return arch.NewLayoutError(it.Column, "%s has neither mixer nor ffn", it.Name)
		}
		if it.Label != "" {
			r.labels[it.Label] = i
		}
	}
	return nil
}

// build makes the mixer of layer i.
func (r *yamlModel) build(d *yamlMixer, i int) (arch.Mixer, error) {
	if d.parts != nil {
		var p arch.Parallel
		for _, part := range d.parts {
			mx, err := r.build(r.defs[part], i)
			if err != nil {
				return nil, err
			}
			p.Mixers = append(p.Mixers, mx)
		}
		return p, p.Check(r.model.Width)
	}
	if d.source == "" {
		return d.mixer, nil
	}
	at, ok := r.labels[d.source]
	switch {
	case !ok && r.later[d.source]:
		return nil, fmt.Errorf("%s reads %s, which comes no earlier in the layout", d.name, d.source)
	case !ok:
		return nil, fmt.Errorf("%s reads %s, but no layer is labelled @%s", d.name, d.source, d.source)
	}
	var mx arch.Mixer
	if d.reuses {
		owner, _ := arch.WeightOwner(r.model.Layers[at].Mixer)
		if owner == nil {
			return nil, fmt.Errorf("%s uses the weights of %s, but layer %d (%s) has none to share", d.name, d.source, at, r.model.Layers[at].MixerName())
		}
		mx, _ = arch.UsingWeights(owner, arch.To(at))
	} else if d.takes {
		if arch.PickOwner(r.model.Layers[at].Mixer) == nil {
			return nil, fmt.Errorf("%s takes over the picks of %s, but layer %d (%s) has no indexer", d.name, d.source, at, r.model.Layers[at].MixerName())
		}
		mx, _ = arch.TakingPicks(d.mixer, arch.To(at))
	} else if d.cross != nil {
		owner := arch.CacheOwner(r.model.Layers[at].Mixer)
		if owner == nil {
			return nil, fmt.Errorf("%s reads the cache of %s, but layer %d (%s) stores none", d.name, d.source, at, r.model.Layers[at].MixerName())
		}
		own, ok := arch.ReadingCache(owner, arch.To(at))
		if !ok {
			return nil, fmt.Errorf("%s reads the cache of %s, but that of layer %d (%s) cannot be shared", d.name, d.source, at, owner.Name())
		}
		mx = arch.EditFields(own, func(fields []arch.Field) { d.cross.readFields(fields, r.model.Width, true) })
	} else {
		var err error
		if mx, err = r.remember(d, d.mixer.(arch.MemoryReader), i, at); err != nil {
			return nil, err
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	if err := mx.Check(r.model.Width); err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	return mx, nil
}

// remember lets a GMU in layer i read the memory of layer at.
func (r *yamlModel) remember(d *yamlMixer, g arch.MemoryReader, i, at int) (arch.Mixer, error) {
	kind, layer := g.Reads().Kind, arch.To(at)
	if kind == arch.NoMemory {
		kind = r.model.DefaultMemory(at)
	}
	if d.chain {
		if previous, ok := r.chains[at]; ok && previous != arch.To(i) {
			layer = previous
		}
		r.chains[at] = arch.To(i)
	}
	from, _ := layer.Layer()
	width := widthBefore(r.model, from, i, kind)
	switch written := writtenWidth(g); {
	case width == 0:
		return nil, fmt.Errorf("%s reads the %s of %s, but layer %d (%s) hands on none", d.name, kind, d.source, from, r.model.Layers[at].MixerName())
	case written != 0 && written != width:
		return nil, fmt.Errorf("%s has d_mem %d, but the memory of %s is %d wide", d.name, written, d.source, width)
	}
	return arch.ReadingMemory(g, layer, kind, width), nil
}

// writtenWidth returns the d_mem that a file gives for a GMU, 0 where it gives none.
func writtenWidth(m arch.Mixer) int {
	for _, f := range arch.Fields(m) {
		if f.Key == "d_mem" {
			return f.Get().(int)
		}
	}
	return 0
}

// widthBefore returns MemoryWidth of a layer before layer i, 0 for any other layer.
func widthBefore(m *arch.Model, from, i int, kind arch.MemoryKind) int {
	if from >= i || from >= len(m.Layers) {
		return 0
	}
	return m.MemoryWidth(from, kind)
}
