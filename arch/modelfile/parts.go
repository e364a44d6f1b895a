package modelfile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/arch"

	"github.com/goccy/go-yaml/ast"
)

// readMixer reads one definition.
func (r *yamlModel) readMixer(name string, m *yamlMap) *yamlMixer {
	d := &yamlMixer{name: name}
	var kind string
	if !m.str("kind", &kind) {
		m.fail(m.line, "kind is missing")
	}
	width := r.model.Width
	at := slices.IndexFunc(arch.MixerKinds(), func(k arch.MixerKind) bool { return k.Name == kind })
	switch {
	case at >= 0:
		blank := arch.MixerKinds()[at].Blank
		if g, ok := blank.(arch.MemoryReader); ok {
			m.source("memory", d)
			if g.Chains() {
				d.chain = true
				m.boolean("chain", &d.chain)
			}
		}
		if _, ok := blank.(arch.WeightUser); ok {
			if _, reuses := m.find("weights"); reuses {
				m.source("weights", d)
				d.reuses = true
				break
			}
		}
		if _, ok := blank.(arch.PickReader); ok {
			if _, d.takes = m.find("picks"); d.takes {
				m.source("picks", d)
			}
		}
		d.mixer = arch.EditFields(blank, func(fields []arch.Field) { m.readFields(fields, width, false) })
	case kind == "cross":
		m.source("of", d)
		d.cross = m
		// Which fields there are is known when the owner is: they are read over the owner's
		// values.
		for _, k := range arch.MixerKinds() {
			if _, ok := k.Blank.(arch.CacheReader); ok {
				arch.EditFields(k.Blank, func(fields []arch.Field) { m.readFields(fields, width, true) })
			}
		}
	case kind == "parallel":
		d.parts = m.list("parts")
		if len(d.parts) < 2 {
			m.fail(m.line, "parts lists at least two mixers")
		}
	case kind == "none":
	default:
		m.fail(m.line, "unknown kind %q (know %s)", kind, strings.Join(mixerKindNames(), ", "))
	}
	if f, ok := m.get("ffn"); ok {
		d.ownFFN, d.ffn = true, r.readFFN(m.what+": ffn", f)
	}
	d.block = r.block
	optional(m, "block", arch.Blocks(), &d.block)
	m.finish()
	if d.mixer != nil && d.source == "" && r.err == nil {
		if err := d.mixer.Check(width); err != nil {
			m.fail(m.line, "%w", err)
		}
	}
	return d
}

func mixerKindNames() []string {
	var names []string
	for _, k := range arch.MixerKinds() {
		names = append(names, k.Name)
	}
	return append(names, "cross", "parallel", "none")
}

// source reads the label of the layer a mixer takes from.
func (m *yamlMap) source(key string, d *yamlMixer) {
	if !m.str(key, &d.source) || d.source == "" {
		m.fail(m.line, "%s is missing: the label of the layer it reads", key)
	} else if !arch.IsName(d.source) {
		m.fail(m.line, "%s: %q is not a label", key, d.source)
	}
}

// readFields reads the fields of a mixer or FFN that the file gives, and sets the others to their
// defaults. With over, those that the file does not give are left as they are.
func (m *yamlMap) readFields(fields []arch.Field, width int, over bool) {
	given := map[string]bool{}
	for _, f := range fields {
		given[f.Key] = m.readField(f)
		if given[f.Key] && given[f.Instead] {
			m.fail(m.line, "give %s or %s, not both", f.Instead, f.Key)
		}
	}
	for _, f := range fields {
		if given[f.Key] || over {
			continue
		}
		if f.Default == nil {
			m.fail(m.line, "%s is missing", f.Key)
			continue
		}
		v := f.Default(width)
		if err, ok := v.(error); ok {
			m.fail(m.line, "%w", err)
			continue
		}
		f.Set(v)
	}
}

// readField reads one field and returns whether the file gives it.
func (m *yamlMap) readField(f arch.Field) bool {
	at, ok := m.get(f.Key)
	if !ok {
		return false
	}
	switch p := f.Value.(type) {
	case *int:
		least := 1
		if f.AllowZero || f.Zero != "" {
			least = 0
		}
		m.size(f.Key, p, least)
		if *p == 0 && f.Zero != "" {
			m.fail(at.line, "%s 0 %s", f.Key, f.Zero)
		}
	case *bool:
		m.boolean(f.Key, p)
		*p = *p != f.Not
	case *float64:
		m.number(f.Key, p)
	case *arch.Activation:
		choose(m, at, "activation", p, arch.Activations())
	case *arch.MemoryKind:
		choose(m, at, "memory", p, arch.MemoryKinds())
	default:
		panic("arch: no reader for the type of field " + f.Key)
	}
	return true
}

// choose reads a choice by its name.
func choose[T fmt.Stringer](m *yamlMap, f yamlField, what string, p *T, all []T) {
	s := m.text(f)
	var names []string
	for _, v := range all {
		if v.String() == s {
			*p = v
			return
		}
		names = append(names, v.String())
	}
	m.fail(f.line, "unknown %s %q (know %s)", what, s, strings.Join(names, ", "))
}

// readFFN reads a feed-forward network, nil for none.
func (r *yamlModel) readFFN(what string, field yamlField) arch.FFN {
	if s, ok := field.value.(*ast.StringNode); ok && s.Value == "none" {
		return nil
	}
	m := r.mapping(what, field.value)
	var kind string
	if !m.str("kind", &kind) {
		m.fail(field.line, "kind is missing")
	}
	at := slices.IndexFunc(arch.FFNKinds(), func(k arch.FFNKind) bool { return k.Name == kind })
	if at < 0 {
		var names []string
		for _, k := range arch.FFNKinds() {
			names = append(names, k.Name)
		}
		m.fail(field.line, "unknown kind %q (know %s; or ffn: none)", kind, strings.Join(names, ", "))
		return nil
	}
	ffn := arch.EditFFNFields(arch.FFNKinds()[at].Blank, func(fields []arch.Field) { m.readFields(fields, r.model.Width, false) })
	m.finish()
	if r.err == nil {
		if err := ffn.Check(r.model.Width); err != nil {
			m.fail(field.line, "%w", err)
		}
	}
	return ffn
}
