package claims

import (
	"context"
	"fmt"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/units"
)

// Curve is a model simulated under one engine, either with each of the paper's numbers of clients
// or with growing generation lengths.
type Curve struct {
	Model  string
	Engine string // the claim's engine or today's, in words
	Title  string // title of the simulated engine
	Load   string // the load in words
	Basis  string // which measurements the times rest on
	Points []CurvePoint
}

// CurvePoint is one run of a curve. Seconds is the mean latency of a request.
type CurvePoint struct {
	Clients    int // 0 where figures are averaged over the paper's 1, 2, 4, 8 and 16 clients
	Generate   int // mean number of generated tokens
	Throughput float64
	Seconds    float64
}

// figures holds, by number, the figures of the paper that Figure can make again.
var figures = map[int]func(*auditor) ([]Curve, error){4: (*auditor).figure4, 9: (*auditor).figure9}

// Figure simulates the paper's Figure 4 (latency against throughput with 1 to 16 clients, for
// four models and two loads) or Figure 9 (latency against the tokens generated, averaged over 1
// to 16 clients), each with the paper's engine and kernels and with today's.
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

// eras returns the two engines of a figure, the paper's and today's.
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
