// Package claims audits what has been claimed about decoder-hybrid-decoders. It states each claim
// with the setting in which it was made, what the cost model finds in that setting, and a verdict
// with its reason. No verdict is stored: where prices change, verdicts change with them.
//
// Units: bytes, seconds, tokens; factors are plain numbers.
//
// Sources: "paper" is Ren et al., Decoder-Hybrid-Decoder Architecture for Efficient Reasoning
// with Long Generation, arXiv:2507.06607v3; "card" is the skill card
// efficient-long-context-reasoning 0.0.2, written after the paper; "model card" is that of
// Phi-4-mini-flash-reasoning.
package claims

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
)

// Verdict says whether a claim holds.
type Verdict string

// The possible verdicts.
const (
	Holds       Verdict = "holds"
	HoldsWhen   Verdict = "holds when" // Claim.Condition says when the claim holds
	DoesNotHold Verdict = "does not hold"
)

// Claim is a statement and what the audit found about it.
type Claim struct {
	ID        string  `json:"id"`
	Source    string  `json:"source"`
	Statement string  `json:"statement"`
	Setting   string  `json:"setting"`
	Verdict   Verdict `json:"verdict"`
	Condition string  `json:"condition,omitempty"`
	// Quantity is what the figures measure.
	Quantity string  `json:"quantity"`
	Unit     string  `json:"unit"`
	Claimed  float64 `json:"claimed"`
	// Limit is the figure at the fidelity limit, null where the fidelity has none for this
	// device; the others are the figure at theirs.
	Limit      *float64 `json:"limit"`
	Roofline   *float64 `json:"roofline"`
	Calibrated *float64 `json:"calibrated"`
	Simulated  *float64 `json:"simulated"` // the figure from a simulated engine, for claims about a served load
	Reason     string   `json:"reason"`
	// Quote is what a reader can quote about a claim measured on a serving engine: what that
	// engine could have shown, what an engine with today's kernels shows, and what the
	// architecture allows.
	Quote string `json:"quote,omitempty"`
	// Grounds says in one paragraph what the simulated figures are known from: what was measured
	// where, what is transferred how, and what is assumed.
	Grounds string `json:"grounds,omitempty"`
	Working []Step `json:"working"`
	Sweeps  []Grid `json:"sweeps,omitempty"`
}

// Step is one figure on the way to the result.
type Step struct {
	What  string  `json:"what"`
	How   string  `json:"how"` // the formula with its numbers
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// Grid is a table on the way to the result, with one row for each variation that was tried.
type Grid struct {
	Title   string       `json:"title"`
	Over    string       `json:"over"` // what the rows vary
	Columns []GridColumn `json:"columns"`
	Rows    []GridRow    `json:"rows"`
}

// GridColumn is a quantity with its unit.
type GridColumn struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
}

// GridRow is a variation and its figures.
type GridRow struct {
	Name   string    `json:"name"`
	Values []float64 `json:"values"`
}

// Report holds the claims that were audited.
type Report struct {
	Hardware string   `json:"hardware"`
	Judge    string   `json:"judge"` // the fidelity that decides the verdicts
	Kernels  string   `json:"kernels"`
	Claims   []*Claim `json:"claims"`
}

// Options say which claims to audit and how to price them. The zero value audits every claim on
// the GPU that the paper used, with today's kernels.
type Options struct {
	Only     []string          // names of claims; an empty list means all
	Hardware *hardware.Profile // nil for one A100 80GB, on which the paper measured
	// Deploy gives kernels, formats and the kind of prefill where a claim does not say them.
	Deploy costmodel.Options
	// Judge is the fidelity that decides verdicts; "" stands for the finest that has figures for
	// the device.
	Judge string
	// Price prices a deployment; nil stands for costmodel.Compile.
	Price Pricer
	// Simulate computes the simulated figures; NewSimulator makes one. With nil there are no
	// simulated figures.
	Simulate Simulator
}

// Pricer compiles a model for a device.
type Pricer func(*arch.Model, *hardware.Profile, costmodel.Options) (Price, error)

// Price answers what an audit asks of a priced deployment; costmodel.Compiled does.
type Price interface {
	At(costmodel.Fidelity) costmodel.Pricer
	Fill(costmodel.Workload) (full costmodel.Workload, fits bool)
	Memory(costmodel.Workload) costmodel.Memory
}

// entry is a claim and the function that audits it.
type entry struct {
	Claim
	audit func(*auditor, *Claim) error
}

