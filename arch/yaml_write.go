package arch

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// WriteYAML writes the model as a file that ParseYAML reads back to an equal model.
// Strings that are not UTF-8 are mended on the way.
func (m *Model) WriteYAML(w io.Writer) error {
	if err := m.Check(); err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	y := &yamlWriter{model: m, names: map[string]string{}}
	y.label()
	y.sharedFFN()
	items := make([]LayoutItem, len(m.Layers))
	for i, l := range m.Layers {
		items[i] = LayoutItem{Name: y.define(i, l), Label: y.labels[i], Repeat: 1}
	}
	b := bufio.NewWriter(w)
	y.header(b)
	fmt.Fprintf(b, "layout: %s\n", compactLayout(items))
	b.WriteString("mixers:\n")
	for _, d := range y.defs {
		fmt.Fprintf(b, "  %s: %s\n", d.name, d.body)
	}
	fmt.Fprintf(b, "ffn: %s\n", y.ffn)
	return b.Flush()
}

// yamlWriter collects the definitions of a model as it meets them.
type yamlWriter struct {
	model  *Model
	labels []string          // of the layers that others read
	follow map[int]int       // sigmoid GMUs in a chain: the layer it begins at
	ffn    string            // the FFN of most layers
	defs   []yamlDef         // in the order of the layers
	names  map[string]string // by body
}

type yamlDef struct{ name, body string }

// fields writes a flow mapping.
type fields struct{ b strings.Builder }

func newFields(kind string) *fields {
	f := &fields{}
	f.b.WriteString("{kind: " + kind)
	return f
}

func (f *fields) put(key string, v any) { fmt.Fprintf(&f.b, ", %s: %v", key, v) }

func (f *fields) flag(key string, v, unless bool) {
	if v != unless {
		f.put(key, v)
	}
}

func (f *fields) size(key string, v, unless int) {
	if v != unless {
		f.put(key, v)
	}
}

func (f *fields) String() string { return f.b.String() + "}" }

func (y *yamlWriter) header(b *bufio.Writer) {
	m := y.model
	fmt.Fprintf(b, "name: %s\n", yamlString(m.Name))
	if m.Family != "" {
		fmt.Fprintf(b, "family: %s\n", yamlString(m.Family))
	}
	fmt.Fprintf(b, "width: %d\nvocab: %d\ntied: %v\n", m.Width, m.Vocab, m.Tied)
	if m.HeadBias {
		b.WriteString("head_bias: true\n")
	}
	fmt.Fprintf(b, "norm: %s\n", m.Norm)
	if m.MaxContext != 0 {
		fmt.Fprintf(b, "max_context: %d\n", m.MaxContext)
	}
	for _, d := range dtypes(m) {
		if *d.p != 0 {
			fmt.Fprintf(b, "%s: %s\n", d.key, *d.p)
		}
	}
	if m.CountingForm != 0 {
		fmt.Fprintf(b, "counting_form: %d\n", m.CountingForm)
	}
	if len(m.Notes) > 0 {
		b.WriteString("notes:\n")
		for _, n := range m.Notes {
			fmt.Fprintf(b, "  - %s\n", yamlString(n))
		}
	}
}

