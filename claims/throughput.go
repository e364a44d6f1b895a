package claims

import (
	"fmt"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/units"
)

// A speedup is claimed with the digits that are printed: 10× means 9.5 or more, 4.9× means 4.85
// or more.
const (
	reaches10  = 9.5
	reaches4p9 = 4.85
)

func (a *auditor) throughput10(c *Claim) error {
	return a.speedup(c, longGeneration, reaches10)
}

func (a *auditor) longContext(c *Claim) error {
	return a.speedup(c, longPrompt, reaches4p9)
}

// within reports whether a set of explanations keeps to what was claimed: these two models, with
// 1 to 16 clients.
func within(o *outcome) bool {
	return inSetting(o) && !slices.Contains(o.names, "mha-baseline") && !slices.Contains(o.names, "equal-parameters")
}

// speedup audits a claimed speedup of Phi4-mini-Flash over Phi4-mini. The claim holds if the
// deployment reaches the figure. It holds under a condition if a set of explanations reaches the
// figure and compares these two models with 1 to 16 clients. Otherwise it does not hold, and its
// condition is the smallest set of any kind that reaches the figure.
func (a *auditor) speedup(c *Claim, w costmodel.Workload, reach float64) error {
	out, err := a.explain(w)
	if err != nil {
		return err
	}
	now := &out[0]
	got := a.each(c, func(f costmodel.Fidelity) float64 { return now.peak[f] })
	inside, any := a.smallest(out, reach, within), a.smallest(out, reach, func(*outcome) bool { return true })
	most := a.greatest(out, within)
	var singles []*outcome
	for i := range out {
		if n := out[i].names; len(n) == 0 || len(n) == 1 && (n[0] == "unpacked" || n[0] == "four-pass") {
			singles = append(singles, &out[i])
		}
	}
	var reason string
	switch {
	case len(now.names) == 0 && got >= reach:
		c.Verdict = Holds
		reason = fmt.Sprintf("As deployed the speedup reaches %s at %d sequences.", ratio(got), now.at[a.judge])
	case inside != nil:
		c.Verdict = HoldsWhen
		c.Condition = a.means(inside)
		reason = fmt.Sprintf("Then it is %s at %d sequences and tends to %s with more; as deployed %s.",
			ratio(inside.peak[a.judge]), inside.at[a.judge], ratio(inside.tends[a.judge]), ratio(got))
	default:
		c.Verdict = DoesNotHold
		reason = fmt.Sprintf("The most these two models give at 1–%d sequences is %s (%s), and that tends to %s with ever more sequences: cache reads alone differ by %s.",
			mostClients, ratio(most.peak[a.judge]), most.name(), ratio(most.tends[a.judge]), ratio(most.cache))
		if any != nil {
			c.Condition = a.means(any)
			reason += fmt.Sprintf(" The smallest set that gives it is %s: %s at %s sequences.", any.name(), ratio(any.peak[a.judge]), units.Int(float64(any.at[a.judge])))
		}
	}
	fused, err := a.today(w, execution.Fused)
	if err != nil {
		return err
	}
	passes, err := a.today(w, execution.FourPass)
	if err != nil {
		return err
	}
	reason += fmt.Sprintf(" With kernels that read each kv head once expect up to %s, or %s where differential attention runs as four passes.", ratio(fused), ratio(passes))
	c.Reason = reason
	if err := a.speedupWorking(c, w, now); err != nil {
		return err
	}
	best := a.greatest(out, inSetting)
	c.Sweeps = append(c.Sweeps, a.explainGrid(fmt.Sprintf("Explanations: largest speedup at 1–%d sequences (largest-batch: at as many as fit)", mostClients), out, inside, most, best, any))
	g, err := a.batchGrid(w, append(singles, inside, most, best))
	c.Sweeps = append(c.Sweeps, distinct(g))
	if err != nil || a.serve == nil {
		return err
	}
	return a.simulate(c, w, reach)
}

// today returns the largest speedup with kernels that read each kv head once, as those of today's
// engines do.
func (a *auditor) today(w costmodel.Workload, diff execution.DiffKernel) (float64, error) {
	now := *a
	now.deploy.KVRead, now.deploy.Diff = execution.Packed, diff
	o, err := now.outcome(nil, w)
	return o.peak[a.judge], err
}

