package claims

import (
	"context"
	"fmt"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/units"
)

// Curve is a model simulated under one engine and load, at each of the paper's numbers of
// clients or at growing generation lengths.
type Curve struct {
	Model  string
	Engine string // the claim's or today's, in words
	Title  string // of the engine simulated
	Load   string // in words
	Basis  string // what the times rest on
	Points []CurvePoint
}

// CurvePoint is a run of a curve. Seconds are the mean latency of a request.
type CurvePoint struct {
	Clients    int // 0: averaged over the paper's 1, 2, 4, 8 and 16
	Generate   int // mean tokens
	Throughput float64
	Seconds    float64
}

// The figures of the paper that Figure makes.
var figures = map[int]func(*auditor) ([]Curve, error){4: (*auditor).figure4, 9: (*auditor).figure9}

// Figure simulates the paper's Figure 4 (latency over throughput at 1 to 16 clients, four
// models, two loads) or 9 (latency over the tokens generated, averaged over 1 to 16
// clients), each under the engine and kernels of the paper and under today's.
func Figure(ctx context.Context, n int, o Options) (curves []Curve, fidelity string, err error) {
	make, ok := figures[n]
	if !ok {
		return nil, "", fmt.Errorf("no figure %d of the paper can be simulated, only 4 and 9", n)
	}
	if o.Simulate == nil {
		o.Simulate = NewSimulator()
	}
	a, err := newAuditor(ctx, o)
	if err != nil {
		return nil, "", err
	}
	curves, err = make(a)
	return curves, a.finest().String(), err
}

// eras are the two engines of a figure.
func (a *auditor) eras() []func(string, costmodel.Workload) run {
	return []func(string, costmodel.Workload) run{a.published, a.now}
}

func (a *auditor) curveOf(r run, w costmodel.Workload, load string) (Curve, error) {
	c := Curve{Model: r.model, Load: load}
	e, err := serving.EngineNamed(r.engine)
	if err != nil {
		return c, err
	}
	if c.Engine, c.Title = "today's engine", e.Title; r.engine == claimEngine {
		c.Engine = "vLLM 0.7.3"
	}
	p, err := a.of(r.model, r.deploy)
	if err != nil {
		return c, err
	}
	c.Basis = p.At(a.finest()).Basis()
	return c, nil
}

func loadWords(w costmodel.Workload) string {
	return fmt.Sprintf("%s + %s tokens", units.Int(float64(w.Prompt)), units.Int(float64(w.Generate)))
}

func (a *auditor) figure4() ([]Curve, error) {
	var out []Curve
	for _, w := range []costmodel.Workload{longPrompt, longGeneration} {
		for _, era := range a.eras() {
			for _, name := range []string{phi, sambaYOCO, flash, sambaY} {
				r := era(name, w)
				c, err := a.curveOf(r, w, loadWords(w))
				if err != nil {
					return nil, err
				}
				rs := r.curve()
				if err := a.serveAll(rs); err != nil {
					return nil, err
				}
				for _, x := range rs {
					s := a.served[x]
					c.Points = append(c.Points, CurvePoint{s.Clients, w.Generate, s.Throughput, s.Latency})
				}
				out = append(out, c)
			}
		}
	}
	return out, nil
}

func (a *auditor) figure9() ([]Curve, error) {
	var out []Curve
	for _, era := range a.eras() {
		for _, name := range []string{phi, flash} {
			w := longGeneration
			r := era(name, w)
			c, err := a.curveOf(r, w, units.Int(float64(w.Prompt))+" tokens prompt")
			if err != nil {
				return nil, err
			}
			for g := 1 << 10; g <= 1<<15; g *= 2 {
				w.Generate = g
				t, err := a.meanLatency(era(name, w))
				if err != nil {
					return nil, err
				}
				c.Points = append(c.Points, CurvePoint{Generate: g, Seconds: t})
			}
			out = append(out, c)
		}
	}
	return out, nil
}
