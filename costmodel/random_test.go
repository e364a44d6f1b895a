package costmodel

import (
	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
)

// testGPU is a device whose ridge point is low enough that small random models are bound
// by compute in some operations and by memory in others.
func testGPU() *hardware.Profile {
	f := func(v float64) hardware.Figure { return hardware.Figure{Value: v, Source: "test"} }
	return &hardware.Profile{Name: "test-gpu",
		Peak: map[precision.DType]hardware.Figure{
			precision.BF16: f(40e12), precision.FP16: f(40e12), precision.FP32: f(3e12), precision.FP8: f(80e12)},
		MemoryBandwidth: f(2e12), MemoryCapacity: f(80e9), Cache: f(40e6), Units: f(100),
		LinkBandwidth: f(300e9), MaxLinked: f(8), NetworkBandwidth: f(25e9), TDP: f(400)}
}

// drawModel makes any decoder the types allow, of small size.
func drawModel(t *rapid.T) *arch.Model {
	w := rapid.SampledFrom([]int{32, 64, 96}).Draw(t, "width")
	m := &arch.Model{Name: "random", Width: w, Vocab: rapid.IntRange(16, 300).Draw(t, "vocab"),
		Tied: rapid.Bool().Draw(t, "tied"), Norm: arch.NormKind(rapid.IntRange(0, 1).Draw(t, "norm"))}
	n := rapid.IntRange(1, 10).Draw(t, "layers")
	for i := range n {
		m.Layers = append(m.Layers, arch.Layer{Mixer: drawMixer(t, m, i), FFN: drawFFN(t)})
	}
	if err := m.Check(); err != nil {
		t.Fatalf("generator made a bad model: %v", err)
	}
	return m
}

func drawAttention(t *rapid.T) arch.Attention {
	kv := 4 * rapid.IntRange(1, 2).Draw(t, "kv")
	hd := rapid.SampledFrom([]int{4, 8, 16}).Draw(t, "head_dim")
	a := arch.Attention{Heads: 2 * kv * rapid.IntRange(1, 3).Draw(t, "group"), KVHeads: kv, HeadDim: hd,
		Window: rapid.SampledFrom([]int{0, 0, 5, 16, 64}).Draw(t, "window"), Differential: rapid.Bool().Draw(t, "diff"),
		QKVBias: rapid.Bool().Draw(t, "bias"), OutBias: rapid.Bool().Draw(t, "obias"), QKNorm: rapid.Bool().Draw(t, "qknorm"),
		OutputGate: rapid.Bool().Draw(t, "gate"), Sinks: rapid.Bool().Draw(t, "sinks"),
		RotaryDim: rapid.SampledFrom([]int{0, hd / 2, hd}).Draw(t, "rotary"), RotaryBase: 10000}
	a.Chunked = a.Window > 0 && rapid.Bool().Draw(t, "chunked")
	return a
}

func drawMixer(t *rapid.T, m *arch.Model, i int) arch.Mixer {
	switch rapid.IntRange(0, 15).Draw(t, "mixer") {
	case 15: // of any kind without a cache, which this list need not know: a new one is drawn as it is
		kinds := arch.MixerKinds()
		blank := kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")].Blank
		if _, reads := blank.(arch.MemoryReader); reads {
			break
		}
		x := arch.EditFields(blank, func(fields []arch.Field) {
			for _, f := range fields {
				switch p := f.Value.(type) {
				case *int:
					*p = 8 * rapid.IntRange(1, 2).Draw(t, f.Key) // eight ranks divide heads and pairs of them
				case *bool:
					*p = rapid.Bool().Draw(t, f.Key)
				}
			}
		})
		if x.Check(m.Width) == nil && x.Stores().CacheElements == 0 {
			return x
		}
	case 14:
		return arch.RWKV5{Heads: 4, HeadDim: rapid.IntRange(1, 8).Draw(t, "hd"), Stream: m.Width}
	case 13:
		return arch.MLSTM{Heads: 4, KDim: rapid.IntRange(1, 8).Draw(t, "k"), VDim: rapid.IntRange(1, 8).Draw(t, "v"), GateCap: 15}
	case 12:
		return arch.RWKV4{Inner: 4 * rapid.IntRange(1, 20).Draw(t, "inner"), Stream: m.Width}
	case 11:
		return arch.RWKVChannelMix{Inner: 4 * rapid.IntRange(1, 20).Draw(t, "inner"), Stream: m.Width}
	case 10:
		return arch.RGLRU{Heads: 4, HeadDim: rapid.IntRange(1, 8).Draw(t, "hd"), DConv: rapid.IntRange(1, 4).Draw(t, "conv"), Act: arch.GELUTanh}
	case 9:
		return arch.KDA{Heads: 4, HeadDim: rapid.IntRange(1, 8).Draw(t, "hd"), DConv: rapid.IntRange(1, 4).Draw(t, "conv")}
	case 8:
		return arch.Lightning{Heads: 4, HeadDim: rapid.IntRange(1, 8).Draw(t, "hd")}
	case 7:
		return arch.ShortConv{Channels: m.Width, DConv: rapid.IntRange(1, 4).Draw(t, "conv"), Bias: rapid.Bool().Draw(t, "bias")}
	case 0:
		return arch.Mamba1{DInner: 2 * m.Width, DState: rapid.IntRange(1, 8).Draw(t, "n"), DConv: rapid.IntRange(1, 4).Draw(t, "conv"),
			DtRank: rapid.IntRange(1, 6).Draw(t, "dtr"), ConvBias: true, InnerNorms: rapid.Bool().Draw(t, "norms")}
	case 1:
		return arch.Mamba2{Heads: 4, HeadDim: 8, DState: rapid.IntRange(1, 8).Draw(t, "n"), Groups: 2, DConv: 4, NoNorm: rapid.Bool().Draw(t, "nonorm")}
	case 2:
		return arch.GatedDeltaNet{KHeads: 4, VHeads: 8, KDim: 8, VDim: 6, DConv: 4}
	case 3, 4:
		if g := drawGMU(t, m, i); g != nil {
			return g
		}
	case 5:
		if a := drawCross(t, m, i); a != nil {
			return a
		}
	}
	return drawAttention(t)
}

