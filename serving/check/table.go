package check

import (
	"context"
	"errors"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/OWNER/ridgeline/internal/input"
	"github.com/OWNER/ridgeline/served"
	"github.com/OWNER/ridgeline/serving"
)

// Row is a whole run of which only means are known. It has a number of clients with one request
// in flight each.
type Row struct{ served.Run }

// ReadTable reads a table of served runs.
func ReadTable(path string) ([]Row, error) {
	f, err := input.OpenAtMost(path, mostBytes)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	runs, err := served.Read(f, path)
	if err != nil {
		return nil, err
	}
	rows := make([]Row, len(runs))
	for i, r := range runs {
		rows[i] = Row{r}
	}
	return rows, nil
}

// RowResult says how far a simulated row is off.
type RowResult struct {
	Row
	SimTTFT, SimTPOT float64
	Reason           string // why the row could not be simulated
}

// Simulate simulates a row as its benchmark ran it. host replaces the engine's host times, for
// fitting; nil keeps them.
func (r *Row) Simulate(ctx context.Context, host *serving.Host) (ttft, tpot float64, err error) {
	d, _, err := deployment(r.Model, r.Hardware(), r.Engine+"-"+r.Version, r.TP, r.Precision, r.settings(), host)
	if err != nil {
		return 0, 0, err
	}
	l := serving.Load{Prompt: serving.Lengths{Mean: float64(r.Prompt)}, Generate: serving.Lengths{Mean: float64(r.Generate)},
		Requests: requestsEach * r.Concurrency, Concurrency: r.Concurrency, Seed: uint64(r.Line)}
	res, err := serving.Run(ctx, d.Limits, d.Price, l.Source(), serving.Options{Quick: true})
	if err != nil {
		return 0, 0, err
	}
	f := figuresOf(res.Requests, 0)
	if !(f.TTFT > 0 && f.TPOT > 0) {
		why := "no request of more than one token is answered in the simulation"
		for i := range res.Requests {
			if w := res.Requests[i].Why; w != "" {
				why = "no request can be served in the simulation: " + w
				break
			}
		}
		return 0, 0, errors.New(why)
	}
	return f.TTFT, f.TPOT, nil
}

// SimulateRows simulates rows in parallel; done, where given, is called after each.
func SimulateRows(ctx context.Context, rows []Row, done func()) ([]RowResult, error) {
	out := make([]RowResult, len(rows))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range rows {
		g.Go(func() error {
			r := &rows[i]
			out[i].Row = *r
			ttft, tpot, err := r.Simulate(ctx, nil)
			if done != nil {
				done()
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				out[i].Reason = err.Error()
				return nil
			}
			out[i].SimTTFT, out[i].SimTPOT = ttft, tpot
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}