// yamlString quotes a string unless it is a plain word.
func yamlString(s string) string {
	if isName(s) && !slices.Contains([]string{"true", "false", "null", "none", "yes", "no", "on", "off", "y", "n", "nan", "inf"}, strings.ToLower(s)) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r > 0xFFFF && !strconv.IsPrint(r):
			fmt.Fprintf(&b, "\\U%08X", r)
		case !strconv.IsPrint(r):
			fmt.Fprintf(&b, "\\u%04X", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// label names the layers whose cache or memory is read: cache, memory, or with the
// layer's number where there are several.
func (y *yamlWriter) label() {
	m := y.model
	y.labels = make([]string, len(m.Layers))
	y.follow = map[int]int{}
	last := map[int]int{} // last link of the chain that begins at a layer
	base := make([]string, len(m.Layers))
	for i, l := range m.Layers {
		for _, p := range Parts(l.Mixer) {
			switch p := p.(type) {
			case *Attention:
				if s, ok := p.KVSource.Layer(); ok {
					base[s] = "cache"
				}
			case *GMU:
				s, _ := p.Memory.Layer()
				root := s
				if p.Variant == SigmoidGMU {
					if r, ok := y.follow[s]; ok && last[r] == s {
						root = r
					}
					_, begun := last[root]
					if _, twice := y.follow[i]; !twice && (root != s || !begun) {
						y.follow[i], last[root] = root, i
					} else {
						root = s
					}
				}
				if base[root] == "" {
					base[root] = "memory"
				}
			}
		}
	}
	count := map[string]int{}
	for _, b := range base {
		count[b]++
	}
	for i, b := range base {
		switch {
		case b == "":
		case count[b] == 1:
			y.labels[i] = b
		default:
			y.labels[i] = b + strconv.Itoa(i)
		}
	}
}

// sharedFFN finds the FFN that most layers have.
func (y *yamlWriter) sharedFFN() {
	count := map[string]int{}
	for _, l := range y.model.Layers {
		b := ffnBody(l.FFN)
		count[b]++
		if count[b] > count[y.ffn] {
			y.ffn = b
		}
	}
}

// define returns the name of a layer's definition.
func (y *yamlWriter) define(i int, l Layer) string {
	body, ok := "{kind: none}", true
	name := l.MixerName()
	switch mx := l.Mixer.(type) {
	case nil:
		name = l.FFNName()
	case *Parallel:
		var parts []string
		for _, p := range mx.Mixers {
			b := y.mixerBody(i, p)
			parts = append(parts, y.name(mixerName(p), b))
		}
		body, name = "{kind: parallel, parts: ["+strings.Join(parts, ", ")+"]}", "parallel"
	default:
		body, ok = y.mixerBody(i, mx), true
	}
	if f := ffnBody(l.FFN); ok && f != y.ffn {
		body = strings.TrimSuffix(body, "}") + ", ffn: " + f + "}"
	}
	return y.name(name, body)
}

// name returns the name of a definition, made from a stem when it is new.
func (y *yamlWriter) name(stem, body string) string {
	if n, ok := y.names[body]; ok {
		return n
	}
	name := stem
	for k := 2; slices.ContainsFunc(y.defs, func(d yamlDef) bool { return d.name == name }); k++ {
		name = stem + "_" + strconv.Itoa(k)
	}
	y.names[body] = name
	y.defs = append(y.defs, yamlDef{name, body})
	return name
}

// mixerBody writes one mixer of layer i.
func (y *yamlWriter) mixerBody(i int, m Mixer) string {
	f := newFields(m.Kind())
	width := y.model.Width
	switch m := m.(type) {
	case *Attention:
		return y.attentionBody(m)
	case *Mamba1:
		f.size("d_inner", m.DInner, 2*width)
		f.put("d_state", m.DState)
		f.put("d_conv", m.DConv)
		f.size("dt_rank", m.DtRank, (width+15)/16)
		f.flag("conv_bias", m.ConvBias, true)
		f.flag("proj_bias", m.ProjBias, false)
		f.flag("inner_norms", m.InnerNorms, false)
	case *Mamba2:
		f.put("heads", m.Heads)
		f.put("head_dim", m.HeadDim)
		f.put("d_state", m.DState)
		f.put("groups", m.Groups)
		f.put("d_conv", m.DConv)
		f.flag("conv_bias", m.ConvBias, true)
		f.flag("proj_bias", m.ProjBias, false)
		f.flag("norm", !m.NoNorm, true)
	case *GatedDeltaNet:
		f.put("k_heads", m.KHeads)
		f.put("v_heads", m.VHeads)
		f.put("k_dim", m.KDim)
		f.put("v_dim", m.VDim)
		f.put("d_conv", m.DConv)
		f.flag("norm", !m.NoNorm, true)
	case *GMU:
		y.gmuFields(f, i, m)
	}
	return f.String()
}

func (y *yamlWriter) gmuFields(f *fields, i int, g *GMU) {
	s, _ := g.Memory.Layer()
	if g.Variant == SigmoidGMU {
		root, ok := y.follow[i]
		if ok {
			s = root
		}
		f.put("memory", y.labels[s])
		f.flag("chain", ok, true)
		f.flag("normed", g.Normed, false)
		if g.From != OutputMemory {
			f.put("from", memoryNames[g.From])
		}
		return
	}
	f.put("memory", y.labels[s])
	if g.From != y.model.defaultMemory(s) {
		f.put("from", memoryNames[g.From])
	}
}

// attentionBody writes attention, and cross-attention by what differs from its owner.
func (y *yamlWriter) attentionBody(a *Attention) string {
	f, like := newFields("attention"), &Attention{}
	if s, ok := a.KVSource.Layer(); ok {
		f = newFields("cross")
		f.put("of", y.labels[s])
		like = cacheOwner(y.model.Layers[s].Mixer)
		f.size("heads", a.Heads, like.Heads)
	} else {
		f.put("heads", a.Heads)
		f.put("kv_heads", a.KVHeads)
		f.put("head_dim", a.HeadDim)
	}
	f.size("window", a.Window, like.Window)
	f.size("declared_window", a.DeclaredWindow, like.DeclaredWindow)
	flags := attentionFlags(like)
	for i, o := range attentionFlags(a) {
		f.flag(o.key, *o.p, *flags[i].p)
	}
	f.size("rotary_dim", a.RotaryDim, like.RotaryDim)
	if a.RotaryBase != like.RotaryBase {
		f.put("rotary_base", strconv.FormatFloat(a.RotaryBase, 'f', -1, 64))
	}
	return f.String()
}

func ffnBody(f FFN) string {
	switch f := f.(type) {
	case *MLP:
		b := newFields(f.Kind())
		b.put("inner", f.Inner)
		if f.Act != SiLU || !f.Gated {
			b.put("activation", f.Act)
		}
		b.flag("bias", f.Bias, false)
		return b.String()
	case *MoE:
		b := newFields(f.Kind())
		b.put("experts", f.Experts)
		b.put("top_k", f.TopK)
		b.put("inner", f.Inner)
		b.size("shared_inner", f.SharedInner, 0)
		b.flag("gated", f.Gated, true)
		if f.Act != SiLU {
			b.put("activation", f.Act)
		}
		for _, o := range moeFlags(f) {
			b.flag(o.key, *o.p, false)
		}
		return b.String()
	}
	return "none"
}
