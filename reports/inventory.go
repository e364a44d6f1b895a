package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
)

// ModelTable describes a model layer by layer; consecutive equal layers share a row.
func ModelTable(m *arch.Model) *Table {
	p := m.Params()
	t := &Table{Title: m.Name + ": " + m.Summary(), Columns: []Column{
		{Name: "layers", CSV: "layers", Left: true}, {Name: "mixer", CSV: "mixer", Left: true}, {Name: "shape", CSV: "shape", Left: true},
		{Name: "ffn", CSV: "ffn", Left: true}, {Name: "reads", CSV: "reads", Left: true}, {Name: "params\neach", CSV: "parameters", Scale: true}}}
	type row struct {
		at    []int
		cells []Cell
	}
	var rows []*row
	seen := map[string]*row{}
	for i, l := range m.Layers {
		params := int64(0)
		if l.Mixer != nil {
			for _, w := range l.Mixer.Weights(m.Width) {
				params += w.Elements()
			}
		}
		if l.FFN != nil {
			for _, w := range l.FFN.Weights(m.Width) {
				params += w.Elements()
			}
		}
		cells := []Cell{Txt(l.MixerName()), Txt(shape(l.Mixer)), Txt(ffnShape(l.FFN)), Txt(sources(l)), Num(float64(params))}
		k := fmt.Sprint(cells)
		if seen[k] == nil {
			seen[k] = &row{cells: cells}
			rows = append(rows, seen[k])
		}
		seen[k].at = append(seen[k].at, i)
	}
	for _, r := range rows {
		t.Add(append([]Cell{Txt(runs(r.at))}, r.cells...)...)
	}
	emb := "untied head"
	if m.Tied {
		emb = "tied head"
	}
	t.Notes = append(t.Notes, fmt.Sprintf("%s parameters: %s embedding (%d × %d, %s), %s the rest; %s, d_model %d.", Int(float64(p.Total)), Int(float64(p.Embedding)), m.Vocab, m.Width, emb, Int(float64(p.NonEmbedding)), m.Norm, m.Width))
	t.Notes = append(t.Notes, "By part: "+parts(p)+".")
	if active := m.ActiveParams().Total; active != p.Total {
		t.Notes = append(t.Notes, fmt.Sprintf("%s parameters are active for a token.", Int(float64(active))))
	}
	if m.CountingForm > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("The paper's counting form gives %s non-embedding parameters.", Int(float64(m.CountingForm))))
	}
	if r, ok := m.GMURatio(); ok {
		t.Notes = append(t.Notes, fmt.Sprintf("gmu_ratio %s: that share of the cross-decoder's mixers are GMUs.", Digits(r)))
	}
	return t
}

// parts lists the parameters of each kind of part, without the embedding, the largest first.
func parts(p arch.ParamCount) string {
	all := append(slices.Clone(p.Mixers), p.FFNs...)
	all = append(all, arch.PartCount{Kind: "norms", Params: p.Norms})
	slices.SortStableFunc(all, func(a, b arch.PartCount) int { return cmp.Compare(b.Params, a.Params) })
	words := make([]string, len(all))
	for i, x := range all {
		words[i] = x.Kind + " " + Int(float64(x.Params))
	}
	return strings.Join(words, ", ")
}

// Footprint says what a model stores and reads for each token of context, which no device
// changes.
func Footprint(c *costmodel.Compiled) string {
	m := c.Memory(costmodel.Workload{Batch: 1, Generate: max(c.Model.MaxContext, 1<<16)})
	s := fmt.Sprintf("A token of context leaves %s B in the cache, and a step reads %s B for it; ", Int(m.CacheBytesPerToken), Int(m.CacheReadBytesPerToken))
	if m.WindowCacheBytesPerSequence > 0 {
		s += fmt.Sprintf("windows hold %s a sequence, ", SI(m.WindowCacheBytesPerSequence, "B"))
	}
	return s + fmt.Sprintf("recurrent states %s; weights %s (%s).", SI(m.StateBytesPerSequence, "B"), SI(m.WeightsBytes, "B"), c.Formats())
}

// runs writes layer numbers briefly: 0–3, 5, or 0, 2, …, 16 for even steps.
func runs(at []int) string {
	if len(at) > 2 {
		step := at[1] - at[0]
		even := true
		for i := 1; i < len(at); i++ {
			even = even && at[i]-at[i-1] == step
		}
		if even && step == 1 {
			return fmt.Sprintf("%d–%d", at[0], at[len(at)-1])
		}
		if even {
			return fmt.Sprintf("%d, %d, … %d", at[0], at[1], at[len(at)-1])
		}
		return fmt.Sprintf("%d of them, %d … %d", len(at), at[0], at[len(at)-1])
	}
	var s []string
	for _, i := range at {
		s = append(s, strconv.Itoa(i))
	}
	return strings.Join(s, ", ")
}

