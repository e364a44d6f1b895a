package claims

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
)

// explanation is one way in which a measured run may have differed from what follows from a
// datasheet and today's kernels.
type explanation struct {
	name, says string
	instead    string // of explanations with the same text, at most one applies
	apply      func(*setup)
}

// setup says how the two models are compared.
type setup struct {
	baseline   string // name of the baseline's model
	deploy     costmodel.Options
	waits      bool // whether clients wait that do not fit together
	unbatched  bool // whether each model runs at its own largest batch instead of with 1 to 16 clients
	mha, equal bool // which baseline to take: one with a kv head for every query head, one with equally many parameters
}

// vllmFraction is vLLM's default gpu_memory_utilization.
const vllmFraction = 0.9

// explanations lists the ways in which the deployment could differ from the present one.
func explanations(now costmodel.Options) []explanation {
	var es []explanation
	for _, k := range []struct {
		to         execution.KVRead
		name, says string
	}{
		{execution.Packed, "packed", "K and V are read once for all query heads of a group"},
		{execution.PackedUnlessWindowed, "unpacked", "K and V are read once per query head on layers that have or declare a window, as FlashAttention-2 did when a window was set"},
		{execution.UnsplitIfWindowed, "unsplit", "K and V are read so and the keys of a sequence are not shared among blocks, as FlashAttention-2's call over pages does when a window is set (vLLM's V1 engine)"},
		{execution.PerQueryHead, "per-query-head", "K and V are read once per query head on every layer of both models"},
	} {
		if k.to != now.KVRead {
			es = append(es, explanation{k.name, k.says, "kernel", func(s *setup) { s.deploy.KVRead = k.to }})
		}
	}
	if now.Diff == execution.Fused {
		es = append(es, explanation{"four-pass", "differential attention runs as four plain passes, K and V read twice", "", func(s *setup) { s.deploy.Diff = execution.FourPass }})
	} else {
		es = append(es, explanation{"fused", "differential attention reads K and V once", "", func(s *setup) { s.deploy.Diff = execution.Fused }})
	}
	return append(es,
		explanation{"capacity", "clients beyond what fits in 90 % of the memory wait", "",
			func(s *setup) { s.waits, s.deploy.MemoryFraction = true, vllmFraction }},
		explanation{"mha-baseline", "the baseline has a kv head for every query head", "", func(s *setup) { s.mha = true }},
		explanation{"equal-parameters", "the baseline's MLP is resized until both models have the same parameters", "", func(s *setup) { s.equal = true }},
		explanation{"largest-batch", "each model runs as many sequences as fit, not the same 1–16", "",
			func(s *setup) { s.waits, s.unbatched = true, true }})
}

// outcome is the result of a set of explanations.
type outcome struct {
	names []string
	peak  map[costmodel.Fidelity]float64 // the largest speedup
	at    map[costmodel.Fidelity]int     // the number of clients of the model where the speedup is largest
	tends map[costmodel.Fidelity]float64 // what the speedup tends to with ever more clients
	cache float64                        // cache bytes read per token of context: the baseline's divided by the model's
}

func (o *outcome) name() string {
	if len(o.names) == 0 {
		return "as deployed"
	}
	return strings.Join(o.names, " + ")
}

// setsOf returns all sets of things that may hold together, the smallest first. Of those that
// instead gives one name other than "", each set has one at most: one stands instead of another.
func setsOf[T any](all []T, instead func(T) string) (sets [][]T) {
	for mask := range 1 << len(all) {
		var set []T
		clash := false
		for i, x := range all {
			if mask>>i&1 == 1 {
				name := instead(x)
				clash = clash || slices.ContainsFunc(set, func(y T) bool { return name != "" && instead(y) == name })
				set = append(set, x)
			}
		}
		if !clash {
			sets = append(sets, set)
		}
	}
	slices.SortStableFunc(sets, func(x, y []T) int { return len(x) - len(y) })
	return sets
}

