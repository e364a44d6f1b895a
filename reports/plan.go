package reports

import (
	"fmt"
	"math"
	"strings"

	"github.com/OWNER/ridgeline/plan"
)

// PlanRow is a deployment of a plan as the command line prints it. Its fields are stable: new
// ones are added, but none is renamed. The figures that an objective limits come from the
// simulator.
type PlanRow struct {
	Model    string `json:"model"`
	Hardware string `json:"hardware"`
	TP       int    `json:"tp"`
	PP       int    `json:"pp"`
	EP       int    `json:"ep"`
	DP       int    `json:"dp"`
	Replicas int    `json:"replicas"`
	// GPUs is the number of devices of all replicas.
	GPUs            int    `json:"gpus"`
	Weights         string `json:"weights"`                    // their format; "" is as the checkpoint has them
	KV              string `json:"kv"`                         // the cache's format; "" is the activations'
	Draft           string `json:"draft,omitempty"`            // what drafts tokens, how many a step, and which share is accepted; absent without speculative decoding
	PrefillReplicas int    `json:"prefill_replicas,omitempty"` // replicas that only work prompts
	DecodeReplicas  int    `json:"decode_replicas,omitempty"`  // replicas that only decode, after those prompts
	Engine          string `json:"engine"`
	Seqs            int    `json:"max_num_seqs"`           // the most sequences that a replica runs at once
	Budget          int    `json:"max_num_batched_tokens"` // the most tokens of one engine step
	MaxBatch, Chunk int    `json:"-"`                      // the two values above where they were varied, else 0
	Meets           bool   `json:"meets"`                  // whether the objective is met
	Front           bool   `json:"front"`                  // whether every other deployment that meets the objective costs more or has longer times

	Objective []PlanFigure `json:"objective"` // the figures that the objective limits
	Binds     string       `json:"binds"`     // the name of the figure that is nearest to its limit
	Margin    float64      `json:"margin"`    // the distance of that figure to its limit, as a share of the limit; negative beyond the limit

	MeanTTFT float64 `json:"mean_ttft_seconds"` // mean time to the first token
	MeanTPOT float64 `json:"mean_tpot_seconds"` // mean time per output token after the first
	Rate     float64 `json:"request_rate"`      // requests a second, of all replicas together
	Input    float64 `json:"input_tokens"`      // prompt tokens a second
	Output   float64 `json:"output_tokens"`     // generated tokens a second
	Busy     float64 `json:"busy"`              // share of the time in which replicas compute

	USDPerHour   *float64 `json:"usd_per_hour"`             // null without prices
	USDPerInput  *float64 `json:"usd_per_million_input"`    // USD for a million prompt tokens: the share of the cost for the time that prompts take
	USDPerOutput *float64 `json:"usd_per_million_output"`   // USD for a million generated tokens: the rest of the cost
	GPUHours     float64  `json:"gpu_hours_per_million"`    // for a million tokens, prompt and generated
	Watts        float64  `json:"watts_at_most"`            // devices at their TDP while they compute; idle draw and hosts are not in it
	Joules       float64  `json:"joules_per_token_at_most"` // the energy at that power for one token, prompt or generated
	Command      string   `json:"command"`                  // the command that starts one replica; two lines where some replicas work prompts and others decode
}

// PlanFigure is a figure that an objective limits.
type PlanFigure struct {
	Name  string  `json:"name"`  // the figure and its limit
	Limit float64 `json:"limit"` // seconds, or for goodput a share
	Value float64 `json:"value"` // mean over seeds
	Low   float64 `json:"low"`   // the lower end of the figure's 90 % interval over seeds
	High  float64 `json:"high"`
	// Slow is the same figure where every kernel takes the longest time within its calibration's
	// 90 % interval; null where nothing was measured.
	Slow *float64 `json:"slow"`
}

// PlanJSON is a plan.
type PlanJSON struct {
	Verdict     string     `json:"verdict"`
	Deployments int        `json:"deployments"` // how many were estimated
	Impossible  int        `json:"impossible"`  // how many of those do not fit, or cannot serve requests of this length
	Unseen      int        `json:"unseen"`      // how many were not simulated though they might be no dearer than the best, going by a lower bound of their cost
	Proven      bool       `json:"proven"`      // whether it is proven that no deployment of the space is cheaper
	Stopped     bool       `json:"stopped"`     // whether the search was stopped before all finalists were simulated
	Best        *PlanRow   `json:"best"`        // null where nothing meets the objective
	Rows        []*PlanRow `json:"rows"`        // the finalists: the deployments that were simulated
	Prices      []string   `json:"prices"`      // where the prices come from
}