func drawGMU(t *rapid.T, m *arch.Model, i int) arch.Mixer {
	var from []arch.GMU
	for s := range i {
		for k := arch.ScanMemory; k <= arch.OutputMemory; k++ {
			if w := m.MemoryWidth(s, k); w > 0 {
				g := arch.GMU{Memory: arch.To(s), From: k, DMem: w}
				if k == arch.OutputMemory {
					g.Variant = arch.SigmoidGMU
				}
				from = append(from, g)
			}
		}
	}
	if len(from) == 0 {
		return nil
	}
	g := rapid.SampledFrom(from).Draw(t, "memory")
	g.Normed = g.Variant != arch.SigmoidGMU && rapid.Bool().Draw(t, "normed")
	return g
}

func drawCross(t *rapid.T, m *arch.Model, i int) arch.Mixer {
	for s := range i {
		a, ok := arch.AttentionAlone(m.Layers[s].Mixer)
		if ok && !a.Cross() && rapid.Bool().Draw(t, "of") {
			c := a
			c.KVSource = arch.To(s)
			return c
		}
	}
	return nil
}

func drawFFN(t *rapid.T) arch.FFN {
	in := 8 * rapid.IntRange(1, 8).Draw(t, "inner")
	act := arch.Activation(rapid.IntRange(0, 3).Draw(t, "act"))
	switch rapid.IntRange(0, 3).Draw(t, "ffn") {
	case 0:
		e := rapid.SampledFrom([]int{1, 2, 3, 4, 6, 8, 8}).Draw(t, "experts")
		return arch.MoE{Experts: e, TopK: rapid.IntRange(1, e).Draw(t, "k"), Inner: in, Gated: rapid.Bool().Draw(t, "g"),
			SharedInner: rapid.SampledFrom([]int{0, 16}).Draw(t, "shared"), SharedGate: rapid.Bool().Draw(t, "sg"), Act: act}
	case 1:
		return arch.MLP{Inner: in, Act: act, Bias: true}
	}
	return arch.MLP{Inner: in, Gated: true, Act: act}
}

func drawOptions(t *rapid.T) Options {
	return Options{
		Weights: rapid.SampledFrom([]formats.Format{{}, formats.Of(precision.BF16), formats.Of(precision.FP8), formats.Of(precision.INT4)}).Draw(t, "weights"),
		KV:      rapid.SampledFrom([]precision.DType{precision.Unset, precision.FP8}).Draw(t, "kvtype"),
		KVRead:  execution.KVRead(rapid.IntRange(0, 2).Draw(t, "kvread")), Diff: execution.DiffKernel(rapid.IntRange(0, 1).Draw(t, "diffk")),
		Prefill: execution.PrefillMode(rapid.IntRange(0, 1).Draw(t, "prefill")), TP: rapid.SampledFrom([]int{1, 2, 4}).Draw(t, "tp"),
	}
}

// drawDeployment adds stages, groups and spread experts to options, as far as the model allows.
func drawDeployment(t *rapid.T, m *arch.Model, o Options) Options {
	o.PP = rapid.IntRange(1, min(4, len(m.Layers))).Draw(t, "pp")
	o.DP = rapid.IntRange(1, 4).Draw(t, "dp")
	if 8%max(o.TP, 1) != 0 {
		t.Fatal("groups that do not fill nodes")
	}
	o.Microbatches = rapid.IntRange(0, 5).Draw(t, "microbatches")
	if o.PP == 1 {
		o.Microbatches = 0
	}
	var eps []int
	most := 0.0 // largest skew that the experts allow
	for ep := 1; ep <= max(o.TP, 1)*o.DP; ep++ {
		x := o
		x.EP = ep
		ok := x.checkRanks() == nil && (ep == 1 || hasExperts(m))
		for _, l := range m.Layers {
			if e, is := l.FFN.(arch.MoE); is {
				ok = ok && e.Experts%ep == 0
				if s := float64(e.Experts) / float64(e.TopK); most == 0 || s < most {
					most = s
				}
			}
		}
		if ok {
			eps = append(eps, ep)
		}
	}
	o.EP = rapid.SampledFrom(eps).Draw(t, "ep")
	if o.EP > 1 && most > 1 && rapid.Bool().Draw(t, "skewed") {
		o.Skew = rapid.Float64Range(1, min(most, float64(o.EP))).Draw(t, "skew")
	}
	return o
}

// compileDeployment is a random model with stages, groups and spread experts.
func compileDeployment(t *rapid.T) *Compiled {
	m := drawModel(t)
	c, err := Compile(m, testGPU(), drawDeployment(t, m, drawOptions(t)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
