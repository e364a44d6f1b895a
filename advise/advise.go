// Package advise compares a design with what its sources recommend. Each recommendation, and each
// known mistake, is a rule that measures something about the model and its load, says what to
// change, and promises only gains that the cost model finds after the change.
//
// Sources: "paper" is Ren et al., arXiv:2507.06607v3; "card" is the skill card
// efficient-long-context-reasoning 0.0.2; "ridgeline" is the cost model itself.
package advise

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
)

// Severity is how much a finding matters.
type Severity string

// The severities, from a warning to a remark.
const (
	Fine    Severity = "fine"
	Note    Severity = "note"
	Warning Severity = "warning"
)

// Advice is what a rule found.
type Advice struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	Source   string   `json:"source"`
	Measured string   `json:"measured"` // the figure, in a sentence
	Value    float64  `json:"value"`
	Unit     string   `json:"unit"` // "", "×", "B", "tokens", "count", "%", "s"
	Change   string   `json:"change,omitempty"`
	Gains    []Gain   `json:"gains,omitempty"`
	// Model is the changed model as a MODEL argument, "" where the change is another one or
	// where no argument means this model.
	Model  string   `json:"model,omitempty"`
	Layout string   `json:"layout,omitempty"`
	YAML   string   `json:"yaml,omitempty"`  // the changed model as a file
	Flags  []string `json:"flags,omitempty"` // flags to add, where the change is one of the deployment or the load
}

// Metric names a figure of an estimate that a change can improve.
type Metric string

// The metrics, named as in the JSON of an estimate.
const (
	TPOT            Metric = "tpot_seconds"
	TTFT            Metric = "ttft_seconds"
	Request         Metric = "request_seconds"
	TokensPerSecond Metric = "tokens_per_second"
	MaxBatch        Metric = "max_batch"
	PerDevice       Metric = "tokens_per_second_per_device"
)

// Gain says that a metric changes from Before to After; Factor is above 1, which is better.
type Gain struct {
	Metric Metric  `json:"metric"`
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	Factor float64 `json:"factor"`
}

// Report holds what all rules found.
type Report struct {
	Model    string             `json:"model"`
	Layout   string             `json:"layout"`
	Hardware string             `json:"hardware"`
	Fidelity string             `json:"fidelity"`
	Basis    string             `json:"basis"`
	Against  string             `json:"against"` // what the rule generation-length compares the model with
	Workload costmodel.Workload `json:"workload"`
	Advice   []*Advice          `json:"advice"`
	Warnings int                `json:"warnings"`
}

// Options say which design to compare with the sources.
type Options struct {
	Model    *arch.Model
	Argument string // the text with which the model was asked for, so that advice can be given in the same form
	Hardware *hardware.Profile
	Deploy   costmodel.Options
	Load     costmodel.Workload // a Batch of 0 stands for the largest that fits
	Fidelity costmodel.Fidelity
	Against  *arch.Model // nil for the same model with full attention in place of every mixer
}

// rule is a recommendation or a known mistake.
type rule struct {
	id, source string
	check      func(*advisor, *Advice) error
}

func rules() []rule {
	return []rule{
		{"gmu-ratio", "card: 50 %; more than 60 % degrades reasoning, less than 40 % wastes efficiency", (*advisor).gmuRatio},
		{"gmu-alternating", "paper §2, card: cross-attention and GMUs 1:1 in turn, not at random", (*advisor).alternating},
		{"memory-source", "paper §2: the memory is the last recurrent layer's scan output", (*advisor).memorySource},
		{"ngmu", "paper §2: a memory of Mamba-2 or Gated DeltaNet needs the norm after the gate", (*advisor).normed},
		{"self-decoder-depth", "paper §2, card: half the layers", (*advisor).selfDepth},
		{"cache-owners", "paper §2: one full-attention layer owns the only cache", (*advisor).cacheOwners},
		{"window", "card: 512, a window too small loses context", (*advisor).window},
		{"width", "card: 4096 or more", (*advisor).width},
		{"memory-fit", "ridgeline: what does not fit does not run", (*advisor).fits},
		{"batch-weights", "ridgeline: weights are read once for the whole batch", (*advisor).batchWeights},
		{"batch-cache", "card: batch 1–8", (*advisor).batchCache},
		{"generation-length", "card: skip below 512 tokens, use above 4K, best from 32K", (*advisor).generationLength},
		{"kernels", "paper §4, FlashAttention issue 1564: engines that read a cache more than once", (*advisor).kernels},
		{"kv-precision", "ridgeline: the cache's format sets its traffic", (*advisor).kvPrecision},
		{"state-precision", "ridgeline: the states' format sets their traffic", (*advisor).statePrecision},
		{"tensor-parallel", "ridgeline: kv heads past the ranks are stored twice", (*advisor).tensorParallel},
		{"head-dim", "FlashAttention-2 rounds the head dim up to a multiple of 32", (*advisor).headDim},
		{"learning-rate", "paper table 6: scale it with the depth", (*advisor).learningRate},
		{"latency-apart", "card: measure decode latency apart from accuracy", (*advisor).latencyApart},
		{"binds", "ridgeline: the largest part of a step first", (*advisor).binds},
	}
}

// Rules lists the names of the rules.
func Rules() []string {
	var ids []string
	for _, r := range rules() {
		ids = append(ids, r.id)
	}
	return ids
}

