package costmodel

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"ridgeline/costmodel/calibrate"
	"ridgeline/hardware"
	"ridgeline/models"
	"ridgeline/precision"
)

// ServedTPOT is the predicted mean time in seconds per output token when concurrency
// requests of a prompt and generate tokens are always in flight: the mean step of all of
// them, and the prompts of the others worked in between (continuous batching). Calibrated
// only; the engine's figures say how much of a prompt's time running requests feel.
func (c *Compiled) ServedTPOT(prompt, generate, concurrency int) float64 {
	step := c.Generation(Calibrated, concurrency, prompt, generate) / float64(generate)
	if _, measured := c.calibrated().(*calibrated); prompt == 0 || !measured {
		return step
	}
	one := c.Prefill(Calibrated, 1, prompt).Seconds
	return step + c.engine.Interleave*float64(concurrency-1)*one/float64(generate)
}

// served takes a run apart under an engine that adds nothing.
func (c *Compiled) served(r *calibrate.ServedRun) calibrate.ServedParts {
	k, ok := c.calibrated().(*calibrated)
	if !ok {
		k = &calibrated{}
	}
	p := calibrate.ServedParts{Generate: float64(r.Generate), Concurrency: float64(r.Concurrency), TPOT: r.TPOT}
	p.Step = c.Generation(Calibrated, r.Concurrency, r.Prompt, r.Generate) / float64(r.Generate)
	p.Prompt = c.Prefill(Calibrated, 1, r.Prompt).Seconds
	for _, ks := range [][]kernel{k.fixed, k.streams, k.vary} {
		for i := range ks {
			p.StepKernels += ks[i].layers * ks[i].launches
			if ks[i].price == asStream {
				p.StepStreams += ks[i].layers
			}
		}
	}
	for i := range k.prefill {
		if k.prefill[i].price == asStream {
			p.PromptStreams += k.prefill[i].layers
		}
	}
	return p
}

// servedModels are models of served runs that are no preset's checkpoint but have its
// shapes; the table says in which format their weights are.
var servedModels = map[string]string{"nvidia/Llama-3.1-8B-Instruct-FP8": "llama-3.1-8b"}

// ServedGroup is the served runs of one model, system and engine, and how far
// predictions of their TPOT are.
type ServedGroup struct {
	Model, Hardware, Engine, Version, Precision string
	Runs                                        []calibrate.ServedRun
	Parts                                       []calibrate.ServedParts
	// Elsewhere says that prompts cannot have run on the GPUs that decode: their time
	// alone is more than the runs took.
	Elsewhere bool
	// Erratic says that runs of one setting differ by more than twice.
	Erratic bool
	Basis   string
}

// GroupServed takes served runs apart, group by group in order of appearance. Runs of
// models that are no preset, or on hardware of no profile, are an error naming the line.
func GroupServed(runs []calibrate.ServedRun) ([]*ServedGroup, error) {
	var out []*ServedGroup
	byKey := map[string]*ServedGroup{}
	type setting struct {
		g            *ServedGroup
		tp, p, gn, c int
	}
	seen := map[setting]float64{}
	for i := range runs {
		r := &runs[i]
		name, ok := servedModels[r.Model]
		if !ok {
			name = r.Model
		}
		m, err := models.Open(name)
		if err != nil {
			return nil, fmt.Errorf("line %d: model: %w", r.Line, err)
		}
		hw, err := hardware.Lookup(r.Hardware())
		if err != nil {
			return nil, fmt.Errorf("line %d: system %q: %w", r.Line, r.System, err)
		}
		o := Options{TP: r.TP, Engine: "ideal"}
		if r.Precision.Bytes() == 1 {
			o.Weights, o.Compute = r.Precision, r.Precision
		} else {
			o.Weights = precision.BF16
		}
		c, err := Compile(m, hw, o)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", r.Line, err)
		}
		key := fmt.Sprint(r.Model, r.System, r.Engine, r.Version, r.Precision)
		g := byKey[key]
		if g == nil {
			g = &ServedGroup{Model: m.Name, Hardware: hw.Name, Engine: r.Engine, Version: r.Version, Precision: r.Precision.String(), Basis: c.Basis(Calibrated)}
			byKey[key] = g
			out = append(out, g)
		}
		p := c.served(r)
		g.Runs, g.Parts = append(g.Runs, *r), append(g.Parts, p)
		if p.Concurrency*p.Prompt > p.Generate*r.TPOT+r.TTFT {
			g.Elsewhere = true
		}
		at := setting{g, r.TP, r.Prompt, r.Generate, r.Concurrency}
		if t, ok := seen[at]; ok && (t > 2*r.TPOT || r.TPOT > 2*t) {
			g.Erratic = true
		}
		seen[at] = r.TPOT
	}
	return out, nil
}

