package check

import (
	"context"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/optimize"

	"github.com/OWNER/ridgeline/serving"
)

// Sample is what an engine's host times are fitted to: runs, and rows of tables.
type Sample struct {
	Runs []Run
	Rows []Row
}

// Free says which of the host times a fit may change.
type Free struct{ Step, Kernel, Sequence, Token, Request, Tokenise bool }

// Fit finds the host times with which simulated means are nearest to measured ones. It minimises
// the mean of |ln TPOT ratio| plus half of |ln TTFT ratio| by running the simulator, with the
// simplex method of Nelder and Mead over the logarithms of the times.
func Fit(ctx context.Context, s *Sample, start serving.Host, free Free) (serving.Host, float64, error) {
	h := start
	var at []*float64
	for _, x := range []struct {
		free bool
		v    *float64
		unit float64
	}{{free.Step, &h.Step, 1e-4}, {free.Kernel, &h.Kernel, 1e-7}, {free.Sequence, &h.Sequence, 1e-6}, {free.Token, &h.Token, 1e-8}, {free.Request, &h.Request, 1e-3}, {free.Tokenise, &h.Tokenise, 1e-6}} {
		if x.free {
			*x.v = max(*x.v, x.unit)
			at = append(at, x.v)
		}
	}
	x0 := make([]float64, len(at))
	for i, v := range at {
		x0[i] = math.Log(*v)
	}
	var failed error
	loss := func(x []float64) float64 {
		if failed != nil || ctx.Err() != nil {
			return math.Inf(1)
		}
		for i, v := range at {
			*v = math.Exp(min(max(x[i], -25), 0))
		}
		if free.Request {
			h.Reply = h.Request
		}
		l, err := s.loss(ctx, &h)
		if err != nil {
			failed = err
			return math.Inf(1)
		}
		return l
	}
	r, err := optimize.Minimize(optimize.Problem{Func: loss}, x0, &optimize.Settings{FuncEvaluations: 30 * len(at), Converger: &optimize.FunctionConverge{Absolute: 1e-4, Iterations: 20}}, &optimize.NelderMead{SimplexSize: 0.4})
	if failed != nil {
		return h, 0, failed
	}
	if ctx.Err() != nil {
		return h, 0, ctx.Err()
	}
	if r == nil {
		return h, 0, err
	}
	return h, loss(r.X), nil
}

func (s *Sample) loss(ctx context.Context, h *serving.Host) (float64, error) {
	sums := make([]float64, len(s.Runs)+len(s.Rows))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range s.Runs {
		g.Go(func() error {
			r, err := s.Runs[i].Replay(ctx, h)
			if err != nil {
				return err
			}
			sums[i] = distance(r.TPOT, 1) + distance(r.TTFT, 0.5)
			return nil
		})
	}
	for i := range s.Rows {
		g.Go(func() error {
			r := &s.Rows[i]
			ttft, tpot, err := r.Simulate(ctx, h)
			if err != nil {
				return err
			}
			sums[len(s.Runs)+i] = distance(Pair{r.TPOT, tpot}, 1) + distance(Pair{r.TTFT, ttft}, 0.5)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return mean(sums), nil
}

func distance(p Pair, weight float64) float64 {
	return weight * min(math.Abs(math.Log(p.Simulated/p.Measured)), 1)
}
