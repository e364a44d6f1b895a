package claims

import (
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/units"
)

const (
	fourK       = 4096
	shortAnswer = 512
	// the smallest gain for which a change is worthwhile; the sources give none
	pays = 1.05
)

func (a *auditor) crossover(c *Claim) error {
	model, base, err := a.pair()
	if err != nil {
		return err
	}
	prompt, longest := longGeneration.Prompt, 1<<15
	at := a.each(c, func(f costmodel.Fidelity) float64 {
		return float64(costmodel.LengthFrom(longest, func(g int) bool {
			return averageLatency(model, f, prompt, g) < averageLatency(base, f, prompt, g)
		}))
	})
	saved := averageLatency(base, a.judge, prompt, fourK) - averageLatency(model, a.judge, prompt, fourK)
	perStep := saved / fourK
	g := Grid{Title: fmt.Sprintf("Latency averaged over 1, 2, 4, 8 and 16 sequences, %s", a.judge), Over: "generated",
		Columns: []GridColumn{{phi, "s"}, {flash, "s"}, {"speedup", "×"}}}
	for n := 128; n <= longest; n *= 2 {
		b, m := averageLatency(base, a.judge, prompt, n), averageLatency(model, a.judge, prompt, n)
		g.Rows = append(g.Rows, GridRow{units.Int(float64(n)), []float64{b, m, b / m}})
	}
	c.Sweeps = append(c.Sweeps, g)
	c.step("saved by Flash at 4Ki tokens", saved, "s", "latency of %s − %s", phi, flash)
	c.step("… a step", perStep, "s", "%s / %d", units.SI(saved, "s"), fourK)
	switch {
	case at == 0:
		c.Verdict = DoesNotHold
		c.Reason = fmt.Sprintf("Flash is not faster even at %s: it takes %s longer a step at 4Ki.", tokens(longest), units.SI(-perStep, "s"))
	case at <= fourK:
		c.Verdict = Holds
		c.Reason = fmt.Sprintf("Flash is faster from %s on. Where a served run shows it only from 4K, that engine spends %s more on a Flash step than on a Phi4-mini step than is priced here.",
			count(at, "generated token"), units.SI(perStep, "s"))
	default:
		c.Verdict = HoldsWhen
		c.Condition = fmt.Sprintf("%s or more are generated", tokens(int(at)))
		c.Reason = fmt.Sprintf("At 4Ki Flash is still slower by %s a step.", units.SI(-perStep, "s"))
	}
	return a.simulateCrossover(c, longest)
}

func count(n float64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return units.Int(n) + " " + what + "s"
}

// exponent returns d ln T/d ln G for the latency T(G) of G generated tokens: 1 means linear
// growth, 2 quadratic. One token more costs one step more, of the length of the last step.
func exponent(p Price, f costmodel.Fidelity, w costmodel.Workload) float64 {
	return float64(w.Generate) * p.At(f).Step(w.Batch, w.Prompt+w.Generate) / latency(p, f, w)
}

