package claims

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/units"
)

// attentions lists the attention layers of a model.
func attentions(m *arch.Model) []arch.Attention {
	var out []arch.Attention
	for _, x := range m.Attentions() {
		out = append(out, x)
	}
	return out
}

// unit holds the operations of one layer's mixer.
type unit struct{ ops []costmodel.Op }

// mixers finds the first cross-attention layer and the first GMU layer of a model.
func mixers(m *arch.Model, o costmodel.Options) (cross, gmu unit, err error) {
	ops, err := costmodel.Ops(m, o, false)
	if err != nil {
		return cross, gmu, err
	}
	c, g := -1, -1
	for i, l := range m.Layers {
		if l.Mixer == nil {
			continue
		}
		switch r := l.Mixer.Reads(); {
		case r.Cache > 0 && c < 0:
			c = i
		case r.Memory > 0 && g < 0:
			g = i
		}
	}
	if c < 0 || g < 0 {
		return cross, gmu, fmt.Errorf("%s has no GMU beside cross-attention", m.Name)
	}
	for _, op := range ops {
		mixer := op.Part == costmodel.InMixer && op.Kernel != costmodel.BlockNorm
		switch {
		case op.Layer == c && mixer:
			cross.ops = append(cross.ops, op)
		case op.Layer == g && mixer:
			gmu.ops = append(gmu.ops, op)
		}
	}
	return cross, gmu, nil
}

// io returns the bytes that the mixer moves in a decode step of batch sequences that have context
// tokens each; weights says whether those of its weights count.
func (u unit) io(batch, context int, weights bool) float64 {
	sum := 0.0
	for i := range u.ops {
		w := u.ops[i].Work(costmodel.Call{Batch: batch, New: 1, Past: context - 1})
		sum += w.Total()
		if !weights {
			sum -= w.Bytes[costmodel.Weights]
		}
	}
	return sum
}

// meanContext returns the mean context of the decode steps of a load. Their contexts are Prompt+1
// … Prompt+Generate, so the mean is Prompt + (Generate+1)/2, here rounded down.
func meanContext(w costmodel.Workload) int { return w.Prompt + (w.Generate+1)/2 }

func (a *auditor) flashMixers() (cross, gmu unit, err error) {
	m, err := a.model(flash)
	if err != nil {
		return cross, gmu, err
	}
	return mixers(m, a.deploy)
}

func (a *auditor) gmuIO(c *Claim) error {
	cross, gmu, err := a.flashMixers()
	if err != nil {
		return err
	}
	n := meanContext(longGeneration)
	slope := func(u unit) float64 { return u.io(1, n+1, true) - u.io(1, n, true) }
	grows := a.each(c, func(costmodel.Fidelity) float64 { return slope(gmu) })
	weights := func(u unit) float64 { return u.io(1, n, true) - u.io(1, n, false) }
	even := (weights(gmu) - weights(cross)) / slope(cross)
	c.step("cross-attention: a token of context adds", slope(cross), "B", "2·kv_heads·head_dim × 2 B, times the reads of the kernel")
	c.step("cross-attention: without weights", cross.io(1, n, false), "B", "at %s tokens of context", units.Int(float64(n)))
	c.step("cross-attention: weights", weights(cross), "B", "query and output projections")
	c.step("GMU: a token of context adds", grows, "B", "it reads the memory of the current token alone")
	c.step("GMU: without weights", gmu.io(1, n, false), "B", "gate and memory of d_mem elements and the products around them")
	c.step("GMU: weights", weights(gmu), "B", "two maps between the width and d_mem")
	c.step("context × sequences from which a GMU layer moves less", even, "tokens", "(%s − %s) / %s", units.SI(weights(gmu), "B"), units.SI(weights(cross), "B"), units.SI(slope(cross), "B"))
	g := Grid{Title: "Bytes a step moves, weights included", Over: "sequences × context", Columns: []GridColumn{{"cross-attention", "B"}, {"GMU", "B"}, {"ratio", "×"}}}
	for _, b := range []int{1, 16} {
		for _, at := range []int{2000, n, 34000} {
			x, y := cross.io(b, at, true), gmu.io(b, at, true)
			g.Rows = append(g.Rows, GridRow{fmt.Sprintf("%d × %s", b, units.Int(float64(at))), []float64{x, y, x / y}})
		}
	}
	c.Sweeps = append(c.Sweeps, g)
	c.Reason = fmt.Sprintf("A token of context adds %s to cross-attention and %s to a GMU.", units.SI(slope(cross), "B"), units.SI(grows, "B"))
	if grows != 0 {
		c.Verdict = DoesNotHold
		return nil
	}
	c.Verdict = Holds
	if even > 0 {
		c.Reason += fmt.Sprintf(" But its weights are %s larger, read every step: a GMU layer moves less only once sequences × context exceed %s.",
			units.SI(weights(gmu)-weights(cross), "B"), tokens(int(even)))
	}
	return nil
}

