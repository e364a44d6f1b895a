// Package served holds predictions against whole runs of serving engines, and fits what an
// engine adds to the kernels of a step from them.
//
// Units: seconds, tokens. A run is a fixed number of requests in flight; its figures are
// means over the requests.
package served

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/OWNER/ridgeline/calibrate"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/precision"
)

// parts takes a run apart under an engine that adds nothing.
func parts(c *costmodel.Compiled, r *Run) Parts {
	p := Parts{Generate: float64(r.Generate), Concurrency: float64(r.Concurrency), TPOT: r.TPOT}
	price := c.At(costmodel.Calibrated)
	p.Step = price.Generation(costmodel.Workload{Prompt: r.Prompt, Generate: r.Generate, Batch: r.Concurrency}) / float64(r.Generate)
	p.Prompt = price.Prefill(costmodel.Workload{Prompt: r.Prompt, Batch: 1})
	p.StepKernels, p.StepStreams, p.PromptStreams = c.Launches()
	return p
}

// presets are models of served runs that are no preset's checkpoint but have its shapes; the
// table says in which format their weights are.
var presets = map[string]string{"nvidia/Llama-3.1-8B-Instruct-FP8": "llama-3.1-8b"}

// Group is the runs of one model, system and engine, and how far predictions of their time
// per output token are.
type Group struct {
	Model, Hardware, Engine, Version, Precision string
	Runs                                        []Run
	Parts                                       []Parts
	// Elsewhere says that prompts cannot have run on the GPUs that decode: their time
	// alone is more than the runs took.
	Elsewhere bool
	// Erratic says that runs of one setting differ by more than twice.
	Erratic bool
	Basis   string
}

// Skipped is how many runs of a table were not priced for one reason.
type Skipped struct {
	Reason string `json:"reason"`
	Rows   int    `json:"rows"`
	Line   int    `json:"line"` // of the first of them
}

// GroupRuns takes runs apart, group by group in order of appearance. Runs that cannot be
// priced, of models that are no preset or on hardware of no profile, are skipped.
func GroupRuns(runs []Run) (groups []*Group, skipped []Skipped) {
	type key struct {
		model, system, engine, version string
		precision                      precision.DType
	}
	byKey := map[key]*Group{}
	type setting struct {
		g            *Group
		tp, p, gn, c int
	}
	seen := map[setting]float64{}
	compiled := map[deployment]result{}
	for i := range runs {
		r := &runs[i]
		at := deployment{r.Model, r.Hardware(), r.Precision, r.TP}
		d, ok := compiled[at]
		if !ok {
			d.c, d.err = at.compile()
			compiled[at] = d
		}
		if d.err != nil {
			j := slices.IndexFunc(skipped, func(s Skipped) bool { return s.Reason == d.err.Error() })
			if j < 0 {
				j, skipped = len(skipped), append(skipped, Skipped{Reason: d.err.Error(), Line: r.Line})
			}
			skipped[j].Rows++
			continue
		}
		c := d.c
		k := key{r.Model, r.System, r.Engine, r.Version, r.Precision}
		g := byKey[k]
		if g == nil {
			g = &Group{Model: c.Model.Name, Hardware: c.Hardware.Name, Engine: r.Engine, Version: r.Version, Precision: r.Precision.String(), Basis: c.At(costmodel.Calibrated).Basis()}
			byKey[k] = g
			groups = append(groups, g)
		}
		p := parts(c, r)
		g.Runs, g.Parts = append(g.Runs, *r), append(g.Parts, p)
		if p.Concurrency*p.Prompt > p.Generate*r.TPOT+r.TTFT {
			g.Elsewhere = true
		}
		same := setting{g, r.TP, r.Prompt, r.Generate, r.Concurrency}
		if t, ok := seen[same]; ok && (t > 2*r.TPOT || r.TPOT > 2*t) {
			g.Erratic = true
		}
		seen[same] = r.TPOT
	}
	return groups, skipped
}

// deployment is what runs are priced on.
type deployment struct {
	model, hardware string
	precision       precision.DType
	tp              int
}

type result struct {
	c   *costmodel.Compiled
	err error
}