func (a *auditor) latencyLinear(c *Claim) error {
	model, base, err := a.pair()
	if err != nil {
		return err
	}
	w := longGeneration
	at := func(p Price, f costmodel.Fidelity, b int) float64 {
		w.Batch = b
		return exponent(p, f, w)
	}
	mean := func(p Price, f costmodel.Fidelity) float64 {
		steps := 0.0
		for _, b := range averagedClients() {
			steps += p.At(f).Step(b, w.Prompt+w.Generate)
		}
		return float64(w.Generate) * steps / float64(len(averagedClients())) / averageLatency(p, f, w.Prompt, w.Generate)
	}
	got := a.each(c, func(f costmodel.Fidelity) float64 { return mean(model, f) })
	other := mean(base, a.judge)
	g := Grid{Title: fmt.Sprintf("Exponent of latency at %s generated, %s", units.Int(float64(w.Generate)), a.judge), Over: "sequences", Columns: []GridColumn{{phi, ""}, {flash, ""}}}
	for _, b := range averagedClients() {
		g.Rows = append(g.Rows, GridRow{fmt.Sprint(b), []float64{at(base, a.judge, b), at(model, a.judge, b)}})
	}
	c.Sweeps = append(c.Sweeps, g)
	c.step(flash, got, "", "G·(last step)/latency, averaged over 1, 2, 4, 8, 16 sequences")
	c.step(phi, other, "", "the same; 1 is linear, 2 quadratic")
	where := span(func(b int) bool { return nearerLinear(at(model, a.judge, b)) && !nearerLinear(at(base, a.judge, b)) })
	c.Reason = fmt.Sprintf("Averaged over 1 to 16 sequences the exponent is %s for Flash and %s for Phi4-mini (1 linear, 2 quadratic). Both read a cache that grows, so both turn quadratic: Flash %s later, where cache reads outweigh the weights.",
		units.Digits(got), units.Digits(other), ratio(base.Memory(w.WithBatch(1)).CacheReadBytesPerToken/model.Memory(w.WithBatch(1)).CacheReadBytesPerToken))
	c.holdsAt(where, "run at once (Flash nearer to linear, Phi4-mini nearer to quadratic)")
	return a.simulateExponent(c, w)
}

// linear reports whether an exponent of time in tokens is within 0.05 of 1: twice the tokens then
// take 1.93 to 2.07 times as long.
func linear(exponent float64) bool { return math.Abs(exponent-1) <= 0.05 }

// nearerLinear reports whether an exponent of time in tokens is nearer to 1 (linear) than to 2
// (quadratic).
func nearerLinear(exponent float64) bool { return exponent < 1.5 }

func (a *auditor) prefillLinear(c *Claim) error {
	model, base, err := a.pair()
	if err != nil {
		return err
	}
	const short, long = 1 << 15, 1 << 16
	exp := func(p Price, f costmodel.Fidelity) float64 {
		return math.Log2(p.At(f).Prefill(costmodel.Workload{Batch: 1, Prompt: long}) / p.At(f).Prefill(costmodel.Workload{Batch: 1, Prompt: short}))
	}
	got := a.each(c, func(f costmodel.Fidelity) float64 { return exp(model, f) })
	full := a.deploy
	full.Prefill = execution.Full
	unskipped, err := a.of(flash, full)
	if err != nil {
		return err
	}
	skipped := a.deploy
	skipped.Prefill = execution.Skip
	lean, err := a.of(flash, skipped)
	if err != nil {
		return err
	}
	g := Grid{Title: fmt.Sprintf("Prefill of one prompt, %s", a.judge), Over: "prompt", Columns: []GridColumn{{phi, "s"}, {flash, "s"}, {"Flash, every layer", "s"}}}
	for n := 1 << 11; n <= long; n *= 2 {
		g.Rows = append(g.Rows, GridRow{units.Int(float64(n)), []float64{base.At(a.judge).Prefill(costmodel.Workload{Batch: 1, Prompt: n}), lean.At(a.judge).Prefill(costmodel.Workload{Batch: 1, Prompt: n}), unskipped.At(a.judge).Prefill(costmodel.Workload{Batch: 1, Prompt: n})}})
	}
	c.Sweeps = append(c.Sweeps, g)
	c.step(flash, exp(lean, a.judge), "", "log2 of time at %d over time at %d tokens, cross-decoder skipped", long, short)
	c.step(flash+", every layer", exp(unskipped, a.judge), "", "the same where the engine runs all layers over the prompt")
	c.step(phi, exp(base, a.judge), "", "the same")
	c.Reason = fmt.Sprintf("Doubling the prompt from 32Ki takes 2^%s as long: scans, windows and MLPs of the self-decoder alone run over it. With every layer run it is 2^%s, for Phi4-mini 2^%s.",
		units.Digits(exp(lean, a.judge)), units.Digits(exp(unskipped, a.judge)), units.Digits(exp(base, a.judge)))
	switch {
	case linear(got):
		c.Verdict = Holds
	case linear(exp(lean, a.judge)):
		c.Verdict, c.Condition = HoldsWhen, "the engine skips the cross-decoder for all but the last position"
	default:
		c.Verdict = DoesNotHold
	}
	return nil
}