// Run applies every rule.
func Run(ctx context.Context, o Options) (*Report, error) {
	a, err := newAdvisor(o)
	if err != nil {
		return nil, err
	}
	r := &Report{Model: a.now.model.Name, Layout: a.now.model.Summary(), Hardware: a.hw.Name, Fidelity: o.Fidelity.String(),
		Basis: a.e.Basis, Workload: a.now.load}
	if a.against != nil {
		r.Against = a.against.Model.Name
	}
	for _, x := range rules() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v := &Advice{ID: x.id, Source: x.source, Severity: Fine}
		if err := x.check(a, v); err != nil {
			return nil, fmt.Errorf("%s: %w", x.id, err)
		}
		if v.Severity == Warning {
			r.Warnings++
		}
		r.Advice = append(r.Advice, v)
	}
	return r, nil
}

// design is a model deployed for a load.
type design struct {
	model  *arch.Model
	deploy costmodel.Options
	load   costmodel.Workload
}

// advisor measures a design.
type advisor struct {
	hw       *hardware.Profile
	f        costmodel.Fidelity
	argument string
	now      design
	largest  bool // whether the load asks for the largest batch that fits
	c        *costmodel.Compiled
	e        costmodel.Estimate
	share    map[costmodel.Bound]float64 // share of a mean decode step, by what limits it
	against  *costmodel.Compiled
}

func newAdvisor(o Options) (*advisor, error) {
	a := &advisor{hw: o.Hardware, f: o.Fidelity, argument: o.Argument, now: design{o.Model, o.Deploy, o.Load}, share: map[costmodel.Bound]float64{}}
	var err error
	if a.c, err = costmodel.Compile(o.Model, o.Hardware, o.Deploy); err != nil {
		return nil, err
	}
	a.largest = o.Load.Batch == 0
	a.now.load, _ = a.c.Fill(o.Load)
	if a.e, err = a.c.Estimate(a.f, a.now.load); err != nil {
		return nil, err
	}
	sum := 0.0
	for _, t := range a.e.Time {
		sum += t
	}
	for _, b := range costmodel.Bounds() {
		a.share[b] = a.e.Time[b] / sum
	}
	if o.Against != nil {
		a.against, err = costmodel.Compile(o.Against, o.Hardware, o.Deploy)
		return a, err
	}
	// Where the model with full attention cannot be split over the devices, there is nothing to
	// compare with.
	a.against, _ = costmodel.Compile(fullAttention(o.Model), o.Hardware, o.Deploy)
	return a, nil
}

// metric returns one figure of a design.
func (a *advisor) metric(d design, m Metric) (float64, error) {
	c, err := costmodel.Compile(d.model, a.hw, d.deploy)
	if err != nil {
		return 0, err
	}
	e, err := c.Estimate(a.f, d.load)
	if err != nil {
		return 0, err
	}
	switch m {
	case TPOT:
		return e.TPOT(), nil
	case TTFT:
		return e.TTFT(), nil
	case Request:
		return e.RequestSeconds, nil
	case TokensPerSecond:
		return e.Decode.TokensPerSecond, nil
	case MaxBatch:
		return float64(e.Memory.MaxBatch), nil
	}
	return e.Decode.TokensPerSecond / float64(c.Devices()), nil
}

// smallerIsBetter reports whether smaller values of a metric are better.
func (m Metric) smallerIsBetter() bool { return m == TPOT || m == TTFT || m == Request }

// gain says what a change of the design does to a metric: a Factor above 1 is better, one below 1
// worse.
func (a *advisor) gain(to design, m Metric) (Gain, error) {
	before, err := a.metric(a.now, m)
	if err != nil {
		return Gain{}, err
	}
	after, err := a.metric(to, m)
	if err != nil {
		return Gain{}, err
	}
	g := Gain{Metric: m, Before: before, After: after}
	switch {
	case m.smallerIsBetter() && after > 0:
		g.Factor = before / after
	case before > 0:
		g.Factor = after / before
	}
	return g, nil
}

// worthwhile is the smallest factor that is promised as a gain.
const worthwhile = 1.02

// promise writes into the advice how to change the design and which gains that brings. It returns
// false where there are no gains, or where the changed design cannot run here.
func (a *advisor) promise(v *Advice, to design, flags []string, metrics ...Metric) bool {
	var gains []Gain
	for _, m := range metrics {
		g, err := a.gain(to, m)
		if err != nil {
			return false
		}
		if g.Factor >= worthwhile {
			gains = append(gains, g)
		}
	}
	if len(gains) == 0 {
		return false
	}
	if a.largest && !slices.Contains(flags, "--batch") {
		flags = append(slices.Clone(flags), "--batch", strconv.Itoa(a.now.load.Batch)) // the gain was measured at this batch, not at the largest that now fits
	}
	v.Gains, v.Flags = gains, flags
	if to.model != a.now.model {
		a.write(v, to.model)
	}
	return true
}

// write writes a changed model into the advice.
func (a *advisor) write(v *Advice, m *arch.Model) {
	var b bytes.Buffer
	if err := modelfile.Write(&b, m); err != nil {
		return // advice must be a valid model
	}
	v.Layout, v.YAML = m.Summary(), b.String()
}

// found writes into the advice what a rule measured.
func (v *Advice) found(s Severity, value float64, unit, format string, args ...any) {
	v.Severity, v.Value, v.Unit, v.Measured = s, value, unit, fmt.Sprintf(format, args...)
}

// Find returns what one rule found.
func (r *Report) Find(id string) *Advice {
	i := slices.IndexFunc(r.Advice, func(v *Advice) bool { return v.ID == id })
	if i < 0 {
		return nil
	}
	return r.Advice[i]
}