func entries() []entry {
	return []entry{
		{Claim{ID: "throughput-10x", Source: "paper, card",
			Statement: "up to 10× the decode throughput of Phi4-mini for Phi4-mini-Flash",
			Setting:   "2K prompt + 32K generated, vLLM 0.7.3, one A100-80GB, 1–16 clients",
			Quantity:  "largest speedup at 1–16 sequences", Unit: "×", Claimed: 10}, (*auditor).throughput10},
		{Claim{ID: "long-context-4.9x", Source: "paper",
			Statement: "4.9× the throughput of Phi4-mini for Phi4-mini-Flash",
			Setting:   "32K prompt + 500 generated, vLLM 0.7.3, one A100-80GB, 1–16 clients",
			Quantity:  "largest speedup at 1–16 sequences", Unit: "×", Claimed: 4.9}, (*auditor).longContext},
		{Claim{ID: "crossover-4k", Source: "paper",
			Statement: "Phi4-mini-Flash is faster than Phi4-mini from a generation length of 4K on",
			Setting:   "2K prompt, latency averaged over 1, 2, 4, 8 and 16 sequences",
			Quantity:  "generation length from which it is faster", Unit: "tokens", Claimed: 4096}, (*auditor).crossover},
		{Claim{ID: "latency-linear", Source: "model card",
			Statement: "latency grows near-linearly in the tokens generated for Phi4-mini-Flash, quadratically for Phi4-mini",
			Setting:   "2K prompt, up to 32K generated",
			Quantity:  "exponent of latency in tokens at 32K, Flash, 1 to 16 sequences averaged", Claimed: 1}, (*auditor).latencyLinear},
		{Claim{ID: "best-of-three", Source: "paper",
			Statement: "SambaY without differential attention has at least the throughput of Samba+YOCO and Phi4-mini",
			Setting:   "2K + 32K and 32K + 500, 1–16 sequences",
			Quantity:  "least speedup over the better of the two", Unit: "×", Claimed: 1}, (*auditor).bestOfThree},
		{Claim{ID: "gmu-io", Source: "paper, card",
			Statement: "a GMU cuts a layer's decode memory I/O from O(d_kv·N) to O(d_h)",
			Setting:   "one layer of Phi4-mini-Flash, one decode step",
			Quantity:  "bytes a token of context adds to what a GMU layer moves", Unit: "B", Claimed: 0}, (*auditor).gmuIO},
		{Claim{ID: "io-16x", Source: "card",
			Statement: "16× less memory I/O per layer",
			Setting:   "one layer of Phi4-mini-Flash; 2K prompt + 32K generated; no batch named",
			Quantity:  "bytes of a cross-attention layer over a GMU layer, 1 sequence", Unit: "×", Claimed: 16}, (*auditor).io16},
		{Claim{ID: "io-ratio-heads", Source: "card",
			Statement: "memory_complexity: a GMU reads hidden/head_dim times less, the number of heads",
			Setting:   "the card's own layer: 4096 wide, 32 heads; 2K prompt + 32K generated",
			Quantity:  "bytes of a cross-attention layer over a GMU layer, 1 sequence", Unit: "×", Claimed: 0}, (*auditor).ioRatioHeads},
		{Claim{ID: "seed-estimator", Source: "card",
			Statement: "estimate_decoding_efficiency: what its throughput_improvement says GMUs gain",
			Setting:   "the card's default model: 40 layers, 4096 wide, 32 heads; 2K prompt + 32K generated, 1 sequence",
			Quantity:  "throughput with every other cross-attention layer a GMU over none", Unit: "×"}, (*auditor).seedEstimator},
		{Claim{ID: "prefill-linear", Source: "paper, card",
			Statement: "prefill time is linear in the prompt length",
			Setting:   "Phi4-mini-Flash, one sequence, prompts of 32Ki and 64Ki",
			Quantity:  "exponent of prefill time in the prompt length", Claimed: 1}, (*auditor).prefillLinear},
		{Claim{ID: "half-replaced", Source: "paper, card",
			Statement: "about half of the cross-attention layers become GMUs",
			Setting:   "the released Phi4-mini-Flash",
			Quantity:  "share of the cross-decoder's mixers that are GMUs", Claimed: 0.5}, (*auditor).halfReplaced},
		{Claim{ID: "short-skip", Source: "card",
			Statement: "no use below 512 generated tokens, pays off above 4K",
			Setting:   "Phi4-mini-Flash over Phi4-mini, 2K prompt, 1–16 sequences; no GPU named",
			Quantity:  "generation length from which a request is 5 % faster, 1 sequence", Unit: "tokens", Claimed: 4096}, (*auditor).shortSkip},
	}
}

// IDs lists the names of the claims.
func IDs() []string {
	var ids []string
	for _, e := range entries() {
		ids = append(ids, e.ID)
	}
	return ids
}

// Run audits the claims that are asked for, in the order of IDs.
func Run(ctx context.Context, o Options) (*Report, error) {
	for _, id := range o.Only {
		if !slices.Contains(IDs(), id) {
			return nil, fmt.Errorf("no claim %q (know %s)", id, strings.Join(IDs(), ", "))
		}
	}
	a, err := newAuditor(ctx, o)
	if err != nil {
		return nil, err
	}
	r := &Report{Hardware: a.hw.Name, Judge: a.judge.String(), Kernels: fmt.Sprintf("KV %s, differential %s, prefill %s", o.Deploy.KVRead, o.Deploy.Diff, o.Deploy.Prefill)}
	for _, e := range entries() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, e.ID) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c := e.Claim
		if err := e.audit(a, &c); err != nil {
			return nil, fmt.Errorf("%s: %w", c.ID, err)
		}
		r.Claims = append(r.Claims, &c)
	}
	return r, nil
}
