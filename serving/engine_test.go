package serving

import (
	"slices"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

func compiled(t testing.TB, model, on string, o costmodel.Options) *costmodel.Compiled {
	t.Helper()
	m, err := models.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	hw, err := hardware.Lookup(on)
	if err != nil {
		t.Fatal(err)
	}
	c, err := costmodel.Compile(m, hw, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The names that are read off the lines of the file are those of the engines in it.
func TestNamesOfTheFile(t *testing.T) {
	var want []string
	for _, e := range engineTable().Engines {
		want = append(want, e.Name)
	}
	if got := Engines(); !slices.Equal(got, want) || len(got) == 0 {
		t.Errorf("%q, want %q", got, want)
	}
}

func deploy(t testing.TB, engine, model, on string, f costmodel.Fidelity, o costmodel.Options, s Settings) *Deployment {
	t.Helper()
	p, err := EngineNamed(engine)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Deploy(p, compiled(t, model, on, o), f, s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ptr[T any](v T) *T { return &v }

// The worked table: what Phi-4-mini-flash and Phi-4-mini take under vLLM V0 on an A100,
// where the architecture would allow 363 sequences of 34,000 tokens.
func TestWorkedTableV0(t *testing.T) {
	d := deploy(t, "vllm-0.7", "phi4-mini-flash", "a100-80gb", costmodel.Calibrated, costmodel.Options{}, Settings{})
	l := d.Limits
	if l.Layout.BlockBytes != 16*46080 || l.Layout.Need(34000) != 2125 || l.Layout.StateBytes != 1751040 {
		t.Errorf("blocks of %g B, %d for 34,000 tokens, states of %g B; want 737280, 2125, 1751040", l.Layout.BlockBytes, l.Layout.Need(34000), l.Layout.StateBytes)
	}
	if fit := l.Blocks / l.Layout.Need(34000); fit < 37 || fit > 41 {
		t.Errorf("%d sequences of 34,000 tokens fit, want about 39", fit)
	}
	d = deploy(t, "vllm-0.7", "phi4-mini", "a100-80gb", costmodel.Calibrated, costmodel.Options{}, Settings{})
	l = d.Limits
	if l.Budget != 131072 || l.Chunked {
		t.Errorf("a budget of %d, chunked %v; want 131,072 whole: its declared window keeps chunking off", l.Budget, l.Chunked)
	}
	if fit := float64(l.Blocks) / float64(l.Layout.Need(34000)); fit < 12.7 || fit > 13.7 {
		t.Errorf("%.1f sequences of 34,000 tokens fit, want about 13.2", fit)
	}
}

// V1's groups and pages, worked by hand from kv_cache_utils.py.
func TestWorkedTableV1(t *testing.T) {
	full := func(layers int, perToken float64) CacheLayers {
		return CacheLayers{Kind: FullCache, Layers: layers, PerToken: perToken}
	}
	window := func(layers int, perToken float64, w int) CacheLayers {
		return CacheLayers{Kind: WindowCache, Layers: layers, PerToken: perToken, Window: w}
	}
	state := func(layers int, bytes float64) CacheLayers {
		return CacheLayers{Kind: StateCache, Layers: layers, State: bytes}
	}
	for _, c := range []struct {
		name   string
		layers []CacheLayers
		groups int
		block  int     // tokens of a block of full attention
		bytes  float64 // of one block id
		need   int     // blocks of 34,000 tokens
	}{
		{"Llama-3.1-8B", []CacheLayers{full(32, 4096)}, 1, 16, 32 * 16 * 4096, 2125},
		// 8 window, 1 full and 9 state groups of one layer: 709 + 8·12 + 9.
		{"Phi-4-mini-flash", []CacheLayers{window(8, 5120, 512), full(1, 5120), state(9, 194560)}, 18, 48, 245760, 814},
		// 10 full layers set the group; 52 windowed ones make 6, the last padded: 2125 + 6·(64+1).
		{"Gemma-3-27B", []CacheLayers{full(10, 8192), window(52, 8192, 1024)}, 7, 16, 10 * 16 * 8192, 2125 + 6*65},
		// 4 attention and 28 Mamba layers; 311,296 B of state need 80 tokens of 4,096 B: 425 + 7.
		{"Jamba-1.5-mini", []CacheLayers{full(4, 4096), state(28, 311296)}, 8, 80, 4 * 80 * 4096, 432},
		// 12 full and 36 DeltaNet layers; the engine logs "attention block size 544".
		{"Qwen3-Next", []CacheLayers{full(12, 2048), state(36, 49152+1048576)}, 4, 544, 12 * 544 * 2048, 63 + 3},
		// 12 and 12 in two groups: 2125 + 8+1.
		{"gpt-oss-20b", []CacheLayers{full(12, 2048), window(12, 2048, 128)}, 2, 16, 12 * 16 * 2048, 2134},
		// The most layers where that is under 1.5 times the fewest: 13 and 10 give groups of 13.
		{"13 and 10", []CacheLayers{full(13, 1000), window(10, 1000, 100)}, 2, 16, 13 * 16 * 1000, 2125 + 8},
		// A page of half the bytes gets a block of twice the tokens.
		{"unequal pages", []CacheLayers{full(4, 2000), window(4, 1000, 100)}, 2, 16, 4 * 16 * 2000, 2125 + 5},
	} {
		l, err := Unified(c.layers, 16, 2048)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(l.Groups) != c.groups || l.block != c.block || l.BlockBytes != c.bytes || l.Need(34000) != c.need {
			t.Errorf("%s: %d groups, blocks of %d tokens and %g B, %d for 34,000 tokens; want %d, %d, %g, %d", c.name, len(l.Groups), l.block, l.BlockBytes, l.Need(34000), c.groups, c.block, c.bytes, c.need)
		}
	}
	if _, err := Unified([]CacheLayers{full(4, 2000), window(4, 1500, 100)}, 16, 2048); err == nil {
		t.Error("pages that do not divide were taken")
	}
}

// Presets give the caches of the worked table.
func TestCacheOf(t *testing.T) {
	got := CacheOf(compiled(t, "phi4-mini-flash", "a100-80gb", costmodel.Options{}))
	want := map[CacheLayers]bool{
		{Kind: WindowCache, Layers: 8, PerToken: 5120, Window: 512}: true,
		{Kind: FullCache, Layers: 1, PerToken: 5120}:                true,
		{Kind: StateCache, Layers: 9, State: 194560}:                true,
	}
	if len(got) != len(want) {
		t.Errorf("got %+v", got)
	}
	for _, l := range got {
		if !want[l] {
			t.Errorf("a cache that was not expected: %+v", l)
		}
	}
}

// Block counts that vLLM logged are predicted within 1 %.
func TestPredictedBlocks(t *testing.T) {
	d := deploy(t, "vllm-0.15.1", "mixtral-8x7b", "h100-sxm", costmodel.Calibrated, costmodel.Options{TP: 2}, Settings{MaxNumSeqs: ptr(128), MaxNumBatchedTokens: ptr(2048)})
	near(t, "blocks of Mixtral on two H100", float64(d.Limits.Blocks), 27510, 0.01)
}

// More sequences than the pool has states is what the engine refuses.
func TestStatesLimitSequences(t *testing.T) {
	p, err := EngineNamed("vllm")
	if err != nil {
		t.Fatal(err)
	}
	c := compiled(t, "nemotron-3-nano-30b-a3b", "h100-sxm", costmodel.Options{})
	d, err := Deploy(p, c, costmodel.Roofline, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Limits.Seqs >= 1024 || len(d.Notes) != 2 {
		t.Errorf("%d sequences at once, told %q", d.Limits.Seqs, d.Notes)
	}
	if _, err := Deploy(p, c, costmodel.Roofline, Settings{MaxNumSeqs: ptr(1024)}); err == nil {
		t.Error("1,024 sequences were taken, more than the pool has states")
	}
}

func TestEngineNames(t *testing.T) {
	for name, want := range map[string]string{"": DefaultEngine, "vllm": "vllm-0.19", "vllm-0.7.3": "vllm-0.7", "vllm-0.8.5": "vllm-0.8", "vllm-0.11.2": "vllm-0.8", "vllm-0.15.1": "vllm-0.14", "vllm-0.12.0": "vllm-0.8", "vLLM-0.24.0": "vllm-0.19", "sglang-0.5.1.post1": "sglang", "sglang-0.5.6.post2": "sglang-0.5.6", "sglang": "sglang", "trtllm-1.0.0rc3": "trtllm", "trtllm-max-utilization": "trtllm-max-utilization", "ideal": "ideal"} {
		p, err := EngineNamed(name)
		if err != nil || p.Name != want {
			t.Errorf("%q is %v (%v), want %s", name, p, err, want)
		}
	}
	for _, name := range []string{"tgi", "vllm-x", "vllm-0.1", "vllm-9", "vllm-1.0", "sglang-1.2", "trtllm-2"} {
		if _, err := EngineNamed(name); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

// One client with fixed lengths is the analytic generation: to 1e-9 at roofline, 0.1 %
// calibrated, where generations are sums by quadrature.
func TestOneClientIsTheAnalyticGeneration(t *testing.T) {
	for _, model := range []string{"llama-3.1-8b", "phi4-mini-flash", "gpt-oss-20b"} {
		for f, rel := range map[costmodel.Fidelity]float64{costmodel.Limit: 1e-9, costmodel.Roofline: 1e-9, costmodel.Calibrated: 1e-3} {
			c := compiled(t, model, "h200", costmodel.Options{Engine: "ideal"})
			p, err := EngineNamed("ideal")
			if err != nil {
				t.Fatal(err)
			}
			d, err := Deploy(p, c, f, Settings{})
			if err != nil {
				t.Fatal(err)
			}
			const prompt, generate = 2000, 3000
			load := Load{Prompt: Lengths{Mean: prompt}, Generate: Lengths{Mean: generate}, Requests: 2, Concurrency: 1}
			for _, single := range []bool{false, true} {
				r, err := Run(t.Context(), d.Limits, d.Price, load.Source(), Options{Single: single})
				if err != nil {
					t.Fatal(err)
				}
				x := c.At(f)
				q := r.Requests[0]
				near(t, model+" "+f.String()+": time to first token", q.TTFT(), x.Prefill(costmodel.Workload{Prompt: prompt, Batch: 1}), rel)
				near(t, model+" "+f.String()+": decode", q.End-q.First, x.Generation(costmodel.Workload{Prompt: prompt, Generate: generate - 1, Batch: 1}), rel)
			}
		}
	}
}

func BenchmarkReal(b *testing.B) {
	for _, f := range []costmodel.Fidelity{costmodel.Roofline, costmodel.Calibrated} {
		d := deploy(b, "vllm-0.14", "llama-3.1-8b", "h200", f, costmodel.Options{}, Settings{})
		p := d.Price()
		s := Step{Decodes: 60, Contexts: 60 * 500, Chunks: []Chunk{{300, 0}}}
		b.Run(f.String()+"/mixed", func(b *testing.B) {
			for b.Loop() {
				s.Contexts++
				p.Mixed(&s)
			}
		})
		s.Chunks = nil
		b.Run(f.String()+"/run", func(b *testing.B) {
			for b.Loop() {
				s.Contexts++
				p.Run(&s, 30)
			}
		})
		b.Run(f.String()+"/mixed8", func(b *testing.B) {
			s.Chunks = []Chunk{{300, 0}, {200, 0}, {100, 0}, {80, 0}, {300, 0}, {200, 0}, {100, 0}, {80, 0}}
			for b.Loop() {
				s.Contexts++
				p.Mixed(&s)
			}
		})
	}
}

// An engine that is looked up is the caller's: changing it changes nobody else's.
func TestNamedEnginesAreCopies(t *testing.T) {
	for _, name := range []string{"vllm-0.14", "vllm-0.11"} {
		p, err := EngineNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		was := p.Name
		p.Name = "mine"
		if q, err := EngineNamed(name); err != nil || q.Name != was {
			t.Errorf("%s is called %v now: %v", name, q, err)
		}
	}
}

// Differential attention as four plain passes launches its kernels four times.
func TestLaunchesOfPasses(t *testing.T) {
	fused := launchesOf(compiled(t, "phi4-mini-flash", "h100-sxm", costmodel.Options{Diff: execution.Fused}))
	four := launchesOf(compiled(t, "phi4-mini-flash", "h100-sxm", costmodel.Options{Diff: execution.FourPass}))
	const differential = 16 // 8 with a window, 1 full and 7 that read its cache
	if got := four - fused; got != 3*differential {
		t.Errorf("four passes launch %g kernels more, want 3 for each of %d layers", got, differential)
	}
}
