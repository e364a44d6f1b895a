package plan

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Listing holds the deployments of a problem's space as numbered rows, ordered by their bounds.
// Each row can be simulated independently on any machine, and the same problem gives the same
// rows everywhere.
type Listing struct {
	p          *Problem
	Candidates []*Candidate
}

// Listing estimates all deployments of a problem.
func (p *Problem) Listing(ctx context.Context) (*Listing, error) {
	all, err := p.Estimates(ctx)
	if err != nil {
		return nil, err
	}
	return &Listing{p, all}, nil
}

// ID identifies the rows: two listings have the same ID where their problems, models, devices and
// estimates, to six digits, are the same.
func (l *Listing) ID() string {
	h := sha256.New()
	p := l.p
	fmt.Fprintln(h, p.Fidelity, p.Objective, p.Rate, p.Users, p.Speed, p.Requests, p.Seeds, p.Seed, p.Load)
	if p.Trace != nil {
		for _, q := range p.Trace.Requests {
			fmt.Fprintln(h, q.Arrive, q.Prompt, q.Generate)
		}
	}
	for _, d := range p.Devices {
		fmt.Fprintln(h, d.Profile.Name, d.Count, d.Price)
	}
	for i, c := range l.Candidates {
		fmt.Fprintf(h, "%q %d %d %.6g %.6g %.6g %.6g %.6g %s\n", l.At(i), c.Seqs, c.Budget, c.Cost, c.Bound, c.TTFT, c.TPOT, c.Batch, c.Why)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Setting names the columns that describe a row.
func (l *Listing) Setting() []string {
	return []string{"model", "on", "tp", "pp", "ep", "dp", "weights", "kv", "engine", "draft", "disaggregated", "max_batch", "chunk"}
}

// At returns the values that describe a row.
func (l *Listing) At(row int) []string {
	c := l.Candidates[row]
	n := func(v int) string {
		if v == 0 {
			return ""
		}
		return strconv.Itoa(v)
	}
	return []string{c.Model, c.Device, strconv.Itoa(c.TP), strconv.Itoa(c.PP), strconv.Itoa(c.EP), strconv.Itoa(c.DP), c.Weights, c.KV, c.Engine, c.Draft.String(), c.Ratio.String(), n(c.MaxBatch), n(c.Chunk)}
}

// Figures names the results of a row: the smallest number of replicas that meets the objective
// (all there are devices for, where none does) and their devices, their cost for an hour (in
// GPUs, without prices), whether they meet the objective, the margin of the figure nearest to its
// limit, the figures that the objective limits, and means.
func (l *Listing) Figures() []string {
	out := []string{"replicas", "gpus", "cost_per_hour", "meets", "margin"}
	for _, x := range l.p.Objective.Limits {
		if x.Percentile > 0 {
			out = append(out, fmt.Sprintf("%s_p%g_seconds", x.Figure, 100*x.Percentile))
		} else {
			out = append(out, x.Figure+"_mean_seconds")
		}
	}
	if l.p.Objective.Goodput > 0 {
		out = append(out, "goodput")
	}
	return append(out, "request_rate", "input_tokens", "output_tokens", "busy", "joules_per_token_at_most")
}

// Work simulates a row. It returns figures, or the reason why there are none.
func (l *Listing) Work(ctx context.Context, row int) (figures []float64, reason string, err error) {
	c := l.Candidates[row]
	switch {
	case c.Why != "":
		return nil, c.Why, nil
	case math.IsInf(c.Bound, 1):
		return nil, "by its bound no number of replicas meets the objective", nil
	}
	o, err := l.p.confirm(ctx, c)
	if err != nil {
		return nil, "", err
	}
	return o.figures(), "", nil
}

// figures returns the figures of a confirmed deployment, in the order of Listing.Figures.
func (o *Confirmed) figures() []float64 {
	meets := 0.0
	if o.Meets {
		meets = 1
	}
	out := []float64{float64(o.Replicas * o.Ratio.Group()), float64(o.GPUsInAll()), o.Cost, meets, 1 - o.Binds.Ratio()}
	for _, m := range o.Measured {
		out = append(out, m.Value)
	}
	out = append(out, o.Rate, o.InputTokens, o.OutputTokens, o.Busy, o.Joules)
	for i, v := range out {
		if math.IsNaN(v) {
			out[i] = 0
		} else if math.IsInf(v, 0) { // the margin of a time without end
			out[i] = math.Copysign(math.MaxFloat64, v)
		}
	}
	return out
}

// Choose makes the plan from rows that were all simulated; figures has those of each row, nil
// where a row has none. The finalists are simulated once more, because rows do not hold
// everything; their figures must come out the same.
func (l *Listing) Choose(ctx context.Context, figures [][]float64) (*Plan, error) {
	if len(figures) != len(l.Candidates) {
		return nil, fmt.Errorf("%d rows, and the space has %d deployments", len(figures), len(l.Candidates))
	}
	p := l.p
	out := &Plan{Deployments: len(l.Candidates), Priced: p.priced()}
	var rows []int
	for i, f := range figures {
		if f != nil {
			rows = append(rows, i)
		} else if l.Candidates[i].Why != "" {
			out.Impossible++
		}
	}
	const cost, meets, margin = 2, 3, 4
	slices.SortStableFunc(rows, func(a, b int) int {
		x, y := figures[a], figures[b]
		switch {
		case x[meets] != y[meets]:
			return cmp.Compare(y[meets], x[meets])
		case x[meets] == 1 && x[cost] != y[cost]:
			return cmp.Compare(x[cost], y[cost])
		}
		return cmp.Compare(y[margin], x[margin])
	})
	most := p.finalists()
	seen := map[*Candidate]bool{}
	for _, i := range rows {
		c := l.Candidates[i]
		seen[c] = true
		if len(out.Finalists) >= most {
			continue
		}
		if p.Progress != nil {
			p.Progress(Simulating, len(out.Finalists), min(most, len(rows)))
		}
		o, err := p.confirm(ctx, c)
		if err != nil {
			return nil, err
		}
		if got := o.figures(); !near(got, figures[i]) {
			return nil, fmt.Errorf("row %d is of another problem, or what it simulates has changed since: %s comes out differently", i, fmt.Sprint(l.At(i)))
		}
		out.add(o)
	}
	if len(rows) == 0 && len(l.Candidates) > 0 {
		out.Nearest = l.Candidates[0]
	}
	out.finish(nil, seen)
	return out, nil
}

// near reports whether figures are equal except for rounding, in which machines differ.
func near(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool {
		return x == y || math.Abs(x-y) <= 1e-9*math.Max(math.Abs(x), math.Abs(y))
	})
}
