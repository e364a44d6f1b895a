package arch

import (
	"fmt"
	"slices"
	"strings"

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
	switch kind {
	case "attention":
		a := &Attention{}
		m.required("heads", &a.Heads)
		m.required("head_dim", &a.HeadDim)
		a.KVHeads = a.Heads
		readAttention(m, a)
		d.mixer = a
	case "cross":
		m.source("of", d)
		d.cross = m
		readAttention(m, &Attention{}) // for its fields; read again over the owner's
	case mamba1Kind:
		d.mixer = readMamba1(m, width)
	case mamba2Kind:
		d.mixer = readMamba2(m, width)
	case deltaNetKind:
		d.mixer = readDeltaNet(m)
	case "gmu", "ngmu", "sigmoid_gmu":
		d.readGMU(m, kind)
	case "parallel":
		d.parts = m.list("parts")
		if len(d.parts) < 2 {
			m.fail(m.line, "parts lists at least two mixers")
		}
	case "none":
	default:
		m.fail(m.line, "unknown kind %q (know %s)", kind, strings.Join(mixerKinds(), ", "))
	}
	if f, ok := m.get("ffn"); ok {
		d.ownFFN, d.ffn = true, r.readFFN(m.what+": ffn", f)
	}
	m.finish()
	if d.mixer != nil && d.source == "" && r.err == nil {
		if err := d.mixer.Check(width); err != nil {
			m.fail(m.line, "%w", err)
		}
	}
	return d
}

func mixerKinds() []string {
	return []string{"attention", "cross", mamba1Kind, mamba2Kind, deltaNetKind, "gmu", "ngmu", "sigmoid_gmu", "parallel", "none"}
}

// source reads the label of the layer a mixer takes from.
func (m *yamlMap) source(key string, d *yamlMixer) {
	if !m.str(key, &d.source) || d.source == "" {
		m.fail(m.line, "%s is missing: the label of the layer it reads", key)
	} else if !isName(d.source) {
		m.fail(m.line, "%s: %q is not a label", key, d.source)
	}
}

func readAttention(m *yamlMap, a *Attention) {
	m.size("heads", &a.Heads, 1)
	m.size("kv_heads", &a.KVHeads, 1)
	m.size("head_dim", &a.HeadDim, 1)
	if f, ok := m.get("window"); ok {
		m.size("window", &a.Window, 0)
		if a.Window == 0 {
			m.fail(f.line, "window 0 sees nothing: leave it out for full attention")
		}
	}
	m.size("declared_window", &a.DeclaredWindow, 0)
	for _, o := range attentionFlags(a) {
		m.boolean(o.key, o.p)
	}
	m.size("rotary_dim", &a.RotaryDim, 0)
	m.number("rotary_base", &a.RotaryBase)
}

type flagField struct {
	key string
	p   *bool
}

func attentionFlags(a *Attention) []flagField {
	return []flagField{
		{"differential", &a.Differential}, {"qkv_bias", &a.QKVBias}, {"out_bias", &a.OutBias},
		{"qk_norm", &a.QKNorm}, {"output_gate", &a.OutputGate}, {"sinks", &a.Sinks},
	}
}

func readMamba1(m *yamlMap, width int) *Mamba1 {
	x := &Mamba1{DState: 16, DConv: 4, DtRank: (width + 15) / 16, ConvBias: true}
	expand := 2
	given := m.size("expand", &expand, 1)
	if m.size("d_inner", &x.DInner, 1) {
		if given {
			m.fail(m.line, "give expand or d_inner, not both")
		}
	} else {
		x.DInner = product(expand, width)
	}
	m.size("d_state", &x.DState, 1)
	m.size("d_conv", &x.DConv, 1)
	m.size("dt_rank", &x.DtRank, 1)
	m.boolean("conv_bias", &x.ConvBias)
	m.boolean("proj_bias", &x.ProjBias)
	m.boolean("inner_norms", &x.InnerNorms)
	return x
}

// product multiplies sizes of at most 2³¹ on a 64-bit machine without overflow; past
// MaxDimension it says so by being larger.
func product(a, b int) int {
	if a > MaxDimension || b > MaxDimension {
		return MaxDimension + 1
	}
	return a * b
}

