package claims

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
)

// variant is a way in which an attention kernel may have run, and the model whose steps it lengthens.
type variant struct {
	name, model string
	apply       func(*costmodel.Options)
}

var variants = []variant{
	{"unpacked", phi, func(o *costmodel.Options) { o.KVRead = execution.PackedUnlessWindowed }},
	{"unsplit", phi, func(o *costmodel.Options) { o.KVRead = execution.UnsplitIfWindowed }},
	{"per-query-head", flash, func(o *costmodel.Options) { o.KVRead = execution.PerQueryHead }},
	{"four-pass", flash, func(o *costmodel.Options) { o.Diff = execution.FourPass }},
}

// factors are how many times as long as with fused kernels that read each kv head once a decode step
// takes under a variant, by sequences, at the workload's mean context.
func (a *auditor) factors(v variant, w costmodel.Workload) (alone, most float64, err error) {
	now := a.deploy
	now.KVRead, now.Diff = execution.Packed, execution.Fused
	then := now
	v.apply(&then)
	plain, err := a.of(v.model, now)
	if err != nil {
		return 0, 0, err
	}
	other, err := a.of(v.model, then)
	if err != nil {
		return 0, 0, err
	}
	at := func(n int) float64 {
		context := w.Prompt + w.Generate/2
		return other.At(a.finest()).Step(n, context) / plain.At(a.finest()).Step(n, context)
	}
	return at(1), at(mostClients), nil
}

// ground says, in one paragraph, what a claim's simulated figures are known from and what is not known, and
// shows what kernel variants cost. slow and fast are the speedup with host times doubled and nil.
func (a *auditor) ground(c *Claim, w costmodel.Workload, model Price, slow, fast float64) error {
	basis := model.At(a.finest()).Basis()
	if basis == costmodel.DatasheetOnly {
		c.Grounds = "No kernel was measured on a GPU like this one: what kernel variants cost is counted in bytes, and the host times of vLLM 0.7.3 are assumed."
		return nil
	}
	g := Grid{Title: fmt.Sprintf("A decode step under kernel variants, at %s of context", tokens(w.Prompt+w.Generate/2)), Over: "variant",
		Columns: []GridColumn{{"at 1 sequence", "×"}, {fmt.Sprintf("at %d", mostClients), "×"}}}
	said := map[string]string{}
	for _, v := range variants {
		alone, most, err := a.factors(v, w)
		if err != nil {
			return err
		}
		g.Rows = append(g.Rows, GridRow{v.name + ", " + v.model, []float64{alone, most}})
		said[v.name] = fmt.Sprintf("%s at 1 and %s at %d sequences", ratio(alone), ratio(most), mostClients)
	}
	c.Sweeps = append(c.Sweeps, g)

	main, others, _ := strings.Cut(strings.TrimSuffix(basis, ")"), " (")
	known := fmt.Sprintf("matrix products, packed attention and prompts are %s", main)
	if main == "fitted on this GPU" {
		known = "matrix products, packed attention and prompts were timed on " + a.hw.Name
	}
	unknown := "no run of vLLM 0.7.3 was measured, so that its host times are assumed"
	if others != "" {
		others = strings.ReplaceAll(strings.ReplaceAll(others, " transferred from ", " are transferred from "), " unmeasured", " are unmeasured")
		unknown = others + ", by datasheets, and a transfer between architectures is 14 to 60 % off where both were timed; " + unknown
	}
	lo, hi, ok := model.At(a.finest()).Interval(w.WithBatch(mostClients))
	within := ""
	if mean := model.At(a.finest()).Generation(w.WithBatch(mostClients)) / float64(w.Generate); ok && lo > 0 {
		within = fmt.Sprintf(", and nine in ten steps of %s would lie from %s to %s of what is priced", flash, ratio(lo/mean), ratio(hi/mean))
	}
	c.Grounds = fmt.Sprintf("What is known: %s. Kernel variants cost what such kernels were measured to take on an H100 and an H200, not what their bytes suggest: "+
		"at %s of context a step of %s takes %s where K and V are read once per query head, %s where the keys are not split either, and one of %s as four passes %s. "+
		"What is not known: %s (the speedup is %s with none and %s with twice as much)%s. The paper's own build, its requests and its GPU's clock were not seen.",
		known, tokens(w.Prompt+w.Generate/2), phi, said["unpacked"], said["unsplit"], flash, said["four-pass"], unknown, ratio(fast), ratio(slow), within)
	return nil
}