func (a *auditor) io16(c *Claim) error {
	cross, gmu, err := a.flashMixers()
	if err != nil {
		return err
	}
	n := meanContext(longGeneration)
	at := func(b int) float64 { return cross.io(b, n, true) / gmu.io(b, n, true) }
	got := a.each(c, func(costmodel.Fidelity) float64 { return at(1) })
	// Without the terms that are constant for each sequence, this is the product of sequences and
	// context at which the ratio is 16.
	slope := cross.io(1, n+1, true) - cross.io(1, n, true)
	need := costmodel.LengthFrom(1<<24, func(ctx int) bool { return cross.io(1, ctx, true) >= c.Claimed*gmu.io(1, ctx, true) })
	bare := cross.io(1, n, false) / gmu.io(1, n, false)
	c.step("cross-attention, 1 sequence", cross.io(1, n, true), "B", "weights + %s B × %s tokens of context", units.Int(slope), units.Int(float64(n)))
	c.step("GMU, 1 sequence", gmu.io(1, n, true), "B", "weights; nothing grows with the context")
	c.step("ratio, 1 sequence", got, "×", "the first over the second")
	c.step("ratio, 16 sequences", at(mostClients), "×", "weights are shared by the batch, the cache is not")
	c.step("ratio without weights", bare, "×", "what O(d_kv·N) against O(d_h) alone would give")
	c.step("context of one sequence that gives 16×", float64(need), "tokens", "by bisection")
	where := span(func(b int) bool { return at(b) >= c.Claimed })
	c.Reason = fmt.Sprintf("No single ratio: at a context of %s it is %s for 1 sequence and %s for %d, or %s if weights were free. 16× takes a context of %s for one sequence.",
		units.Int(float64(n)), ratio(got), ratio(at(mostClients)), mostClients, ratio(bare), tokens(need))
	c.holdsAt(where, "of that context run at once")
	return nil
}

// seed makes the card's default model, and the same model with cross-attention in place of every
// GMU.
func (a *auditor) seed() (model, baseline string, err error) {
	model, baseline = "the card's model", "the card's model without GMUs"
	if _, ok := a.models[model]; ok {
		return model, baseline, nil
	}
	m, err := modelfile.Parse("card.yaml", []byte(cardModel))
	if err != nil {
		return "", "", err
	}
	without, err := family.WithGMURatio(m, 0)
	if err != nil {
		return "", "", err
	}
	a.put(model, m)
	a.put(baseline, without)
	return model, baseline, nil
}

func (a *auditor) ioRatioHeads(c *Claim) error {
	name, _, err := a.seed()
	if err != nil {
		return err
	}
	cross, gmu, err := mixers(a.models[name], a.deploy)
	if err != nil {
		return err
	}
	n := meanContext(longGeneration)
	card := CardMemoryComplexity(cardWidth, cardHeads, n, 1)
	c.Claimed = card.Reduction
	at := func(b, ctx int) float64 { return cross.io(b, ctx, true) / gmu.io(b, ctx, true) }
	got := a.each(c, func(costmodel.Fidelity) float64 { return at(1, n) })
	equal := costmodel.LengthFrom(1<<24, func(ctx int) bool { return at(1, ctx) >= card.Reduction })
	c.step("card: gmu_io", float64(card.GMUBytes), "B", "batch·seq·head_dim·4: 1·%d·%d·4", n, cardWidth/cardHeads)
	c.step("card: standard_io", float64(card.StandardBytes), "B", "batch·seq·hidden·4: 1·%d·%d·4", n, cardWidth)
	c.step("card: reduction_ratio", card.Reduction, "×", "hidden/head_dim, whatever the context")
	c.step("cross-attention", cross.io(1, n, true), "B", "weights, query, output, and K and V of every token of context")
	c.step("the card's unit", gmu.io(1, n, true), "B", "weights and vectors of the current token: no token of context")
	c.step("ratio, 1 sequence", got, "×", "the first over the second")
	c.step("ratio, 16 sequences", at(mostClients, n), "×", "the same")
	c.step("left out: what a GMU does not read", float64(card.GMUBytes), "B", "gmu_io grows with seq; a GMU's does not")
	c.step("left out: V beside K", 2, "×", "standard_io counts one of two")
	released, err := a.model(flash)
	if err != nil {
		return err
	}
	for _, x := range attentions(released) {
		if x.Cross() {
			c.step("left out: grouped kv heads", float64(x.Heads)/float64(x.KVHeads), "×", "%s caches %d of %d heads", flash, x.KVHeads, x.Heads)
			break
		}
	}
	c.step("left out: weights", gmu.io(1, n, true)-gmu.io(1, n, false), "B", "of the unit, read every step")
	c.Reason = fmt.Sprintf("The ratio depends on context and batch: %s for 1 sequence at %s, %s for %d. It is the %s of the card at a context of %s. The formula multiplies the GMU's bytes by the context it does not read, and leaves out V, grouped kv heads and all weights.",
		ratio(got), units.Int(float64(n)), ratio(at(mostClients, n)), mostClients, ratio(card.Reduction), tokens(equal))
	c.Verdict = DoesNotHold
	c.Condition = fmt.Sprintf("one sequence has a context of %s", tokens(equal))
	if within5(got, card.Reduction) && within5(at(mostClients, n), card.Reduction) {
		c.Verdict, c.Condition = Holds, ""
	}
	return nil
}