func shape(m arch.Mixer) string {
	if m == nil {
		return " "
	}
	return m.Shape()
}

func ffnShape(f arch.FFN) string {
	if f == nil {
		return "none"
	}
	return f.Shape()
}

func sources(l arch.Layer) string {
	if l.Mixer == nil {
		return " "
	}
	r := l.Mixer.Reads()
	for _, from := range []struct {
		what  string
		layer arch.Ref
	}{{"cache", r.Cache}, {"memory", r.Memory}, {"picks", r.Picks}} {
		if i, ok := from.layer.Layer(); ok {
			return fmt.Sprintf("%s of %d", from.what, i)
		}
	}
	return " "
}

// ModelsTable lists presets and families, and says in a few words what each one is.
func ModelsTable(presets []*arch.Model, docs []string, families []family.Family) *Table {
	t := &Table{Columns: []Column{{Name: "model", CSV: "model", Left: true}, {Name: "layers", CSV: "layers"},
		{Name: "parameters", CSV: "params", Scale: true}, {Name: "what it is", CSV: "doc", Left: true}}}
	for i, m := range presets {
		t.Add(Txt(m.Name), Num(float64(len(m.Layers))), Num(float64(m.Params().Total)), Txt(docs[i]))
	}
	for _, f := range families {
		t.Add(Txt(f.Name+"(d=…)"), Txt("d"), Txt(" "), Txt(f.Doc))
	}
	t.Notes = []string{"A model is a name above, a family spec such as 'sambay(d=16,gmu_ratio=0.5,window=256)', a YAML layout or a Hugging Face config.json."}
	return t
}

// HardwareTable lists device profiles.
func HardwareTable(ps []*hardware.Profile) *Table {
	t := &Table{Columns: []Column{{Name: "name", CSV: "name", Left: true},
		{Name: "bf16 peak", Unit: "FLOP/s", CSV: "bf16_flops", Scale: true}, {Name: "fp8 peak", Unit: "FLOP/s", CSV: "fp8_flops", Scale: true},
		{Name: "bandwidth", Unit: "B/s", CSV: "memory_bandwidth", Scale: true}, {Name: "memory", Unit: "B", CSV: "memory_capacity", Scale: true},
		{Name: "ridge\nFLOP/B", CSV: "ridge"}, {Name: "link", Unit: "B/s", CSV: "link_bandwidth", Scale: true}, {Name: "TDP\nW", CSV: "tdp"}}}
	for _, p := range ps {
		num := func(f hardware.Figure) Cell {
			if f.Value == 0 {
				return Txt("–")
			}
			return Num(f.Value)
		}
		ridge := Txt("–")
		if b := p.Peak[precision.BF16].Value; b > 0 {
			ridge = Num(b / p.MemoryBandwidth.Value)
		}
		t.Add(Txt(p.Name), num(p.Peak[precision.BF16]), num(p.Peak[precision.FP8]), Num(p.MemoryBandwidth.Value), Num(p.MemoryCapacity.Value),
			ridge, num(p.LinkBandwidth), num(p.TDP))
	}
	t.Notes = []string{"Dense peaks. Ridge: FLOPs per byte of memory traffic from which arithmetic binds."}
	return t
}

// ProfileTable shows every figure of a device profile with its source.
func ProfileTable(p *hardware.Profile) *Table {
	t := &Table{Title: p.Name + ": " + p.Title, Columns: []Column{{Name: "figure", CSV: "figure", Left: true}, {Name: "value", CSV: "value"}, {Name: "source", CSV: "source", Left: true}}}
	add := func(name, unit string, f hardware.Figure) {
		if f.Value == 0 {
			return
		}
		src := p.Sources[f.Source]
		if src == "" {
			src = f.Source
		}
		shown := SI(f.Value, unit)
		if unit == "" {
			shown = Int(f.Value)
		}
		t.Add(Txt(name), Shown(f.Value, shown), Txt(src))
	}
	for d := precision.FP32; d <= precision.FP4; d++ {
		if f, ok := p.Peak[d]; ok {
			add("peak "+d.String(), "FLOP/s", f)
		}
	}
	add("products under continued load", "FLOP/s", p.SustainedFLOPS)
	add("memory bandwidth", "B/s", p.MemoryBandwidth)
	add("memory capacity", "B", p.MemoryCapacity)
	add("last-level cache", "B", p.Cache)
	add("last-level cache reads", "B/s", p.CacheBandwidth)
	add("SMs, CUs or cores", "", p.Units)
	add("link, one direction", "B/s", p.LinkBandwidth)
	add("devices in one fabric", "", p.MaxLinked)
	add("TDP", "W", p.TDP)
	add("one kernel call", "s", p.CallSeconds)
	for k, f := range p.Reach {
		add("reach of "+k, "of bandwidth", f)
	}
	t.Notes = append(t.Notes, p.Notes...)
	return t
}