func (a *auditor) shortSkip(c *Claim) error {
	model, base, err := a.pair()
	if err != nil {
		return err
	}
	gain := func(f costmodel.Fidelity, b, generate int) float64 {
		w := costmodel.Workload{Prompt: longGeneration.Prompt, Generate: generate, Batch: b}
		return latency(base, f, w) / latency(model, f, w)
	}
	even := func(f costmodel.Fidelity, b int) int {
		return costmodel.LengthFrom(1<<16, func(g int) bool { return gain(f, b, g) >= pays })
	}
	one := a.each(c, func(f costmodel.Fidelity) float64 { return float64(even(f, 1)) })
	g := Grid{Title: fmt.Sprintf("Speedup of a request by sequences and tokens generated, %s", a.judge), Over: "sequences",
		Columns: []GridColumn{{"128", "×"}, {"512", "×"}, {"4,096", "×"}, {"32,768", "×"}, {"5 % from", "tokens"}}}
	for _, b := range averagedClients() {
		r := GridRow{Name: fmt.Sprint(b)}
		for _, n := range []int{128, shortAnswer, fourK, 1 << 15} {
			r.Values = append(r.Values, gain(a.judge, b, n))
		}
		r.Values = append(r.Values, float64(even(a.judge, b)))
		g.Rows = append(g.Rows, r)
	}
	c.Sweeps = append(c.Sweeps, g)
	useless := span(func(b int) bool { return gain(a.judge, b, shortAnswer) < pays })
	worth := span(func(b int) bool { return gain(a.judge, b, fourK) >= pays })
	both := span(func(b int) bool { return gain(a.judge, b, shortAnswer) < pays && gain(a.judge, b, fourK) >= pays })
	c.step("gain at 512 tokens, 1 sequence", gain(a.judge, 1, shortAnswer), "×", "latency of %s / %s", phi, flash)
	c.step("gain at 4Ki tokens, 1 sequence", gain(a.judge, 1, fourK), "×", "the same")
	c.step("gain at 512 tokens, 16 sequences", gain(a.judge, mostClients, shortAnswer), "×", "the same")
	c.Reason = fmt.Sprintf("A request of 512 tokens gains %s at 1 and %s at %d sequences, one of 4Ki %s and %s; a 5 %% gain takes %s at 1 sequence.",
		ratio(gain(a.judge, 1, shortAnswer)), ratio(gain(a.judge, mostClients, shortAnswer)), mostClients,
		ratio(gain(a.judge, 1, fourK)), ratio(gain(a.judge, mostClients, fourK)), lengthWords(one))
	if c.holdsAt(both, "run at once, counting a gain of 5 % as use"); c.Verdict == DoesNotHold {
		if short, long := gain(a.judge, 1, shortAnswer), gain(a.judge, 1, fourK); long > short && long > 1 {
			c.Condition = fmt.Sprintf("a gain of %s %% counts as use and one sequence runs", units.Digits(100*(long-1)))
		}
		c.Reason += fmt.Sprintf(" Below 5 %% at 512: %s; above at 4Ki: %s.", none(useless), none(worth))
	}
	if both != "" && useless != both {
		c.Reason += " With more, short answers gain too: the batch, not the length, decides."
	}
	return nil
}

func lengthWords(n float64) string {
	if n == 0 {
		return "more than 64Ki tokens"
	}
	return count(n, "token")
}

func none(s string) string {
	if s == "" {
		return "at no number of sequences"
	}
	return sequences(s)
}