func readMamba2(m *yamlMap, width int) *Mamba2 {
	x := &Mamba2{HeadDim: 64, DState: 128, Groups: 1, DConv: 4, ConvBias: true}
	expand := 2
	given := m.size("expand", &expand, 1)
	m.size("head_dim", &x.HeadDim, 1)
	if m.size("heads", &x.Heads, 1) {
		if given {
			m.fail(m.line, "give expand or heads, not both")
		}
	} else if inner := product(expand, width); x.HeadDim > 0 {
		if x.Heads = inner / x.HeadDim; x.Heads*x.HeadDim != inner {
			m.fail(m.line, "head_dim %d does not divide expand·width %d: set heads", x.HeadDim, inner)
		}
	}
	m.size("d_state", &x.DState, 1)
	m.size("groups", &x.Groups, 1)
	m.size("d_conv", &x.DConv, 1)
	m.boolean("conv_bias", &x.ConvBias)
	m.boolean("proj_bias", &x.ProjBias)
	norm := true
	m.boolean("norm", &norm)
	x.NoNorm = !norm
	return x
}

func readDeltaNet(m *yamlMap) *GatedDeltaNet {
	x := &GatedDeltaNet{DConv: 4}
	m.required("k_heads", &x.KHeads)
	m.required("k_dim", &x.KDim)
	x.VHeads, x.VDim = x.KHeads, x.KDim
	m.size("v_heads", &x.VHeads, 1)
	m.size("v_dim", &x.VDim, 1)
	m.size("d_conv", &x.DConv, 1)
	norm := true
	m.boolean("norm", &norm)
	x.NoNorm = !norm
	return x
}

func (d *yamlMixer) readGMU(m *yamlMap, kind string) {
	g := &GMU{Normed: kind == "ngmu"}
	m.source("memory", d)
	if kind == "sigmoid_gmu" {
		g.Variant, g.From, d.chain = SigmoidGMU, OutputMemory, true
		m.boolean("chain", &d.chain)
		m.boolean("normed", &g.Normed)
	}
	var from string
	if m.str("from", &from) {
		k := slices.Index(memoryNames[1:], from)
		if k < 0 {
			f, _ := m.find("from")
			m.fail(f.line, "unknown memory %q (know %s)", from, strings.Join(memoryNames[1:], ", "))
		}
		g.From = MemoryKind(k + 1)
	}
	m.size("d_mem", &d.dmem, 1)
	d.mixer = g
}

// readFFN reads a feed-forward network, nil for none.
func (r *yamlModel) readFFN(what string, field yamlField) FFN {
	if s, ok := field.value.(*ast.StringNode); ok && s.Value == "none" {
		return nil
	}
	m := r.mapping(what, field.value)
	var kind string
	if !m.str("kind", &kind) {
		m.fail(field.line, "kind is missing")
	}
	var ffn FFN
	switch kind {
	case "swiglu", "mlp":
		x := &MLP{Gated: kind == "swiglu"}
		if !x.Gated {
			x.Act = GELU
		}
		m.required("inner", &x.Inner)
		m.activation(&x.Act)
		m.boolean("bias", &x.Bias)
		ffn = x
	case "moe":
		x := &MoE{Gated: true}
		m.required("experts", &x.Experts)
		m.required("top_k", &x.TopK)
		m.required("inner", &x.Inner)
		m.size("shared_inner", &x.SharedInner, 0)
		m.boolean("gated", &x.Gated)
		m.activation(&x.Act)
		for _, o := range moeFlags(x) {
			m.boolean(o.key, o.p)
		}
		ffn = x
	default:
		m.fail(field.line, "unknown kind %q (know swiglu, mlp, moe; or ffn: none)", kind)
		return nil
	}
	m.finish()
	if r.err == nil {
		if err := ffn.Check(r.model.Width); err != nil {
			m.fail(field.line, "%w", err)
		}
	}
	return ffn
}

func moeFlags(x *MoE) []flagField {
	return []flagField{{"shared_gate", &x.SharedGate}, {"bias", &x.Bias}, {"router_bias", &x.RouterBias}}
}

func (m *yamlMap) activation(p *Activation) {
	var s string
	if !m.str("activation", &s) {
		return
	}
	for a := SiLU; a <= GELU; a++ {
		if a.String() == s {
			*p = a
			return
		}
	}
	f, _ := m.find("activation")
	m.fail(f.line, "%w", fmt.Errorf("unknown activation %q (know silu, relu, relu2, gelu)", s))
}
