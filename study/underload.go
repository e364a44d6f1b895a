package study

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/units"
)

// UnderLoad is a load under which the setup's models are simulated on an engine, with the prompt
// and answer lengths of the setup. Exactly one of Clients and Rate is positive.
type UnderLoad struct {
	Engine   *serving.Profile
	Clients  int
	Rate     float64 // requests a second
	Shape    serving.Shape
	Spread   float64 // standard deviation of lengths divided by their mean
	Requests int     // how many requests to simulate; with 0 the simulator chooses
	SLO      serving.SLO
	SLOText  string // the SLO as the user wrote it
	// Progress, if it is not nil, is called after each simulated run with the number of runs that
	// are done and the number there are.
	Progress func(done, total int)
}

// lighter lists loads from a light one up to u: half as many clients each time down to one, or
// rates from a sixteenth of u's.
func (u *UnderLoad) lighter() (out []UnderLoad) {
	for div := 64; div >= 1; div /= 2 {
		x := *u
		x.SLO, x.SLOText = serving.SLO{}, ""
		switch {
		case u.Clients > 0 && (div == 1 || u.Clients%div == 0):
			x.Clients = u.Clients / div
		case u.Clients == 0 && div <= 16:
			x.Rate = u.Rate / float64(div)
		default:
			continue
		}
		out = append(out, x)
	}
	return out
}

// CurveRuns returns how many runs it takes to draw the curves of so many models.
func (u *UnderLoad) CurveRuns(models int) int { return models * len(u.lighter()) }

// progress returns a function to call at the end of each of total runs.
func (u *UnderLoad) progress(total int) func() {
	done := 0
	return func() {
		if done++; u.Progress != nil {
			u.Progress(done, total)
		}
	}
}

// amount says how many clients there are or how many requests come in a second.
func (u *UnderLoad) amount() string {
	switch {
	case u.Clients == 1:
		return "1 client"
	case u.Clients > 0:
		return units.Int(float64(u.Clients)) + " clients"
	}
	return fmt.Sprintf("%g requests/s", u.Rate)
}

// String describes the load without its lengths.
func (u *UnderLoad) String() string {
	s := u.amount()
	if u.Spread > 0 {
		s += fmt.Sprintf(", lengths %s:%g", u.Shape, u.Spread)
	}
	return s + ", " + u.Engine.Title
}

// Servable returns an error that says why a model of the setup cannot be simulated under its
// load, or nil where all can.
func (s *Setup) Servable() error {
	for _, c := range s.Compiled {
		if _, err := s.deploy(s.Serve, c); err != nil {
			return err
		}
	}
	return nil
}

// deploy puts a model behind the load's engine, with what drafts for it.
func (s *Setup) deploy(u *UnderLoad, c *costmodel.Compiled) (*serving.Deployment, error) {
	return serving.Deploy(u.Engine, c, s.Fidelity, serving.Settings{Speculation: s.Speculation[c]})
}

// drafted says what drafts, where something does.
func (s *Setup) drafted() []string {
	for _, c := range s.Compiled {
		if x := s.Speculation[c]; x != nil {
			return []string{fmt.Sprintf("%d drafted a step by %s, %.3g %% accepted", x.Tokens, x.Draft.Name, 100*x.Acceptance)}
		}
	}
	return nil
}

// Under simulates every model of the setup under a load and returns the results in the order of
// the models.
func (s *Setup) Under(ctx context.Context, u *UnderLoad) ([]*serving.Served, error) {
	var out []*serving.Served
	ran := u.progress(len(s.Compiled))
	for _, c := range s.Compiled {
		d, err := s.deploy(u, c)
		if err != nil {
			return nil, err
		}
		x, err := d.Served(ctx, s.ask(u))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Model.Name, err)
		}
		if x.Completed == 0 {
			return nil, fmt.Errorf("%s on %s: %s serves no request of %d + %d tokens", c.Model.Name, c.Hardware.Name, u.Engine.Title, s.Load.Prompt, s.Load.Generate)
		}
		out = append(out, x)
		ran()
	}
	return out, nil
}