// Plan makes the JSON of a plan. prices say where the prices come from.
func Plan(p *plan.Plan, prices []string) *PlanJSON {
	j := &PlanJSON{Deployments: p.Deployments, Impossible: p.Impossible, Unseen: p.Unseen, Proven: p.Proven, Stopped: p.Stopped, Prices: prices}
	for _, o := range p.Finalists {
		r := &PlanRow{Model: o.Model, Hardware: o.Device, TP: o.TP, PP: o.PP, EP: o.EP, DP: o.DP, Replicas: o.Replicas * o.Ratio.Group(), GPUs: o.GPUsInAll(),
			PrefillReplicas: o.Replicas * o.Ratio.Prefill, DecodeReplicas: o.Replicas * o.Ratio.Decode, Draft: o.Draft.String(),
			Weights: o.Weights, KV: o.KV, Engine: o.Engine, Seqs: o.Seqs, Budget: o.Budget, MaxBatch: o.MaxBatch, Chunk: o.Chunk, Meets: o.Meets,
			Binds: o.Binds.Limit.String(), Margin: 1 - o.Binds.Ratio(),
			MeanTTFT: o.TTFT, MeanTPOT: o.TPOT, Rate: o.Rate, Input: o.InputTokens, Output: o.OutputTokens, Busy: o.Busy,
			GPUHours: float64(o.GPUsInAll()) / 3600 / (o.InputTokens + o.OutputTokens) * 1e6, Watts: o.Watts, Joules: o.Joules, Command: o.Command}
		for _, f := range p.Front {
			r.Front = r.Front || f == o
		}
		for i, m := range o.Measured {
			f := PlanFigure{Name: m.Limit.String(), Limit: m.Limit.Seconds, Value: bounded(m.Value), Low: bounded(m.Low), High: bounded(m.High)}
			if o.Slow != nil {
				v := bounded(o.Slow[i].Value)
				f.Slow = &v
			}
			r.Objective = append(r.Objective, f)
		}
		for _, x := range []struct {
			v  float64
			to **float64
		}{{o.Cost, &r.USDPerHour}, {o.InputCost, &r.USDPerInput}, {o.OutputCost, &r.USDPerOutput}} {
			if p.Priced && finite(x.v) {
				*x.to = &x.v
			}
		}
		for _, v := range []*float64{&r.Margin, &r.GPUHours, &r.Joules, &r.MeanTTFT, &r.MeanTPOT} {
			*v = bounded(*v)
		}
		j.Rows = append(j.Rows, r)
		if o == p.Best {
			j.Best = r
		}
	}
	j.Verdict = planVerdict(p, j)
	return j
}

// bounded replaces an infinite figure by the largest number, since JSON has no infinity.
func bounded(v float64) float64 {
	switch {
	case math.IsNaN(v):
		return 0
	case math.IsInf(v, 0):
		return math.Copysign(math.MaxFloat64, v)
	}
	return v
}

func given(name string, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s %d", name, n)
}

