package modelfile

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/arch"
)

// Write writes the model as a file that Parse reads back to an equal model.
// Strings that are not UTF-8 are mended on the way.
func Write(w io.Writer, m *arch.Model) error {
	if err := m.Check(); err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	y := &yamlWriter{model: m, names: map[string]string{}}
	y.label()
	y.common()
	items := make([]arch.LayoutItem, len(m.Layers))
	for i, l := range m.Layers {
		items[i] = arch.LayoutItem{Name: y.define(i, l), Label: y.labels[i], Repeat: 1}
	}
	b := bufio.NewWriter(w)
	y.header(b)
	fmt.Fprintf(b, "layout: %s\n", arch.CompactLayout(items))
	b.WriteString("mixers:\n")
	for _, d := range y.defs {
		fmt.Fprintf(b, "  %s: %s\n", d.name, d.body)
	}
	fmt.Fprintf(b, "ffn: %s\n", y.ffn)
	if y.block != arch.PreNorm {
		fmt.Fprintf(b, "block: %s\n", y.block)
	}
	return b.Flush()
}

// yamlWriter collects the definitions of a model's parts in the order of its layers.
type yamlWriter struct {
	model  *arch.Model
	labels []string          // labels of the layers that others read
	follow map[int]int       // for each sigmoid GMU in a chain: the layer at which the chain begins
	ffn    string            // the FFN of most layers
	block  arch.Block        // the block of most layers
	defs   []yamlDef         // in the order of the layers
	names  map[string]string // names of the definitions, by their text
}

type yamlDef struct{ name, body string }

// fields writes a mapping on one line.
type fields struct{ b strings.Builder }

func newFields(kind string) *fields {
	f := &fields{}
	f.b.WriteString("{kind: " + kind)
	return f
}