// explain prices all sets of explanations, the smallest first.
func (a *auditor) explain(w costmodel.Workload) ([]outcome, error) {
	sets := setsOf(explanations(a.deploy), func(e explanation) string { return e.instead })
	var out []outcome
	for _, set := range sets {
		if err := a.ctx.Err(); err != nil {
			return nil, err
		}
		o, err := a.outcome(set, w)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// under sets up the model and its baseline with a set of explanations applied.
func (a *auditor) under(set []explanation) (s setup, model, base Price, err error) {
	s = setup{baseline: phi, deploy: a.deploy}
	for _, e := range set {
		e.apply(&s)
	}
	if err = a.chooseBaseline(&s); err != nil {
		return s, nil, nil, err
	}
	if model, err = a.of(flash, s.deploy); err != nil {
		return s, nil, nil, err
	}
	base, err = a.of(s.baseline, s.deploy)
	return s, model, base, err
}

func (a *auditor) outcome(set []explanation, w costmodel.Workload) (outcome, error) {
	o := outcome{peak: map[costmodel.Fidelity]float64{}, at: map[costmodel.Fidelity]int{}, tends: map[costmodel.Fidelity]float64{}}
	for _, e := range set {
		o.names = append(o.names, e.name)
	}
	s, model, base, err := a.under(set)
	if err != nil {
		return o, err
	}
	for _, f := range a.fids {
		for _, n := range s.clients(model, w) {
			v := s.throughput(model, f, w, n) / s.throughput(base, f, w, n)
			if v > o.peak[f] {
				o.peak[f], o.at[f] = v, n
			}
		}
		o.tends[f] = s.throughput(model, f, w, endless) / s.throughput(base, f, w, endless)
	}
	o.cache = base.Memory(w.WithBatch(1)).CacheReadBytesPerToken / model.Memory(w.WithBatch(1)).CacheReadBytesPerToken
	return o, nil
}

// endless stands for a number of sequences so large that reading weights takes no time in
// comparison.
const endless = 1 << 20

func (s *setup) clients(model Price, w costmodel.Workload) []int {
	if s.unbatched {
		w, _ = model.Fill(w.WithBatch(0))
		return []int{w.Batch}
	}
	var n []int
	for b := 1; b <= mostClients; b++ {
		n = append(n, b)
	}
	return n
}

// throughput returns the tokens a second for a number of clients. Those that do not fit together
// wait until others are done.
func (s *setup) throughput(p Price, f costmodel.Fidelity, w costmodel.Workload, clients int) float64 {
	w.Batch = clients
	if full, _ := p.Fill(w.WithBatch(0)); s.waits {
		w.Batch = min(clients, full.Batch)
	}
	return throughput(p, f, w)
}

// chooseBaseline makes the baseline that a setup asks for.
func (a *auditor) chooseBaseline(s *setup) error {
	if !s.mha && !s.equal {
		return nil
	}
	name := phi
	if s.mha {
		name += ", MHA"
	}
	if s.equal {
		name += ", equal parameters"
	}
	s.baseline = name
	if _, ok := a.models[name]; ok {
		return nil
	}
	m, err := a.model(phi)
	if err != nil {
		return err
	}
	m = m.Clone()
	if s.mha {
		m.MapAttentions(func(_ int, a arch.Attention) arch.Attention {
			a.KVHeads = a.Heads
			return a
		})
	}
	if s.equal {
		to, err := a.model(flash)
		if err != nil {
			return err
		}
		resizeMLP(m, to.Params().Total)
	}
	a.put(name, m)
	return m.Check()
}

// resizeMLP gives every MLP the inner width with which the model has nearest to n parameters;
// that number is linear in the width.
func resizeMLP(m *arch.Model, n int64) {
	at := func(inner int) int64 {
		for i := range m.Layers {
			if f := m.Layers[i].FFN; f != nil && f.Routed() == 0 {
				m.Layers[i].FFN = arch.EditFFNFields(f, func(fields []arch.Field) {
					for _, x := range fields {
						if x.Key == "inner" {
							x.Set(inner)
						}
					}
				})
			}
		}
		return m.Params().Total
	}
	one := at(1)
	each := at(2) - one
	at(max(1+int(math.Round(float64(n-one)/float64(each))), 1))
}

// smallest returns the first outcome that reaches the figure, among those for which ok is true.
// Smaller sets come first.
func (a *auditor) smallest(out []outcome, reach float64, ok func(*outcome) bool) *outcome {
	var best *outcome
	for i := range out {
		o := &out[i]
		if !ok(o) || o.peak[a.judge] < reach {
			continue
		}
		if best == nil || len(o.names) == len(best.names) && o.peak[a.judge] > best.peak[a.judge] {
			best = o
		}
	}
	return best
}

func inSetting(o *outcome) bool { return !slices.Contains(o.names, "largest-batch") }

// greatest returns the outcome with the largest speedup among those for which ok is true.
func (a *auditor) greatest(out []outcome, ok func(*outcome) bool) *outcome {
	var best *outcome
	for i := range out {
		if o := &out[i]; ok(o) && (best == nil || o.peak[a.judge] > best.peak[a.judge]*(1+1e-9)) {
			best = o
		}
	}
	return best
}

// explainGrid tabulates the single explanations and the sets in also.
func (a *auditor) explainGrid(title string, out []outcome, also ...*outcome) Grid {
	g := Grid{Title: title, Over: "explanations", Columns: []GridColumn{}}
	for _, f := range a.fids {
		g.Columns = append(g.Columns, GridColumn{f.String(), "×"})
	}
	g.Columns = append(g.Columns, GridColumn{"at sequences", "count"}, GridColumn{"tends to", "×"}, GridColumn{"cache reads", "×"})
	seen := map[string]bool{}
	add := func(o *outcome) {
		if o == nil || seen[o.name()] {
			return
		}
		seen[o.name()] = true
		r := GridRow{Name: o.name()}
		for _, f := range a.fids {
			r.Values = append(r.Values, o.peak[f])
		}
		r.Values = append(r.Values, float64(o.at[a.judge]), o.tends[a.judge], o.cache)
		g.Rows = append(g.Rows, r)
	}
	for i := range out {
		if len(out[i].names) < 2 {
			add(&out[i])
		}
	}
	for _, o := range also {
		add(o)
	}
	return g
}

// means describes the explanations of a set in words.
func (a *auditor) means(o *outcome) string {
	var s []string
	for _, n := range o.names {
		for _, e := range explanations(a.deploy) {
			if e.name == n {
				s = append(s, e.says)
			}
		}
	}
	return strings.Join(s, "; and ")
}

// batchGrid tabulates the speedup at the paper's numbers of clients for some sets of
// explanations.
func (a *auditor) batchGrid(w costmodel.Workload, sets []*outcome) (Grid, error) {
	g := Grid{Title: fmt.Sprintf("Speedup by sequences at %s", a.judge), Over: "sequences"}
	var rows [][]float64
	for range averagedClients() {
		rows = append(rows, nil)
	}
	for _, o := range sets {
		if o == nil || !inSetting(o) {
			continue
		}
		g.Columns = append(g.Columns, GridColumn{o.name(), "×"})
		s, model, base, err := a.under(slices.DeleteFunc(explanations(a.deploy), func(e explanation) bool { return !slices.Contains(o.names, e.name) }))
		if err != nil {
			return g, err
		}
		for i, n := range averagedClients() {
			rows[i] = append(rows[i], s.throughput(model, a.judge, w, n)/s.throughput(base, a.judge, w, n))
		}
	}
	for i, n := range averagedClients() {
		g.Rows = append(g.Rows, GridRow{fmt.Sprint(n), rows[i]})
	}
	return g, nil
}