func within5(a, b float64) bool { return a > 0.95*b && a < 1.05*b }

func (a *auditor) seedEstimator(c *Claim) error {
	name, without, err := a.seed()
	if err != nil {
		return err
	}
	w := longGeneration
	w.Batch = 1
	card := CardDecodingEfficiency(cardLayers, cardWidth, w.Prompt, w.Generate, w.Batch)
	c.Claimed = card.Improvement
	model, err := a.of(name, a.deploy)
	if err != nil {
		return err
	}
	base, err := a.of(without, a.deploy)
	if err != nil {
		return err
	}
	at := func(f costmodel.Fidelity, b int) float64 {
		w.Batch = b
		return base.At(f).Generation(w.WithBatch(b)) / model.At(f).Generation(w.WithBatch(b))
	}
	got := a.each(c, func(f costmodel.Fidelity) float64 { return at(f, 1) })
	// The same formula, where every cross-decoder layer of the baseline counts as attention.
	corrected := float64(card.BaselineBytes) / float64(card.AttentionLayers) * float64(card.AttentionLayers+card.GMULayers) / float64(card.TotalBytes)
	c.step("card: total_io_bytes", float64(card.TotalBytes), "B", "(%d attention + %d GMU / 32)·prompt·hidden·4·generated", card.AttentionLayers, card.GMULayers)
	c.step("card: baseline_io_bytes", float64(card.BaselineBytes), "B", "%d attention layers: the %d that became GMUs are missing", card.AttentionLayers, card.GMULayers)
	c.step("card: throughput_improvement", card.Improvement, "×", "baseline/total: below 1 for every model with a GMU")
	c.step("corrected", corrected, "×", "baseline of %d attention layers, the rest as the card has it", card.AttentionLayers+card.GMULayers)
	reads := func(p Price) float64 { return p.Memory(w.WithBatch(1)).CacheReadBytesPerToken }
	c.step("cache read per token of context", reads(model), "B", "of %s: the owner and %d cross layers; K and V", name, card.AttentionLayers)
	c.step("… without GMUs", reads(base), "B", "the owner and %d cross layers", card.AttentionLayers+card.GMULayers)
	c.step("cache reads alone", reads(base)/reads(model), "×", "the most the GMUs could gain, at endless context")
	c.step("weights", model.Memory(w.WithBatch(1)).WeightsBytes, "B", "left out by the card: read every step")
	c.step("left out: context grows", float64(meanContext(w))/float64(w.Prompt), "×", "mean context over the prompt, which alone the card counts")
	c.step("by the cost model, 1 sequence", got, "×", "%s, mean step without GMUs over with", a.judge)
	c.step("by the cost model, 16 sequences", at(a.judge, mostClients), "×", "the same")
	c.Reason = fmt.Sprintf("The card's code returns %s, a loss: its baseline leaves out the layers that became GMUs. Counting them its formula gives %s; with weights, growing context and the owner's reads the cost model gives %s at 1 and %s at %d sequences.",
		ratio(card.Improvement), ratio(corrected), ratio(got), ratio(at(a.judge, mostClients)), mostClients)
	c.Verdict = DoesNotHold
	if within5(got, card.Improvement) {
		c.Verdict = Holds
	}
	return nil
}

func (a *auditor) halfReplaced(c *Claim) error {
	m, err := a.model(flash)
	if err != nil {
		return err
	}
	r, _ := m.GMURatio()
	a.each(c, func(costmodel.Fidelity) float64 { return r })
	kinds := map[string]int{}
	for _, n := range m.LayerNames() {
		kinds[n]++
	}
	gmus, cross := kinds["gmu"], kinds["cross"]
	c.step("GMU layers", float64(gmus), "count", "of %d layers: %s", len(m.Layers), m.Summary())
	c.step("cross-attention layers", float64(cross), "count", "the rest of the cross-decoder")
	c.step("share", r, "", "%d / (%d + %d)", gmus, gmus, cross)
	c.Reason = fmt.Sprintf("%d of the %d layers behind the cache owner are GMUs. Cache reads fall by less, from %d to %d layers, because the owner reads its cache too.",
		gmus, gmus+cross, gmus+cross+1, cross+1)
	c.Verdict = DoesNotHold
	if r >= 0.4 && r <= 0.6 {
		c.Verdict = Holds
	}
	return nil
}
