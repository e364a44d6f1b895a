package advise

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

const head = `
width: 256
vocab: 1000
layout: %LAYOUT%
mixers:
  mamba: {kind: mamba1}
  ssd: {kind: mamba2, heads: 8, head_dim: 64}
  swa: {kind: attention, heads: 4, kv_heads: 2, head_dim: 64, window: 512}
  full: {kind: attention, heads: 4, kv_heads: 2, head_dim: 64}
  odd: {kind: attention, heads: 4, kv_heads: 2, head_dim: 72}
  cross: {kind: cross, of: cache}
  gmu: {kind: gmu, memory: memory}
  ngmu: {kind: ngmu, memory: memory}
ffn: {kind: swiglu, inner: 1024}
`

func open(t *testing.T, what string) *arch.Model {
	t.Helper()
	var m *arch.Model
	var err error
	if strings.Contains(what, "@") {
		m, err = modelfile.Parse("test.yaml", []byte(strings.ReplaceAll(head, "%LAYOUT%", what)))
	} else {
		m, err = models.Open(what)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func run(t *testing.T, m *arch.Model, edit func(*Options)) *Report {
	t.Helper()
	hw, err := hardware.Open("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Model: m, Argument: m.Name, Hardware: hw, Load: costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: 1}, Fidelity: costmodel.Roofline}
	if edit != nil {
		edit(&o)
	}
	r, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What each rule says of a design made to trip it, and of one made not to.
func TestRules(t *testing.T) {
	batch := func(n int) func(*Options) { return func(o *Options) { o.Load.Batch = n } }
	generate := func(n int) func(*Options) { return func(o *Options) { o.Load.Generate = n } }
	deploy := func(d costmodel.Options) func(*Options) { return func(o *Options) { o.Deploy = d } }
	for _, x := range []struct {
		model, rule string
		edit        func(*Options)
		want        Severity
		gain        bool
	}{
		{"phi4-mini-flash", "gmu-ratio", nil, Fine, false},
		{"sambay(d=32,gmu_ratio=0.2)", "gmu-ratio", batch(16), Warning, true},
		{"samba-yoco-3.8b", "gmu-ratio", batch(16), Warning, true},
		{"sambay(d=16,gmu_ratio=1)", "gmu-ratio", batch(16), Warning, false},
		{"phi4-mini", "gmu-ratio", nil, Fine, false},
		{"(mamba swa)*3 mamba@memory full@cache gmu*3 cross*3", "gmu-alternating", nil, Warning, false},
		{"(mamba swa)*3 mamba@memory full@cache (gmu cross)*3", "gmu-alternating", nil, Fine, false},
		{"mamba@memory swa (mamba swa)*2 mamba full@cache (gmu cross)*3", "memory-source", nil, Warning, false},
		{"(mamba swa)*3 mamba@memory full@cache (gmu cross)*3", "memory-source", nil, Fine, false},
		{"sambay-a(d=16)", "memory-source", nil, Note, false},
		{"(mamba swa)*3 ssd@memory full@cache (gmu cross)*3", "ngmu", nil, Warning, false},
		{"(mamba swa)*3 ssd@memory full@cache (ngmu cross)*3", "ngmu", nil, Warning, false},
		{"sambay-2(d=16)", "ngmu", nil, Fine, false},
		{"gdny(d=16)", "ngmu", nil, Fine, false},
		{"(mamba swa)*6 mamba@memory full@cache (gmu cross)", "self-decoder-depth", func(o *Options) { o.Load.Prompt, o.Load.Generate = 32000, 500 }, Warning, true},
		{"mamba@memory full@cache (gmu cross)*7", "self-decoder-depth", nil, Warning, false},
		{"phi4-mini", "cache-owners", nil, Warning, true},
		{"qwen3.5-27b", "cache-owners", nil, Warning, true},
		{"samba(d=16)", "cache-owners", nil, Fine, false},
		{"sambay(d=16,window=64)", "window", nil, Warning, false},
		{"sambay(d=16,window=256)", "window", nil, Note, false},
		{"sambay(d=16,window=4096)", "window", batch(16), Note, true},
		{"sambay(d=16,window=64Ki)", "window", batch(16), Warning, true},
		{"phi4-mini-flash", "window", nil, Fine, false},
		{"llama-3.1-8b", "width", nil, Fine, false},
		{"phi4-mini", "width", nil, Note, false},
		{"phi4-mini", "memory-fit", batch(64), Warning, false},
		{"phi4-mini-flash", "memory-fit", batch(64), Fine, false},
		{"phi4-mini-flash", "batch-weights", nil, Note, true},
		{"phi4-mini-flash", "batch-weights", batch(64), Fine, false},
		{"phi4-mini-flash", "batch-cache", batch(64), Note, false},
		{"phi4-mini-flash", "batch-cache", nil, Fine, false},
		{"phi4-mini-flash", "generation-length", nil, Fine, false},
		{"phi4-mini-flash", "generation-length", func(o *Options) { o.Load.Prompt, o.Load.Generate = 16, 64 }, Warning, false},
		{"phi4-mini-flash", "generation-length", func(o *Options) { o.Load.Batch, o.Load.Generate = 16, 256 }, Note, false},
		{"phi4-mini", "generation-length", generate(64), Fine, false},
		{"phi4-mini-flash", "kernels", deploy(costmodel.Options{Diff: execution.FourPass}), Warning, true},
		{"phi4-mini-flash", "kernels", deploy(costmodel.Options{Prefill: execution.Full}), Warning, true},
		{"phi4-mini-flash", "kernels", nil, Fine, false},
		{"phi4-mini", "kv-precision", nil, Note, true},
		{"mambay(d=16)", "state-precision", batch(1), Fine, false},
		{"phi4-mini-flash", "tensor-parallel", nil, Note, false},
		{"llama-3.1-8b", "tensor-parallel", nil, Fine, false},
		{"sambay(d=16)", "tensor-parallel", deploy(costmodel.Options{TP: 8}), Warning, true},
		{"odd@cache cross", "head-dim", nil, Note, false},
		{"phi4-mini", "learning-rate", nil, Note, false},
		{"sambay(d=16)", "learning-rate", nil, Fine, false},
		{"phi4-mini", "latency-apart", nil, Note, false},
		{"phi4-mini", "binds", nil, Note, true},
	} {
		v := run(t, open(t, x.model), x.edit).Find(x.rule)
		if v.Severity != x.want || (len(v.Gains) > 0) != x.gain {
			t.Errorf("%s on %s: %s, gains %v (%s), want %s, gain %v", x.rule, x.model, v.Severity, v.Gains, v.Measured, x.want, x.gain)
		}
		if v.Measured == "" || v.Severity != Fine && v.Change == "" {
			t.Errorf("%s on %s: measured %q, change %q", x.rule, x.model, v.Measured, v.Change)
		}
	}
}

// The released model under the load it was made for: nothing above a note.
func TestFlashIsFine(t *testing.T) {
	for _, b := range []int{1, 8, 16} {
		r := run(t, open(t, "phi4-mini-flash"), func(o *Options) { o.Load.Batch = b })
		for _, v := range r.Advice {
			if v.Severity == Warning {
				t.Errorf("batch %d: %s warns: %s", b, v.ID, v.Measured)
			}
		}
	}
}

// Every rule has an id of its own, a source, and runs on every preset; whatever model it
// writes reads back and checks.
func TestEveryPreset(t *testing.T) {
	ids := map[string]bool{}
	for _, id := range Rules() {
		if ids[id] {
			t.Errorf("%s is twice", id)
		}
		ids[id] = true
	}
	for _, p := range models.Presets() {
		r := run(t, open(t, p.Name), nil)
		if len(r.Advice) != len(ids) {
			t.Errorf("%s: %d advices for %d rules", p.Name, len(r.Advice), len(ids))
		}
		for _, v := range r.Advice {
			for _, g := range v.Gains {
				if !(g.Factor >= worthwhile) || math.IsInf(g.Factor, 0) {
					t.Errorf("%s: %s promises %+v", p.Name, v.ID, g)
				}
			}
			if v.YAML == "" {
				continue
			}
			m, err := modelfile.Parse("advice.yaml", []byte(v.YAML))
			if err != nil {
				t.Errorf("%s: %s: %v", p.Name, v.ID, err)
			} else if m.Summary() != v.Layout {
				t.Errorf("%s: %s writes %s, says %s", p.Name, v.ID, m.Summary(), v.Layout)
			}
		}
	}
}

// Rules take any family, split and load that estimate takes.
func TestEveryFamily(t *testing.T) {
	hw, err := hardware.Open("h200")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range family.Families() {
		for _, o := range []string{"(d=8)", "(d=16,kv_heads=2)", "(d=32,differential=true)"} {
			m, err := models.Open(f.Name + o)
			if err != nil {
				t.Fatal(err)
			}
			for _, tp := range []int{1, 2, 8} {
				deploy := costmodel.Options{TP: tp}
				if _, err := costmodel.Compile(m, hw, deploy); err != nil {
					continue
				}
				for _, w := range []costmodel.Workload{{Prompt: 0, Generate: 1, Batch: 1}, {Prompt: 2000, Generate: 32000}, {Prompt: 1 << 20, Generate: 1, Batch: 4096}} {
					for i := range costmodel.Fidelities() {
						r, err := Run(context.Background(), Options{Model: m, Argument: m.Name, Hardware: hw, Deploy: deploy, Load: w, Fidelity: costmodel.Fidelity(i)})
						if err != nil {
							t.Fatalf("%s, tp %d, %+v: %v", m.Name, tp, w, err)
						}
						for _, v := range r.Advice {
							if math.IsNaN(v.Value) || math.IsInf(v.Value, 0) || strings.Contains(v.Measured+v.Change, "NaN") || strings.Contains(v.Measured, "%!") {
								t.Errorf("%s, tp %d, %+v: %s: %g, %s", m.Name, tp, w, v.ID, v.Value, v.Measured)
							}
						}
					}
				}
			}
		}
	}
}

// A SambaY made of a Transformer has the released model's layout, one owner, and the
// Transformer's width and attention.
func TestHybrid(t *testing.T) {
	m := open(t, "phi4-mini")
	h, err := hybrid(m)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := h.Summary(), open(t, "phi4-mini-flash").Summary(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	ha, _ := pattern(h)
	ma, _ := pattern(m)
	if len(owners(h)) != 1 || h.Width != m.Width || ha.KVHeads != ma.KVHeads {
		t.Errorf("%d owners, width %d", len(owners(h)), h.Width)
	}
	if len(owners(m)) != 32 {
		t.Error("the original changed")
	}
	if _, err := hybrid(open(t, "phi4-mini-flash")); err == nil {
		t.Error("a hybrid of a hybrid")
	}
}

func TestBreakEvenAgainst(t *testing.T) {
	phi := open(t, "phi4-mini")
	r := run(t, open(t, "phi4-mini-flash"), func(o *Options) { o.Against = phi })
	v := r.Find("generation-length")
	if r.Against != "phi4-mini" || v.Severity != Fine || v.Value < 4096 || v.Value > 8192 {
		t.Errorf("%s: %+v", r.Against, v)
	}
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	hw, err := hardware.Open("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Run(ctx, Options{Model: open(t, "phi4-mini"), Hardware: hw, Load: costmodel.Workload{Prompt: 1, Generate: 1, Batch: 1}})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
