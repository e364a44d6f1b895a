package claims

import (
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
)

// cause is one way in which the paper's measured run may have differed from two models on an
// engine that runs every step as a CUDA graph, never runs out of cache and reads each kv head
// once.
type cause struct {
	name, says string
	instead    string // of causes with the same text, at most one applies
	apply      func(*comparison)
}

// comparison says how two simulated models are compared.
type comparison struct {
	mha     bool
	metric  metric
	changes []func(*run)
}

type metric uint8

func causes() []cause {
	on := func(f func(*run)) func(*comparison) {
		return func(c *comparison) { c.changes = append(c.changes, f) }
	}
	return []cause{
		{"unpacked", "K and V are read once per query head where a window is set or declared, at the speed measured of such kernels", "reads",
			on(func(r *run) { r.deploy.KVRead = execution.PackedUnlessWindowed })},
		{"unsplit", "K and V are read once per query head where a window is set or declared, by the call over pages that does not share a sequence's keys among blocks (vLLM's V1 engine), at the speed measured of it", "reads",
			on(func(r *run) { r.deploy.KVRead = execution.UnsplitIfWindowed })},
		{"uncached", "K and V are read once per query head where a window is set or declared, every time from memory, which measured kernels do only at many sequences", "reads",
			on(func(r *run) { r.deploy.KVRead, r.datasheet = execution.PackedUnlessWindowed, true })},
		{"four-pass", "differential attention runs as four plain passes", "", on(func(r *run) { r.deploy.Diff = execution.FourPass })},
		{"eager", "steps with more than 8,192 tokens of context run outside CUDA graphs", "", on(func(r *run) { r.anyGraph = false })},
		{"capacity", "the cache is what vLLM 0.7.3 gives, and a request waits until all its blocks are free", "cache",
			on(func(r *run) { r.endless, r.promised = false, true })},
		{"preemption", "the cache is what vLLM 0.7.3 gives, and a sequence that finds none left loses its own and is computed again", "cache",
			on(func(r *run) { r.endless = false })},
		{"aligned", "all clients begin at once with requests of one length", "", on(func(r *run) { r.aligned = true })},
		{"mha-baseline", "the baseline has a kv head for every query head", "", func(c *comparison) { c.mha = true }},
		{"same-latency", "throughputs are compared at the same latency, not the same number of clients", "metric", func(c *comparison) { c.metric = sameLatency }},
		{"largest-batch", "each model runs as many sequences as fit, not the same 1–16", "metric", func(c *comparison) { c.metric = largestBatches }},
	}
}

// found holds the result of a set of causes.
type found struct {
	names   []string
	gain    float64
	clients int // clients of the baseline where the gain is largest
}

func (f *found) name() string {
	if len(f.names) == 0 {
		return "none"
	}
	return strings.Join(f.names, " + ")
}

// within reports whether a set compares the two released models with 1 to 16 clients.
func (f *found) within() bool {
	return !slices.Contains(f.names, "mha-baseline") && !slices.Contains(f.names, "largest-batch")
}

// pairOf returns the two runs that a set of causes compares.
func (a *auditor) pairOf(set []cause, w costmodel.Workload) (model, base run, how metric, err error) {
	var c comparison
	for _, x := range set {
		x.apply(&c)
	}
	d := a.deploy
	d.KVRead, d.Diff = execution.Packed, execution.Fused
	r := run{engine: claimEngine, deploy: d, prompt: w.Prompt, generate: w.Generate, anyGraph: true, endless: true}
	for _, f := range c.changes {
		f(&r)
	}
	model, base = r, r
	model.model = flash
	s := setup{baseline: phi, mha: c.mha}
	if err = a.chooseBaseline(&s); err != nil {
		return
	}
	base.model = s.baseline
	base.deploy.Diff = execution.Fused // Phi4-mini has no differential attention; a fixed value makes these one run, not two
	return model, base, c.metric, nil
}

// causesOf simulates all sets of causes, the smallest first.
func (a *auditor) causesOf(w costmodel.Workload) ([]found, error) {
	sets := setsOf(causes(), func(c cause) string { return c.instead })
	var all []run
	fill := func(r run) (run, error) {
		if !r.endless {
			return r, nil // 0 clients stands for as many as fit the engine's cache
		}
		p, err := a.of(r.model, r.deploy)
		if err != nil {
			return r, err
		}
		full, _ := p.Fill(costmodel.Workload{Prompt: w.Prompt, Generate: w.Generate})
		r.clients = full.Batch
		return r, nil
	}
	for _, set := range sets {
		model, base, how, err := a.pairOf(set, w)
		if err != nil {
			return nil, err
		}
		for _, r := range []run{model, base} {
			if how != largestBatches {
				all = append(all, r.curve()...)
				continue
			}
			if r, err = fill(r); err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	if err := a.serveAll(all); err != nil {
		return nil, err
	}
	var out []found
	for _, set := range sets {
		var f found
		for _, c := range set {
			f.names = append(f.names, c.name)
		}
		model, base, how, err := a.pairOf(set, w)
		if err != nil {
			return nil, err
		}
		switch how {
		case sameClients:
			f.gain, f.clients, err = a.gain(model, base)
		case sameLatency:
			f.gain, f.clients, err = a.gainAtLatency(model, base)
		case largestBatches:
			if model, err = fill(model); err != nil {
				break
			}
			base, err = fill(base)
			f.gain, f.clients = a.served[model].Throughput/a.served[base].Throughput, a.served[base].Clients
		}
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// reaching returns, among the smallest sets that reach a figure, the one with the largest gain;
// nil where no set reaches the figure.
func reaching(fs []found, reach float64, ok func(*found) bool) *found {
	var best *found
	for i := range fs {
		f := &fs[i]
		if f.gain < reach || !ok(f) {
			continue
		}
		if best == nil || len(f.names) == len(best.names) && f.gain > best.gain {
			best = f
		}
	}
	return best
}

// saysOf describes the causes of a set in words.
func saysOf(f *found) string {
	var s []string
	for _, n := range f.names {
		for _, c := range causes() {
			if c.name == n {
				s = append(s, c.says)
			}
		}
	}
	if len(s) == 0 {
		return "nothing is changed"
	}
	return strings.Join(s, "; and ")
}

// causeGrid tabulates the single causes, the pairs of causes with the largest gains, and the sets
// in also.
func causeGrid(fs []found, also ...*found) Grid {
	g := Grid{Title: "Simulated: what would make it so, on an engine that else captures every step and never runs out of cache", Over: "causes",
		Columns: []GridColumn{{"speedup", "×"}, {"baseline's clients", "count"}}}
	seen := map[string]bool{}
	add := func(f *found) {
		if f == nil || seen[f.name()] {
			return
		}
		seen[f.name()] = true
		g.Rows = append(g.Rows, GridRow{f.name(), []float64{f.gain, float64(f.clients)}})
	}
	best := map[int]*found{}
	for i := range fs {
		f := &fs[i]
		if len(f.names) < 2 {
			add(f)
		}
		if n := len(f.names); f.within() && (best[n] == nil || f.gain > best[n].gain*(1+1e-9)) {
			best[n] = f
		}
	}
	for _, f := range also {
		add(f)
	}
	for n := 2; best[n] != nil; n++ {
		if best[n].gain > best[n-1].gain*1.005 {
			add(best[n])
		}
	}
	return g
}
