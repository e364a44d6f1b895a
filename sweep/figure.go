package sweep

import (
	"fmt"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/serving"
)

// quantity says what a figure measures, and so which units its values may have.
type quantity uint8

const (
	count quantity = iota // a plain number: parameters, sequences, tokens per second
	seconds
	size
)

// priced is a compiled design under one load; figures are read from it.
type priced struct {
	at      costmodel.Pricer
	load    costmodel.Workload
	params  float64
	devices float64 // number of devices in all stages and groups
	memory  costmodel.Memory
	prefill float64         // seconds for the prompts
	decode  float64         // seconds for all generated tokens
	served  *serving.Served // nil where the grid does not simulate
}

// figure is a column with a result, in units without a prefix.
type figure struct {
	name, short string
	in          quantity
	more        bool // whether larger values are better
	of          func(*priced) float64
}

// figures lists the columns with results, in order. cache_bytes is the cache and state of one
// sequence at full context; request_seconds is the time for the prompt and all generated tokens.
var figures = [...]figure{
	{"params", "", count, false, func(p *priced) float64 { return p.params }},
	{"weights_bytes", "weights", size, false, func(p *priced) float64 { return p.memory.WeightsBytes }},
	{"cache_bytes_per_token", "", size, false, func(p *priced) float64 { return p.memory.CacheBytesPerToken }},
	{"cache_read_bytes_per_token", "", size, false, func(p *priced) float64 { return p.memory.CacheReadBytesPerToken }},
	{"state_bytes_per_sequence", "", size, false, func(p *priced) float64 { return p.memory.StateBytesPerSequence }},
	{"cache_bytes", "cache", size, false, func(p *priced) float64 { return p.memory.BytesPerSequence }},
	{"missing_bytes", "missing", size, false, func(p *priced) float64 { return p.memory.MissingBytes }},
	{"max_batch", "", count, true, func(p *priced) float64 { return float64(p.memory.MaxBatch) }},
	{"devices", "", count, false, func(p *priced) float64 { return p.devices }},
	{"ttft_seconds", "ttft", seconds, false, func(p *priced) float64 { return p.prefill }},
	{"tpot_seconds", "tpot", seconds, false, func(p *priced) float64 { return p.decode / float64(p.load.Generate) }},
	{"first_step_seconds", "", seconds, false, func(p *priced) float64 { return p.step(1) }},
	{"last_step_seconds", "", seconds, false, func(p *priced) float64 { return p.step(p.load.Generate) }},
	{"request_seconds", "request", seconds, false, func(p *priced) float64 { return p.prefill + p.decode }},
	{"tokens_per_second", "throughput", count, true, func(p *priced) float64 { return p.throughput(p.load.Batch, p.decode) }},
	{"tokens_per_second_per_device", "", count, true, func(p *priced) float64 { return p.throughput(p.load.Batch, p.decode) / p.devices }},
	{"tokens_per_second_at_max_batch", "", count, true, func(p *priced) float64 { return p.atLargest() }},

	{"simulate.tokens_per_second", "", count, true, func(p *priced) float64 { return p.served.OutputThroughput }},
	{"simulate.ttft_seconds", "", seconds, false, func(p *priced) float64 { return p.served.TTFT.Mean }},
	{"simulate.ttft_p99_seconds", "", seconds, false, func(p *priced) float64 { return p.served.TTFT.P99 }},
	{"simulate.tpot_seconds", "", seconds, false, func(p *priced) float64 { return p.served.TPOT.Mean }},
	{"simulate.tpot_p99_seconds", "", seconds, false, func(p *priced) float64 { return p.served.TPOT.P99 }},
	{"simulate.request_seconds", "", seconds, false, func(p *priced) float64 { return p.served.E2E.Mean }},
	{"simulate.preemptions", "", count, false, func(p *priced) float64 { return float64(p.served.Preemptions) }},
	{"simulate.users", "", count, true, func(p *priced) float64 { return float64(max(p.served.Users, 0)) }},
}

// analytic is how many of the figures every row has. The remaining ones are of rows that simulate
// an engine: means and 99th percentiles with as many clients as the batch, each sending its next
// request after an answer, and the largest number of clients that meets the grid's SLO, 0 where
// the grid has none.
const analytic = len(figures) - 8

// simulated reports whether a figure comes from a simulation.
func simulated(figure int) bool { return figure >= analytic }

// step returns the time of the decode step that generates the n-th token, in seconds.
func (p *priced) step(n int) float64 {
	return p.at.Step(p.load.Batch, p.load.Prompt+n)
}

// throughput returns the tokens per second of all sequences of a batch together.
func (p *priced) throughput(batch int, decode float64) float64 {
	return float64(batch) * float64(p.load.Generate) / decode
}

// atLargest returns the throughput in tokens per second of the largest batch that fits, 0 where
// none does.
func (p *priced) atLargest() float64 {
	w := p.load.WithBatch(p.memory.MaxBatch)
	if w.Batch == 0 {
		return 0
	}
	return p.throughput(w.Batch, p.at.Generation(w))
}

// Figures lists the names of the results, which are in units without a prefix. Those that begin
// with simulate. exist only where the grid names an engine to simulate.
func Figures() []string {
	names := make([]string, len(figures))
	for i, f := range figures {
		names[i] = f.name
	}
	return names
}

// Unit returns what a figure is measured in, as printed: "s", "B", or "" for a count.
func Unit(figure string) string {
	i, err := figureOf(figure)
	if err != nil {
		return ""
	}
	return map[quantity]string{seconds: "s", size: "B"}[figures[i].in]
}

// figures returns how many of the figures the rows of the grid have.
func (g *Grid) figures() int {
	if g.simulates() {
		return len(figures)
	}
	return analytic
}

// figureOf finds a figure by its name or short name. extra holds further names to list in the
// error where there is no such figure.
func figureOf(name string, extra ...string) (int, error) {
	for i, f := range figures {
		if f.name == name || f.short != "" && f.short == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("no figure %q (know %s)", name, strings.Join(append(slices.Clone(extra), Figures()...), ", "))
}