func (f *fields) put(key string, v any) { fmt.Fprintf(&f.b, ", %s: %v", key, v) }

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
	if m.EmbedNorm {
		b.WriteString("embed_norm: true\n")
	}
	if m.Positions != 0 {
		fmt.Fprintf(b, "positions: %d\n", m.Positions)
	}
	if m.LogitCap != 0 {
		fmt.Fprintf(b, "logit_cap: %v\n", m.LogitCap)
	}
	if in := m.LayerInput; in.Width != 0 {
		fmt.Fprintf(b, "layer_input: %d\nlayer_input_vocab: %d\nlayer_input_activation: %s\n", in.Width, in.Vocab, in.Act)
	}
	if s := m.AltUp; s.There() {
		fmt.Fprintf(b, "altup_streams: %d\naltup_active: %d\n", s.Streams, s.Active)
	}
	if m.LaurelRank != 0 {
		fmt.Fprintf(b, "laurel_rank: %d\n", m.LaurelRank)
	}
	if m.LayerScales {
		b.WriteString("layer_scales: true\n")
	}
	if m.MaxContext != 0 {
		fmt.Fprintf(b, "max_context: %d\n", m.MaxContext)
	}
	if m.MTP != 0 {
		fmt.Fprintf(b, "mtp: %d\n", m.MTP)
	}
	for _, d := range dtypes(m) {
		if *d.p != 0 {
			fmt.Fprintf(b, "%s: %s\n", d.key, *d.p)
		}
	}
	if lines := storedLines(m); len(lines) > 0 {
		b.WriteString("stored:\n")
		for _, l := range lines {
			fmt.Fprintf(b, "  - %s\n", yamlString(l))
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

// yamlString puts a string in quotation marks unless it is a plain word.
func yamlString(s string) string {
	if arch.IsName(s) && !slices.Contains([]string{"true", "false", "null", "none", "yes", "no", "on", "off", "y", "n", "nan", "inf"}, strings.ToLower(s)) {
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

// label names the layers whose cache or memory others read: cache, memory, or with the number of
// the layer where there are several.
func (y *yamlWriter) label() {
	m := y.model
	y.labels = make([]string, len(m.Layers))
	y.follow = map[int]int{}
	last := map[int]int{} // the last member of the chain that begins at each layer
	base := make([]string, len(m.Layers))
	for i, l := range m.Layers {
		for _, p := range arch.Parts(l.Mixer) {
			r := p.Reads()
			if s, ok := r.Cache.Layer(); ok {
				base[s] = "cache"
			}
			if s, ok := r.Weights.Layer(); ok && base[s] == "" {
				base[s] = "weights"
			}
			if s, ok := r.Picks.Layer(); ok && base[s] == "" {
				base[s] = "picks"
			}
			g, ok := p.(arch.MemoryReader)
			if !ok {
				continue
			}
			s, _ := r.Memory.Layer()
			root := s
			if g.Chains() {
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

// common finds the FFN and the block that most layers have.
func (y *yamlWriter) common() {
	count := map[string]int{}
	blocks := map[arch.Block]int{}
	for _, l := range y.model.Layers {
		b := ffnBody(l.FFN)
		count[b]++
		if count[b] > count[y.ffn] {
			y.ffn = b
		}
		if blocks[l.Block]++; blocks[l.Block] > blocks[y.block] {
			y.block = l.Block
		}
	}
}

// define returns the name of a layer's definition.
func (y *yamlWriter) define(i int, l arch.Layer) string {
	body, name := "{kind: none}", l.MixerName()
	switch parts := arch.Parts(l.Mixer); len(parts) {
	case 0:
		name = l.FFNName()
	case 1:
		body = y.mixerBody(i, l.Mixer)
	default:
		var names []string
		for _, p := range parts {
			names = append(names, y.name(p.Name(), y.mixerBody(i, p)))
		}
		body, name = "{kind: parallel, parts: ["+strings.Join(names, ", ")+"]}", "parallel"
	}
	if f := ffnBody(l.FFN); f != y.ffn {
		body = strings.TrimSuffix(body, "}") + ", ffn: " + f + "}"
	}
	if l.Block != y.block {
		body = strings.TrimSuffix(body, "}") + ", block: " + l.Block.String() + "}"
	}
	return y.name(name, body)
}

// name returns the name of a definition; a new one is made from a stem.
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

// mixerBody writes the definition of one mixer of layer i.
func (y *yamlWriter) mixerBody(i int, m arch.Mixer) string {
	f := newFields(m.Kind())
	r := m.Reads()
	var like []arch.Field
	if s, ok := r.Cache.Layer(); ok {
		f = newFields("cross")
		f.put("of", y.labels[s])
		like = arch.Fields(arch.CacheOwner(y.model.Layers[s].Mixer))
	}
	own := arch.Fields(m)
	if s, ok := r.Weights.Layer(); ok { // all of its sizes are those of the layer whose weights it uses
		f.put("weights", y.labels[s])
		return f.String()
	}
	if s, ok := r.Picks.Layer(); ok {
		f.put("picks", y.labels[s])
	}
	if g, ok := m.(arch.MemoryReader); ok {
		s, _ := r.Memory.Layer()
		if g.Chains() {
			root, follows := y.follow[i]
			if follows {
				s = root
			}
			f.put("memory", y.labels[s])
			if !follows {
				f.put("chain", false)
			}
		} else {
			f.put("memory", y.labels[s])
			// What the GMU gates may be left out where it follows from the memory's layer.
			for k := range own {
				if _, ok := own[k].Value.(*arch.MemoryKind); ok {
					own[k].Default = func(int) any { return y.model.DefaultMemory(s) }
				}
			}
		}
	}
	f.list(own, like, y.model.Width)
	return f.String()
}

// list writes the fields that do not have their default or, with like, those that differ from its
// fields.
func (f *fields) list(own, like []arch.Field, width int) {
	for i, o := range own {
		v := o.Get()
		same := false
		switch {
		case o.InputOnly:
			continue
		case like != nil:
			same = v == like[i].Get()
		case o.Default != nil && !o.Shown:
			same = v == o.Default(width)
		}
		if same {
			continue
		}
		switch x := v.(type) {
		case bool:
			f.put(o.Key, x != o.Not)
		case float64:
			f.put(o.Key, strconv.FormatFloat(x, 'f', -1, 64))
		default:
			f.put(o.Key, v)
		}
	}
}

func ffnBody(f arch.FFN) string {
	if f == nil {
		return "none"
	}
	b := newFields(f.Kind())
	b.list(arch.FFNFields(f), nil, 0)
	return b.String()
}