// distinct removes columns that are equal to an earlier one.
func distinct(g Grid) Grid {
	var keep []int
	for i, c := range g.Columns {
		if slices.Index(g.Columns, c) == i {
			keep = append(keep, i)
		}
	}
	out := Grid{Title: g.Title, Over: g.Over}
	for _, i := range keep {
		out.Columns = append(out.Columns, g.Columns[i])
	}
	for _, r := range g.Rows {
		row := GridRow{Name: r.Name}
		for _, i := range keep {
			row.Values = append(row.Values, r.Values[i])
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// speedupWorking shows the factors whose product is the largest speedup of the deployment.
func (a *auditor) speedupWorking(c *Claim, w costmodel.Workload, now *outcome) error {
	n := max(now.at[a.judge], 1)
	w.Batch = n
	for _, name := range []string{phi, flash} {
		m, err := a.model(name)
		if err != nil {
			return err
		}
		p, err := a.of(name, a.deploy)
		if err != nil {
			return err
		}
		mem := p.Memory(w.WithBatch(n))
		readers, elems, heads := 0, 0, 1
		for _, l := range attentions(m) {
			if l.Window == 0 {
				readers++
				elems, heads = l.KVElements(), l.Heads/l.KVHeads
			}
		}
		context := float64(w.Prompt) + float64(w.Generate+1)/2
		step := p.At(a.judge).Generation(w.WithBatch(n)) / float64(w.Generate)
		c.step(name+": KV stored per token", mem.CacheBytesPerToken, "B", "owners × 2·kv_heads·head_dim × bytes an element")
		c.step(name+": KV read per token of context", mem.CacheReadBytesPerToken, "B", "%d reading layers × %d elements × 2 B × %s reads each",
			readers, elems, units.Digits(mem.CacheReadBytesPerToken/float64(2*readers*elems)))
		unpacked := a.deploy
		unpacked.KVRead = execution.PackedUnlessWindowed
		u, err := a.of(name, unpacked)
		if err != nil {
			return err
		}
		c.step("… unpacked where a window is declared", u.Memory(w.WithBatch(n)).CacheReadBytesPerToken, "B", "as FlashAttention-2 read it with a window set")
		c.step(name+": query heads to a kv head", float64(heads), "count", "heads/kv_heads: reads each where queries are not packed")
		c.step(name+": cache read in a mean step", mem.CacheReadBytesPerToken*context*float64(n), "B", "%s B × %s tokens of context × %d sequences",
			units.Int(mem.CacheReadBytesPerToken), units.Int(context), n)
		c.step(name+": weights", mem.WeightsBytes, "B", "read once a step whatever the batch")
		c.step(name+": largest batch", float64(mem.MaxBatch), "count", "sequences of %s tokens in %s", units.Int(float64(w.Prompt+w.Generate)), units.SI(mem.CapacityBytes, "B"))
		c.step(name+": mean decode step", step, "s", "%s, %d sequences", a.judge, n)
		c.step(name+": prefill", p.At(a.judge).Prefill(w.WithBatch(n)), "s", "%d prompts of %s tokens", n, units.Int(float64(w.Prompt)))
		c.step(name+": tokens a second", throughput(p, a.judge, w), "", "sequences × generated / (prefill + generation)")
	}
	c.step("speedup", now.peak[a.judge], "×", "at %d sequences, %s: %s", n, a.judge, kernels(a.deploy))
	c.step("cache reads alone", now.cache, "×", "what the speedup could reach if nothing but cache were read")
	return nil
}

func kernels(o costmodel.Options) string {
	return strings.Join([]string{"KV " + o.KVRead.String(), "differential " + o.Diff.String(), "prefill " + o.Prefill.String()}, ", ")
}

func (a *auditor) bestOfThree(c *Claim) error {
	best, err := a.of(sambaY, a.deploy)
	if err != nil {
		return err
	}
	others := map[string]Price{}
	for _, name := range []string{sambaYOCO, phi} {
		if others[name], err = a.of(name, a.deploy); err != nil {
			return err
		}
	}
	loads := []costmodel.Workload{longGeneration, longPrompt}
	lead := func(f costmodel.Fidelity, w costmodel.Workload, b int, name string) float64 {
		w.Batch = b
		return throughput(best, f, w) / throughput(others[name], f, w)
	}
	least := func(f costmodel.Fidelity, b int) float64 {
		v := lead(f, loads[0], b, phi)
		for _, w := range loads {
			for name := range others {
				v = min(v, lead(f, w, b, name))
			}
		}
		return v
	}
	got := a.each(c, func(f costmodel.Fidelity) float64 {
		v := least(f, 1)
		for b := 2; b <= mostClients; b++ {
			v = min(v, least(f, b))
		}
		return v
	})
	for _, w := range loads {
		g := Grid{Title: fmt.Sprintf("%s over, %s + %s tokens, %s", sambaY, units.Int(float64(w.Prompt)), units.Int(float64(w.Generate)), a.judge), Over: "sequences",
			Columns: []GridColumn{{sambaYOCO, "×"}, {phi, "×"}}}
		for _, b := range averagedClients() {
			g.Rows = append(g.Rows, GridRow{fmt.Sprint(b), []float64{lead(a.judge, w, b, sambaYOCO), lead(a.judge, w, b, phi)}})
		}
		c.Sweeps = append(c.Sweeps, g)
	}
	weights := func(p Price) float64 {
		return p.Memory(costmodel.Workload{Batch: 1, Prompt: 1, Generate: 1}).WeightsBytes
	}
	c.step(sambaY+": weights", weights(best), "B", "its GMUs are 2·d·d_mem, more than the 2·d·heads·head_dim of cross-attention")
	c.step(sambaYOCO+": weights", weights(others[sambaYOCO]), "B", "cross-attention for every GMU")
	where := span(func(b int) bool { return least(a.judge, b) >= 1 })
	c.Reason = fmt.Sprintf("Its lead over the better of the two is %s at the least.", ratio(got))
	if c.holdsAt(where, "run at once"); c.Verdict == HoldsWhen {
		c.Reason += fmt.Sprintf(" It reads %s more weights in a step than %s, and that many bytes of cache less only with enough context and sequences.",
			units.SI(weights(best)-weights(others[sambaYOCO]), "B"), sambaYOCO)
	}
	return a.simulateLead(c, loads)
}