// short names a row by the settings in which it differs from the other rows.
func (j *PlanJSON) short(r *PlanRow) string {
	differ := func(of func(*PlanRow) string) bool {
		for _, x := range j.Rows {
			if of(x) != of(j.Rows[0]) {
				return true
			}
		}
		return false
	}
	var parts []string
	for _, x := range []struct {
		of     func(*PlanRow) string
		always bool
	}{{func(r *PlanRow) string { return r.Model }, false}, {func(r *PlanRow) string { return r.Hardware }, true}, {(*PlanRow).split, false},
		{func(r *PlanRow) string { return strings.TrimSpace("W " + r.Weights) }, false}, {func(r *PlanRow) string { return strings.TrimSpace("KV " + r.KV) }, false}, {func(r *PlanRow) string { return r.Engine }, false},
		{func(r *PlanRow) string { return r.Draft }, false}, {(*PlanRow).apart, false},
		{func(r *PlanRow) string { return given("seqs", r.MaxBatch) }, false}, {func(r *PlanRow) string { return given("chunk", r.Chunk) }, false}} {
		if s := x.of(r); s != "" && (x.always || differ(x.of)) {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " ")
}

// Deployed describes a row's deployment in words.
func (r *PlanRow) Deployed() string {
	s := fmt.Sprintf("%s on %s", r.Model, r.Hardware)
	if split := r.split(); split != "" {
		s += ", " + split
	}
	if r.Weights != "" {
		s += ", weights " + r.Weights
	}
	if r.KV != "" {
		s += ", KV " + r.KV
	}
	if r.Draft != "" {
		s += ", draft " + r.Draft
	}
	return s + ", " + r.Engine
}

// apart says how many replicas work prompts and how many decode, or returns "" where every
// replica does both.
func (r *PlanRow) apart() string {
	if r.PrefillReplicas == 0 {
		return ""
	}
	return fmt.Sprintf("%d+%d", r.PrefillReplicas, r.DecodeReplicas)
}

// replicas says how many replicas there are.
func (r *PlanRow) replicas() string {
	s := Several(r.Replicas, "replica", "replicas")
	if r.PrefillReplicas > 0 {
		s += fmt.Sprintf(" (%s for prompts, %s that decode)", Int(float64(r.PrefillReplicas)), Int(float64(r.DecodeReplicas)))
	}
	return s
}

func (r *PlanRow) split() string {
	var parts []string
	for _, x := range []struct {
		name string
		n    int
	}{{"tp", r.TP}, {"pp", r.PP}, {"ep", r.EP}, {"dp", r.DP}} {
		if x.n > 1 {
			parts = append(parts, fmt.Sprintf("%s %d", x.name, x.n))
		}
	}
	return strings.Join(parts, " ")
}

// Several writes a number with the word for the thing counted: "one replica", "12 replicas".
func Several(n int, one, many string) string {
	if n == 1 {
		return "one " + one
	}
	return Int(float64(n)) + " " + many
}

// planFigure writes a figure with its limit.
func planFigure(m plan.Measured) string {
	if m.Limit.Figure == "goodput" {
		return fmt.Sprintf("goodput is %.4g %% of the requests, %.4g %% are asked for", 100*m.Value, 100*m.Limit.Seconds)
	}
	name := strings.ToUpper(m.Limit.Figure)
	if m.Limit.Figure == "e2e" {
		name = "end-to-end time"
	}
	_, which, _ := strings.Cut(m.Limit.String(), " ")
	which, _, _ = strings.Cut(which, "<")
	value := "never ends"
	if finite(m.Value) {
		value = "is " + SI(m.Value, "s")
	}
	return fmt.Sprintf("%s %s %s, at most %s are asked for", which, name, value, SI(m.Limit.Seconds, "s"))
}

// planVerdict says in sentences which deployment to take.
func planVerdict(p *plan.Plan, j *PlanJSON) string {
	if len(p.Finalists) == 0 {
		if p.Stopped {
			return "Stopped before a deployment was simulated."
		}
		if c := p.Nearest; c != nil {
			lead := "No deployment can serve the load"
			if p.Deployments > 1 {
				lead = fmt.Sprintf("None of %s deployments can serve the load; the largest", Int(float64(p.Deployments)))
			}
			return fmt.Sprintf("%s: tp %d: %s.", lead, c.TP, c.Why)
		}
		return "There is nothing to choose from."
	}
	o, r := p.Finalists[0], j.Rows[0]
	if p.Best == nil {
		s := fmt.Sprintf("Nothing meets the objective. Nearest comes %s in %s (%s): %s, %.3g times what is allowed.", r.Deployed(), r.replicas(), Several(o.GPUsInAll(), "GPU", "GPUs"), planFigure(o.Binds), o.Binds.Ratio())
		if !finite(o.Binds.Ratio()) || o.Binds.Ratio() <= 1 {
			s = fmt.Sprintf("Nothing meets the objective. Nearest comes %s in %s (%s): requests come faster than they are served; more devices, or a smaller load.", r.Deployed(), r.replicas(), Several(o.GPUsInAll(), "GPU", "GPUs"))
		}
		return s + rest(p)
	}
	s := fmt.Sprintf("Cheapest that meets the objective: %s, %s, %s in all", r.Deployed(), r.replicas(), Several(o.GPUsInAll(), "GPU", "GPUs"))
	if p.Priced {
		s += fmt.Sprintf(", %s USD an hour (%s a million input tokens, %s a million output tokens)", Digits(o.Cost), Digits(o.InputCost), Digits(o.OutputCost))
	} else {
		s += fmt.Sprintf(", %s GPU-hours a million tokens", Digits(r.GPUHours))
	}
	s += fmt.Sprintf(". What binds: %s (a margin of %.0f %%).", planFigure(o.Binds), 100*r.Margin)
	if o.Slow != nil {
		worst, ratio := o.Slow[0], 0.0
		for _, m := range o.Slow {
			if x := m.Ratio(); x >= ratio {
				worst, ratio = m, x
			}
		}
		if ratio > 1 {
			s += fmt.Sprintf(" With kernels as slow as one in twenty measurements would be, it is missed: %s.", planFigure(worst))
		} else {
			s += " It is met with kernels at the slow bound of their calibration too."
		}
	}
	return s + rest(p)
}

// rest says how sure the answer is.
func rest(p *plan.Plan) string {
	seen := Several(len(p.Finalists), "of them was simulated", "of them were simulated")
	s := fmt.Sprintf(" %s estimated, %s", strings.Replace(Several(p.Deployments, "deployment was", "deployments were"), "one", "One", 1), seen)
	if p.Impossible > 0 {
		s += fmt.Sprintf(", %s cannot serve the load at all", Int(float64(p.Impossible)))
	}
	switch {
	case p.Stopped:
		return s + "; stopped before the rest."
	case p.Best == nil && p.Unseen == 0:
		return s + "."
	case p.Best == nil:
		return s + fmt.Sprintf("; of %s nothing says that they do not meet it (--finalists).", Int(float64(p.Unseen)))
	case p.Proven:
		return s + "; the bounds of the others say that none is cheaper."
	}
	return s + fmt.Sprintf("; %s may be cheaper by their bounds (--finalists).", Int(float64(p.Unseen)))
}

// PlanTable lists the finalists; those that meet the objective stand first.
func PlanTable(title string, p *plan.Plan, j *PlanJSON) *Table {
	t := &Table{Title: title, Turn: true}
	add := func(c Column) { t.Columns = append(t.Columns, c) }
	add(Column{Name: "deployment", CSV: "deployment", Left: true})
	add(Column{Name: "replicas", CSV: "replicas"})
	add(Column{Name: "GPUs", CSV: "gpus"})
	if p.Priced {
		add(Column{Name: "cost", Unit: "USD/h", CSV: "usd_per_hour", Plain: true})
		add(Column{Name: "input", Unit: "USD/Mtok", CSV: "usd_per_million_input", Plain: true})
		add(Column{Name: "output", Unit: "USD/Mtok", CSV: "usd_per_million_output", Plain: true})
	}
	add(Column{Name: "GPU-hours", Unit: "1/Mtok", CSV: "gpu_hours_per_million", Plain: true})
	var limits []PlanFigure
	if len(j.Rows) > 0 {
		limits = j.Rows[0].Objective
	}
	for _, l := range limits {
		name, rest, _ := strings.Cut(l.Name, " ")
		which, _, _ := strings.Cut(rest, "<")
		if name == "goodput" {
			add(Column{Name: "goodput", Unit: "%", CSV: "goodput_percent", Plain: true})
			continue
		}
		csv := strings.ReplaceAll(which, ".", "_") + "_" + name
		add(Column{Name: strings.ToUpper(name) + "\n" + which, Unit: "s", CSV: csv + "_seconds", Scale: true})
		add(Column{Name: "90 %\nfrom", Unit: "s", CSV: csv + "_low_seconds", Scale: true})
		add(Column{Name: "90 %\nto", Unit: "s", CSV: csv + "_high_seconds", Scale: true})
	}
	add(Column{Name: "margin", Unit: "%", CSV: "margin_percent", Plain: true})
	add(Column{Name: "output", Unit: "tok/s", CSV: "output_tokens", Plain: true})
	add(Column{Name: "busy", Unit: "%", CSV: "busy_percent", Plain: true})
	add(Column{Name: "energy\nat most", Unit: "J/tok", CSV: "joules_per_token_at_most", Plain: true})
	add(Column{Name: "meets", CSV: "meets", Left: true})
	for _, r := range j.Rows {
		cells := []Cell{Txt(j.short(r)), Num(float64(r.Replicas)), Num(float64(r.GPUs))}
		if p.Priced {
			cells = append(cells, orDash(r.USDPerHour, 1), orDash(r.USDPerInput, 1), orDash(r.USDPerOutput, 1))
		}
		cells = append(cells, Num(r.GPUHours))
		for _, f := range r.Objective {
			if strings.HasPrefix(f.Name, "goodput") {
				cells = append(cells, Num(100*f.Value))
				continue
			}
			for _, v := range []float64{f.Value, f.Low, f.High} {
				cell := Num(v)
				if v == math.MaxFloat64 {
					cell = Txt("never")
				}
				cells = append(cells, cell)
			}
		}
		meets := "no"
		switch {
		case r.Meets && r.Front:
			meets = "yes, unbeaten"
		case r.Meets:
			meets = "yes"
		}
		t.Add(append(cells, Num(100*r.Margin), Num(r.Output), Num(100*r.Busy), Num(r.Joules), Txt(meets))...)
	}
	t.Notes = append(t.Notes, j.Verdict)
	if j.Best != nil {
		which := []string{"Each replica: "}
		if j.Best.PrefillReplicas > 0 {
			which = []string{"Each replica for prompts: ", "Each replica that decodes: "}
		}
		for i, line := range strings.Split(j.Best.Command, "\n") {
			t.Notes = append(t.Notes, which[i]+line)
		}
	}
	if len(j.Prices) > 0 {
		t.Notes = append(t.Notes, "Prices: "+strings.Join(j.Prices, "; ")+".")
	} else {
		t.Notes = append(t.Notes, "No prices were given (--price DEVICE=USD an hour), so the plan is in GPUs and GPU-hours, one counting as much as another.")
	}
	if len(j.Rows) == 0 {
		return t
	}
	t.Notes = append(t.Notes, "Unbeaten: no other finalist that meets the objective costs no more and takes no longer. Energy: devices at their TDP while they compute, so at most; idle draw, hosts and cooling are not in it.")
	return t
}