func (d deployment) compile() (*costmodel.Compiled, error) {
	name := d.model
	if preset, ok := presets[name]; ok {
		name = preset
	}
	m, err := models.Open(name)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	hw, err := hardware.Lookup(d.hardware)
	if err != nil {
		return nil, fmt.Errorf("system: %w", err)
	}
	o := costmodel.Options{TP: d.tp, Engine: "ideal", Weights: formats.Plain(precision.BF16)}
	if d.precision.Bytes() == 1 {
		o.Weights, o.Compute = formats.Of(d.precision), d.precision
	}
	return costmodel.Compile(m, hw, o)
}

// Errors returns |predicted − measured|/measured of each run's TPOT under an engine.
func (g *Group) Errors(e *kerneltime.Engine) []float64 {
	out := make([]float64, len(g.Parts))
	for i := range g.Parts {
		p := &g.Parts[i]
		d := TPOT(e, p, g.Elsewhere)/p.TPOT - 1
		out[i] = max(d, -d)
	}
	return out
}

// GroupCheck is the error of one group of served runs.
type GroupCheck struct {
	Model    string  `json:"model"`
	Hardware string  `json:"hardware"`
	Engine   string  `json:"engine"`
	Version  string  `json:"version"`
	Weights  string  `json:"weights"`
	Runs     int     `json:"runs"`
	MAPE     float64 `json:"mape"`
	Fitted   bool    `json:"fitted"` // its runs are among those engines are fitted to
	Note     string  `json:"note"`
}

// fewest is how many runs a group needs to be fitted to: fewer are one-off settings.
const fewest = 10

// usable reports whether a group's runs are of one steady kind.
func (g *Group) usable() bool {
	return !g.Elsewhere && !g.Erratic && len(g.Runs) >= fewest
}

func (g *Group) note() string {
	switch {
	case g.Erratic:
		return "not fitted: runs of one setting differ by more than twice"
	case g.Elsewhere:
		return "not fitted: prompts ran elsewhere or were cached"
	case len(g.Runs) < fewest:
		return "not fitted: too few runs"
	}
	return "fitted"
}

// CheckRuns predicts every group with its engine among es.
func CheckRuns(groups []*Group, es []kerneltime.Engine) []GroupCheck {
	var out []GroupCheck
	for _, g := range groups {
		e := kerneltime.EngineOf(es, g.Engine, g.Version)
		c := GroupCheck{Model: g.Model, Hardware: g.Hardware, Engine: g.Engine, Version: g.Version, Weights: g.Precision, Runs: len(g.Runs), Fitted: g.usable(), Note: g.note()}
		for _, x := range g.Errors(e) {
			c.MAPE += x / float64(len(g.Runs))
		}
		out = append(out, c)
	}
	return out
}

// Tables gives the errors of served runs, by hardware, as tables of class serving;
// groups whose runs contradict each other are left out.
func Tables(file string, groups []*Group, es []kerneltime.Engine) []calibrate.TableError {
	type key struct{ hw, basis string }
	var order []key
	errs := map[key][]calibrate.ServedError{}
	for _, g := range groups {
		if g.Erratic {
			continue
		}
		e := kerneltime.EngineOf(es, g.Engine, g.Version)
		k := key{g.Hardware, g.Basis}
		if errs[k] == nil {
			order = append(order, k)
		}
		for i, x := range g.Errors(e) {
			errs[k] = append(errs[k], calibrate.ServedError{Seconds: g.Runs[i].TPOT, APE: x})
		}
	}
	var out []calibrate.TableError
	for _, k := range order {
		out = append(out, calibrate.ServedTableError(file, k.hw, k.basis, errs[k]))
	}
	return out
}

// FitEngines fits each engine to the groups that are of one steady kind, in name order;
// where several versions of one have runs enough, each of them too, as name-version.
func FitEngines(ctx context.Context, groups []*Group) ([]kerneltime.Engine, error) {
	byName := map[string][]Parts{}
	versions := map[string]map[string]bool{}
	for _, g := range groups {
		if !g.usable() {
			continue
		}
		if versions[g.Engine] == nil {
			versions[g.Engine] = map[string]bool{}
		}
		versions[g.Engine][g.Version] = true
		for _, name := range []string{g.Engine, kerneltime.EngineVersion(g.Engine, g.Version)} {
			byName[name] = append(byName[name], g.Parts...)
		}
	}
	for name, vs := range versions {
		if len(vs) > 1 {
			continue
		}
		for v := range vs {
			delete(byName, kerneltime.EngineVersion(name, v))
		}
	}
	var out []kerneltime.Engine
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		e, err := FitEngine(ctx, name, byName[name])
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no engine has %d served runs of one kind", fewest)
	}
	return out, nil
}
