package explore

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/arch/ggufmodel"
	"github.com/OWNER/ridgeline/arch/hf"
	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/gguf"
)

// Knob is a number in the text of a family's model that the page lets one change.
type Knob struct {
	Key   string  `json:"key"`
	Label string  `json:"label"`
	Value float64 `json:"value"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	Step  float64 `json:"step"`
}

// Layer is one layer of a design as the page draws it.
type Layer struct {
	Name     string `json:"name"`  // the word for the mixer in layouts: mamba1, swa, cross, gmu
	Shape    string `json:"shape"` // sizes in a few words
	FFN      string `json:"ffn"`
	Label    string `json:"label,omitempty"`
	Caches   bool   `json:"caches"` // whether the layer stores a KV cache of its own
	Window   int    `json:"window,omitempty"`
	State    bool   `json:"state"`              // whether the layer has a recurrent state
	CacheOf  *int   `json:"cache_of,omitempty"` // 0-based number of the layer whose cache this one reads
	MemoryOf *int   `json:"memory_of,omitempty"`
}

// Design is what the page shows about one model.
type Design struct {
	Name   string   `json:"name"`
	Spec   string   `json:"spec"` // the text with which the address names the model
	Layout string   `json:"layout"`
	YAML   string   `json:"yaml"`
	File   string   `json:"file"`
	Knobs  []Knob   `json:"knobs"`
	Layers []Layer  `json:"layers"`
	Mixers []string `json:"mixers"` // words for the mixers that a layer can be changed to
	Notes  []string `json:"notes"`
}

func describe(spec string, m *arch.Model) (Design, error) {
	d := Design{Name: m.Name, Spec: spec, Layout: m.Summary(), File: file(m), Knobs: []Knob{}, Notes: m.Notes}
	text, err := text(spec, m)
	if err != nil {
		return d, err
	}
	d.YAML = text
	items, _, err := layoutOf(text)
	if err != nil {
		return d, err
	}
	seen := map[string]bool{}
	for i, l := range m.Layers {
		x := Layer{Name: l.MixerName(), FFN: l.FFNName()}
		if i < len(items) {
			x.Name, x.Label = items[i].Name, items[i].Label
		}
		if l.Mixer != nil {
			x.Shape = l.Mixer.Shape()
		}
		for _, p := range arch.Parts(l.Mixer) {
			st, r := p.Stores(), p.Reads()
			if st.CacheElements > 0 {
				x.Caches, x.Window = true, st.Window
			}
			x.State = x.State || st.Recurrent()
			if n, ok := r.Cache.Layer(); ok {
				x.CacheOf = &n
			}
			if n, ok := r.Memory.Layer(); ok {
				x.MemoryOf = &n
			}
		}
		if !seen[x.Name] {
			seen[x.Name] = true
			d.Mixers = append(d.Mixers, x.Name)
		}
		d.Layers = append(d.Layers, x)
	}
	d.Knobs = append(d.Knobs, knobs(spec, m)...)
	return d, nil
}

// knobs lists the numbers in the text of a family's model. Where the text does not give one, it
// has the value that the model has.
func knobs(spec string, m *arch.Model) []Knob {
	if strings.HasPrefix(spec, yamlMark) {
		return nil
	}
	_, o, err := family.ReadSpec(spec)
	if err != nil {
		return nil
	}
	out := []Knob{
		{"d", "layers", float64(len(m.Layers)), 4, 64, 4},
		{"width", "width", float64(m.Width), 256, 8192, 64},
	}
	var heads, kv, window int
	for _, a := range m.Attentions() {
		heads, kv, window = max(heads, a.Heads), max(kv, a.KVHeads), max(window, a.Window)
	}
	if heads > 0 {
		if o.Heads > 0 {
			heads = o.Heads
		}
		if o.KVHeads > 0 {
			kv = o.KVHeads
		}
		out = append(out, Knob{"heads", "query heads", float64(heads), 1, 128, 1}, Knob{"kv_heads", "key-value heads", float64(kv), 1, 64, 1})
	}
	if window > 0 {
		out = append(out, Knob{"window", "window", float64(window), 64, 8192, 64})
	}
	if r, ok := m.GMURatio(); ok {
		if o.GMURatio != nil {
			r = *o.GMURatio
		}
		out = append(out, Knob{"gmu_ratio", "GMU ratio", r, 0, 1, 0.05})
	}
	return out
}

// Edit is one change of a design.
type Edit struct {
	Design string `json:"design"`
	// Op is one of these: knob (Key gets Value), mixer (Layer becomes Value), remove (Layer),
	// repeat (Layer once more), layout (Value is the whole layout), or text (Value is the whole
	// model file).
	Op    string `json:"op"`
	Layer int    `json:"layer"`
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Apply returns the changed design. It returns an error where the change would leave no valid
// model.
func (e *Edit) Apply() (string, error) {
	m, err := OpenDesign(e.Design)
	if err != nil {
		return "", err
	}
	switch e.Op {
	case "knob":
		name, o, err := family.ReadSpec(e.Design)
		if err != nil {
			return "", err
		}
		if err := o.Set(e.Key, e.Value); err != nil {
			return "", err
		}
		return opens(o.Spec(name))
	case "text":
		return opens(yamlMark + e.Value)
	}
	doc, err := text(e.Design, m)
	if err != nil {
		return "", err
	}
	items, line, err := layoutOf(doc)
	if err != nil {
		return "", err
	}
	if e.Op != "layout" && (e.Layer < 0 || e.Layer >= len(items)) {
		return "", fmt.Errorf("layer %d is not one of %d", e.Layer+1, len(items))
	}
	switch e.Op {
	case "mixer":
		items[e.Layer].Name = e.Value
	case "remove":
		if len(items) == 1 {
			return "", errors.New("the last layer cannot be removed")
		}
		items = append(items[:e.Layer:e.Layer], items[e.Layer+1:]...)
	case "repeat":
		again := items[e.Layer]
		again.Label = ""
		items = append(items[:e.Layer+1:e.Layer+1], append([]arch.LayoutItem{again}, items[e.Layer+1:]...)...)
	case "layout":
		l, err := arch.ParseLayout(e.Value)
		if err != nil {
			return "", err
		}
		items = l.Layers()
	default:
		return "", fmt.Errorf("a design cannot be changed by %q", short(e.Op))
	}
	lines := strings.Split(doc, "\n")
	lines[line] = "layout: " + arch.CompactLayout(items).String()
	for i, l := range lines {
		if strings.HasPrefix(l, "name:") && !strings.HasPrefix(e.Design, yamlMark) {
			lines[i] = "name: " + strconv.Quote(m.Name+", changed") // the model is no longer the one that has this name
		}
	}
	return opens(yamlMark + strings.Join(lines, "\n"))
}

// opens returns a design that can be opened, or an error that says why it cannot.
func opens(design string) (string, error) {
	_, err := OpenDesign(design)
	return design, err
}

// text writes a design as a model file.
func text(spec string, m *arch.Model) (string, error) {
	if t, ok := strings.CutPrefix(spec, yamlMark); ok {
		return t, nil
	}
	var b bytes.Buffer
	if err := modelfile.Write(&b, m); err != nil {
		return "", err
	}
	return b.String(), nil
}

// layoutOf finds the layers in a model file, and the line on which its layout stands.
func layoutOf(doc string) (items []arch.LayoutItem, line int, err error) {
	for i, l := range strings.Split(doc, "\n") {
		if v, ok := strings.CutPrefix(l, "layout:"); ok {
			v, _, _ = strings.Cut(v, " #")
			layout, err := arch.ParseLayout(strings.Trim(strings.TrimSpace(v), `"'`))
			if err != nil {
				return nil, 0, err
			}
			return layout.Layers(), i, nil
		}
	}
	return nil, 0, errors.New("the model file has no line that begins with layout")
}

// Import makes a design from a file that was dropped on the page: a model file is taken as it is;
// a Hugging Face configuration or the header of a GGUF file becomes a model file.
func Import(name string, data []byte) (string, error) {
	var m *arch.Model
	var err error
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml":
		return opens(yamlMark + string(data))
	case ".json":
		m, err = hf.Import(modelfile.Name(name), data)
	case ".gguf":
		var f *gguf.File
		if f, err = gguf.Read(bytes.NewReader(data)); err == nil {
			m, err = ggufmodel.Import(modelfile.Name(name), f)
		}
	default:
		return "", fmt.Errorf("%s: drop a model file that ends in .yaml, a Hugging Face config that ends in .json, or a .gguf file", short(name))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", short(name), err)
	}
	var b bytes.Buffer
	if err := modelfile.Write(&b, m); err != nil {
		return "", fmt.Errorf("%s: %w", short(name), err)
	}
	return opens(yamlMark + b.String())
}
