package calibrate

import (
	"context"
	"math"

	"gonum.org/v1/gonum/optimize"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// elbow is the logarithmic residual at which the loss changes from squared to absolute.
const elbow = 0.1

// Robust returns the pseudo-Huber loss √(1+(r/elbow)²) − 1. It grows with the absolute value for
// outliers, so that a fit minimises about the mean absolute percentage error.
func Robust(r float64) float64 {
	r /= elbow
	return math.Sqrt(1+r*r) - 1
}

// Minimise moves the parameters, which are all positive, to a minimum of loss. It uses the method
// of Nelder and Mead on their logarithms and starts it three times, each time where the last run
// stopped.
func Minimise(ctx context.Context, params []kerneltime.Param, evaluations int, loss func() float64) error {
	x := make([]float64, len(params))
	home := make([]float64, len(params))
	for i, p := range params {
		home[i] = math.Log(*p.Value)
	}
	set := func(x []float64) {
		for i, p := range params {
			*p.Value = math.Exp(x[i])
			if p.Most > 0 {
				*p.Value = min(*p.Value, p.Most)
			}
		}
	}
	for range 3 {
		for i, p := range params {
			x[i] = math.Log(*p.Value)
		}
		problem := optimize.Problem{
			Func: func(x []float64) float64 {
				// A small penalty keeps parameters in range about which the data says nothing.
				pull := 0.0
				for i, v := range x {
					v -= home[i]
					pull += 2e-3 * v * v
					if p := params[i]; p.Most > 0 {
						over := max(0, x[i]-math.Log(p.Most))
						pull += over * over
					}
				}
				set(x)
				return loss() + pull
			},
			Status: func() (optimize.Status, error) {
				if err := ctx.Err(); err != nil {
					return optimize.Failure, err
				}
				return optimize.NotTerminated, nil
			},
		}
		result, err := optimize.Minimize(problem, x, &optimize.Settings{
			FuncEvaluations: evaluations / 3,
			Converger:       &optimize.FunctionConverge{Relative: 1e-5, Iterations: 100},
		}, &optimize.NelderMead{SimplexSize: 0.3})
		if ctxErr := ctx.Err(); ctxErr != nil {
			return ctxErr
		}
		if result == nil {
			return err
		}
		set(result.X)
	}
	return nil
}