// Errors returns |predicted − measured|/measured of each run's TPOT under an engine.
func (g *ServedGroup) Errors(e *calibrate.Engine) []float64 {
	out := make([]float64, len(g.Parts))
	for i := range g.Parts {
		p := &g.Parts[i]
		d := e.TPOT(p, g.Elsewhere)/p.TPOT - 1
		out[i] = max(d, -d)
	}
	return out
}

// ServedCheck is the error of one group of served runs.
type ServedCheck struct {
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

// fewestServed is how many runs a group needs to be fitted to: fewer are one-off settings.
const fewestServed = 10

// usable reports whether a group's runs are of one steady kind.
func (g *ServedGroup) usable() bool {
	return !g.Elsewhere && !g.Erratic && len(g.Runs) >= fewestServed
}

func (g *ServedGroup) note() string {
	switch {
	case g.Erratic:
		return "not fitted: runs of one setting differ by more than twice"
	case g.Elsewhere:
		return "not fitted: prompts ran elsewhere or were cached"
	case len(g.Runs) < fewestServed:
		return "not fitted: too few runs"
	}
	return "fitted"
}

// CheckServed predicts every group with its engine among es.
func CheckServed(groups []*ServedGroup, es []calibrate.Engine) []ServedCheck {
	var out []ServedCheck
	for _, g := range groups {
		e := calibrate.EngineOf(es, g.Engine, g.Version)
		c := ServedCheck{Model: g.Model, Hardware: g.Hardware, Engine: g.Engine, Version: g.Version, Weights: g.Precision, Runs: len(g.Runs), Fitted: g.usable(), Note: g.note()}
		for _, x := range g.Errors(e) {
			c.MAPE += x / float64(len(g.Runs))
		}
		out = append(out, c)
	}
	return out
}

// ServedTables gives the errors of served runs, by hardware, as tables of class serving;
// groups whose runs contradict each other are left out.
func ServedTables(file string, groups []*ServedGroup, es []calibrate.Engine) []calibrate.TableError {
	type key struct{ hw, basis string }
	var order []key
	errs := map[key][]calibrate.ServedError{}
	for _, g := range groups {
		if g.Erratic {
			continue
		}
		e := calibrate.EngineOf(es, g.Engine, g.Version)
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
func FitEngines(ctx context.Context, groups []*ServedGroup) ([]calibrate.Engine, error) {
	parts := map[string][]calibrate.ServedParts{}
	versions := map[string]map[string]bool{}
	for _, g := range groups {
		if !g.usable() {
			continue
		}
		if versions[g.Engine] == nil {
			versions[g.Engine] = map[string]bool{}
		}
		versions[g.Engine][g.Version] = true
		for _, name := range []string{g.Engine, calibrate.EngineVersion(g.Engine, g.Version)} {
			parts[name] = append(parts[name], g.Parts...)
		}
	}
	for name, vs := range versions {
		if len(vs) > 1 {
			continue
		}
		for v := range vs {
			delete(parts, calibrate.EngineVersion(name, v))
		}
	}
	var out []calibrate.Engine
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		e, err := calibrate.FitEngine(ctx, name, parts[name])
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no engine has %d served runs of one kind", fewestServed)
	}
	return out, nil
}