func (s *Setup) ask(u *UnderLoad) serving.Ask {
	length := func(mean int) serving.Lengths {
		l := serving.Lengths{Mean: float64(mean), Spread: u.Spread}
		if u.Spread > 0 {
			l.Shape = u.Shape
		}
		return l
	}
	alike := max(min(int(s.Load.PrefixShare*float64(s.Load.Prompt)), s.Load.Prompt-1), 0)
	return serving.Ask{Clients: u.Clients, Rate: u.Rate, Prefix: alike, Prompt: length(s.Load.Prompt - alike), Generate: length(s.Load.Generate), Requests: u.Requests, SLO: u.SLO}
}

// UnderCurve draws latency against throughput from a light load up to u.
func (s *Setup) UnderCurve(ctx context.Context, u *UnderLoad) (*Chart, error) {
	var points []ServedPoint
	loads := u.lighter()
	ran := u.progress(u.CurveRuns(len(s.Compiled)))
	for _, c := range s.Compiled {
		d, err := s.deploy(u, c)
		if err != nil {
			return nil, err
		}
		for i := range loads {
			x, err := d.Served(ctx, s.ask(&loads[i]))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Model.Name, err)
			}
			points = append(points, ServedPoint{Name: s.whole(c), Model: c.Model.Name, Device: c.Hardware.Name, Load: loads[i].amount(),
				Throughput: x.OutputThroughput, TPOT: x.TPOT.Mean, TTFT: x.TTFT.Mean})
			ran()
		}
	}
	setting := s.setting("prompt", "generate")
	for i, x := range setting {
		if _, after, ok := strings.Cut(x, " · "); ok && strings.HasPrefix(x, "engine ") {
			setting[i] = after // the engine that the analytic figures assume is replaced by the simulated one
		}
	}
	ch := Served(points, s.fidelities(), append(append(setting, s.drafted()...), "to "+u.String()))
	ch.Kind = "load"
	return ch, nil
}

// orNil returns nil for a number that does not exist.
func orNil(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

// ServedFigures are what tables and JSON show of a simulated model. Times are in milliseconds and
// named as vLLM's benchmark names them; those that do not exist are nil.
type ServedFigures struct {
	Engine           string   `json:"engine"`                           // title of the simulated engine
	Load             string   `json:"load"`                             // clients or rate of requests, in words
	OutputThroughput float64  `json:"output_throughput"`                // tokens generated a second, over the whole run
	MeanTTFT         *float64 `json:"mean_ttft_ms"`                     // milliseconds
	P99TTFT          *float64 `json:"p99_ttft_ms"`                      // milliseconds
	MeanTPOT         *float64 `json:"mean_tpot_ms"`                     // milliseconds
	P99TPOT          *float64 `json:"p99_tpot_ms"`                      // milliseconds
	MeanE2E          *float64 `json:"mean_e2el_ms"`                     // milliseconds
	Preemptions      int      `json:"preemptions"`                      // how often a sequence lost its cache blocks and had to be computed again
	SLO              string   `json:"slo,omitempty"`                    // as the user wrote it
	Users            *int     `json:"users,omitempty"`                  // the largest number of clients with which 99 % of requests meet the SLO
	Binds            string   `json:"binds,omitempty"`                  // the limit that one more client would break
	USDPerOutput     *float64 `json:"usd_per_million_output,omitempty"` // a million generated tokens at the throughput of the run; absent where no price was given
	Why              string   `json:"why"`                              // what takes the time of a request
}

// Figures returns what tables and JSON show of a simulated model.
func (u *UnderLoad) Figures(x *serving.Served) ServedFigures {
	ms := func(v float64) *float64 { return orNil(1e3 * v) }
	f := ServedFigures{Engine: u.Engine.Title, Load: u.String(), OutputThroughput: x.OutputThroughput, MeanTTFT: ms(x.TTFT.Mean), P99TTFT: ms(x.TTFT.P99),
		MeanTPOT: ms(x.TPOT.Mean), P99TPOT: ms(x.TPOT.P99), MeanE2E: ms(x.E2E.Mean), Preemptions: x.Preemptions, Why: x.Why}
	if x.Users >= 0 {
		n := x.Users
		f.SLO, f.Users, f.Binds = u.SLOText, &n, x.Binds
	}
	return f
}
