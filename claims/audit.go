package claims

import (
	"context"
	"fmt"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/units"
)

// The loads of the claims. Lengths are in thousands, as ridgeline reads 2k and 32k.
var (
	longGeneration = costmodel.Workload{Prompt: 2000, Generate: 32000}
	longPrompt     = costmodel.Workload{Prompt: 32000, Generate: 500}
)

// The paper's numbers of clients: throughput was measured with up to mostClients, and latency
// averaged over all of these.
const mostClients = 16

func averagedClients() []int { return []int{1, 2, 4, 8, 16} }

const (
	flash     = "phi4-mini-flash"
	phi       = "phi4-mini"
	sambaY    = "sambay-3.8b"
	sambaYOCO = "samba-yoco-3.8b"
)

// auditor prices what the claims ask for, each deployment only once.
type auditor struct {
	ctx    context.Context
	hw     *hardware.Profile
	deploy costmodel.Options
	price  Pricer
	serve  Simulator
	fids   []costmodel.Fidelity // fidelities that have figures for this device, the coarsest first
	judge  costmodel.Fidelity
	models map[string]*arch.Model
	priced map[deployment]Price
	served map[run]Served
}

type deployment struct {
	model  string
	deploy costmodel.Options
}

func newAuditor(ctx context.Context, o Options) (*auditor, error) {
	a := &auditor{ctx: ctx, hw: o.Hardware, deploy: o.Deploy, price: o.Price, serve: o.Simulate,
		models: map[string]*arch.Model{}, priced: map[deployment]Price{}, served: map[run]Served{}}
	if a.hw == nil {
		hw, err := hardware.Open("a100-80gb")
		if err != nil {
			return nil, err
		}
		a.hw = hw
	}
	if a.price == nil {
		a.price = func(m *arch.Model, hw *hardware.Profile, o costmodel.Options) (Price, error) {
			return costmodel.Compile(m, hw, o)
		}
	}
	p, err := a.of(flash, a.deploy)
	if err != nil {
		return nil, err
	}
	for i := range costmodel.Fidelities() {
		f := costmodel.Fidelity(i)
		if f == costmodel.Calibrated && p.At(f).Basis() == costmodel.DatasheetOnly {
			continue // without measurements of this device, calibrated repeats the roofline
		}
		a.fids = append(a.fids, f)
	}
	a.judge = a.fids[len(a.fids)-1]
	if o.Judge == "" {
		return a, nil
	}
	for _, f := range a.fids {
		if f.String() == o.Judge {
			a.judge = f
			return a, nil
		}
	}
	return nil, fmt.Errorf("fidelity %q has no figures for %s", o.Judge, a.hw.Name)
}

// model opens a model the first time it is asked for; put adds models that an audit makes.
func (a *auditor) model(name string) (*arch.Model, error) {
	if m, ok := a.models[name]; ok {
		return m, nil
	}
	m, err := models.Open(name)
	if err == nil {
		a.models[name] = m
	}
	return m, err
}

func (a *auditor) put(name string, m *arch.Model) string {
	m.Name = name
	a.models[name] = m
	return name
}

func (a *auditor) of(model string, o costmodel.Options) (Price, error) {
	k := deployment{model, o}
	if p, ok := a.priced[k]; ok {
		return p, nil
	}
	m, err := a.model(model)
	if err != nil {
		return nil, err
	}
	p, err := a.price(m, a.hw, o)
	if err != nil {
		return nil, err
	}
	a.priced[k] = p
	return p, nil
}

// pair prices Phi4-mini-Flash and Phi4-mini in the deployment of the audit.
func (a *auditor) pair() (model, baseline Price, err error) {
	if model, err = a.of(flash, a.deploy); err != nil {
		return nil, nil, err
	}
	baseline, err = a.of(phi, a.deploy)
	return model, baseline, err
}

// each writes the figure of every fidelity into the claim and returns that of the fidelity that
// decides the verdict.
func (a *auditor) each(c *Claim, figure func(costmodel.Fidelity) float64) float64 {
	judged := 0.0
	for _, f := range a.fids {
		v := figure(f)
		switch f {
		case costmodel.Limit:
			c.Limit = &v
		case costmodel.Roofline:
			c.Roofline = &v
		default:
			c.Calibrated = &v
		}
		if f == a.judge {
			judged = v
		}
	}
	return judged
}

// latency returns the time of w.Batch requests that start at the same time, in seconds.
func latency(p Price, f costmodel.Fidelity, w costmodel.Workload) float64 {
	return p.At(f).Prefill(w) + p.At(f).Generation(w)
}

// throughput returns the tokens generated a second, with the time of the prefill included.
func throughput(p Price, f costmodel.Fidelity, w costmodel.Workload) float64 {
	return float64(w.Batch) * float64(w.Generate) / latency(p, f, w)
}

// averageLatency returns the latency averaged over the paper's numbers of clients, in seconds.
func averageLatency(p Price, f costmodel.Fidelity, prompt, generate int) float64 {
	sum, n := 0.0, averagedClients()
	for _, b := range n {
		sum += latency(p, f, costmodel.Workload{Prompt: prompt, Generate: generate, Batch: b})
	}
	return sum / float64(len(n))
}

func (c *Claim) step(what string, value float64, unit, how string, args ...any) {
	c.Working = append(c.Working, Step{what, fmt.Sprintf(how, args...), value, unit})
}

// span returns in words the batches from 1 to mostClients for which ok is true, "" where there
// are none.
func span(ok func(batch int) bool) string {
	s := ""
	for b := 1; b <= mostClients; b++ {
		if !ok(b) {
			continue
		}
		end := b
		for end < mostClients && ok(end+1) {
			end++
		}
		if s != "" {
			s += ", "
		}
		if end == b {
			s += fmt.Sprint(b)
		} else {
			s += fmt.Sprintf("%d–%d", b, end)
		}
		b = end
	}
	return s
}

// holdsAt decides a claim by the numbers of clients for which it is true, as span returns them:
// the claim holds if they are all, and holds when the number is one of them if they are some; how
// puts that condition into words.
func (c *Claim) holdsAt(where, how string) {
	switch {
	case all(where):
		c.Verdict = Holds
	case where != "":
		c.Verdict, c.Condition = HoldsWhen, sequences(where)+" "+how
	default:
		c.Verdict = DoesNotHold
	}
}

// all reports whether span returned every batch.
func all(s string) bool { return s == fmt.Sprintf("1–%d", mostClients) }

func sequences(s string) string {
	if s == "1" {
		return "1 sequence"
	}
	return s + " sequences"
}

func tokens(n int) string { return units.Int(float64(n)) + " tokens" }

func ratio(v float64) string { return units.Ratio(v) }
