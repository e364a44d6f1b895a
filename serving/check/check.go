// Package check simulates served runs that were measured, and says how far the simulator is off.
//
// A run is a file with one row for each request, or one row of a table of whole runs. What a
// run's files do not say (versions, defaults) is filled in from what is published about the run.
// Rows that cannot be simulated are counted, with the reason.
package check

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/serving"
)

// Pair is a figure as measured and as simulated, in seconds.
type Pair struct {
	Measured  float64 `json:"measured"`
	Simulated float64 `json:"simulated"`
}

// APE is |simulated − measured| / measured.
func (p Pair) APE() float64 { return math.Abs(p.Simulated/p.Measured - 1) }

// Run is a measured run in which every request is known.
type Run struct {
	File     string
	Name     string // of a part of the file; may be empty
	Model    string
	Hardware string
	Engine   string // as serving.EngineNamed reads it
	TP       int
	Replicas int
	Weights  precision.DType
	Settings serving.Settings
	Requests []serving.Request
	Measured Figures
	Skip     int // requests at the beginning that were slow because the engine was not warm; they count neither as measured nor as simulated
}

// Figures holds a run's means and tails in seconds, over the requests that were answered.
type Figures struct {
	Completed             int
	TTFT, TPOT, E2E       float64
	TTFT99, TPOT99, E2E99 float64
}

// RunResult says how far a simulated run is off.
type RunResult struct {
	File     string `json:"file"`
	Model    string `json:"model"`
	Hardware string `json:"hardware"`
	Engine   string `json:"engine"`
	TTFT     Pair   `json:"ttft"`
	TPOT     Pair   `json:"tpot"`
	E2E      Pair   `json:"e2e"`
	TTFT99   Pair   `json:"ttft_p99"`
	E2E99    Pair   `json:"e2e_p99"`

	Requests   int     `json:"requests"`
	Completed  Counts  `json:"completed"`
	Overloaded bool    `json:"overloaded"`
	KVBlocks   int     `json:"kv_blocks"`
	Basis      string  `json:"basis"`
	Part       string  `json:"part,omitempty"`
	Batch      float64 `json:"batch_mean"`
	Why        string  `json:"why"`
}

// Counts is a number as measured and as simulated.
type Counts struct {
	Measured  int `json:"measured"`
	Simulated int `json:"simulated"`
}

// Skipped says how many rows could not be simulated for one reason.
type Skipped struct {
	Reason string `json:"reason"`
	Rows   int    `json:"rows"`
}

// deployment opens and compiles the model with which a run was made.
func deployment(model, on, engine string, tp int, weights precision.DType, s serving.Settings, host *serving.Host) (*serving.Deployment, *costmodel.Compiled, error) {
	m, err := openModel(model)
	if err != nil {
		return nil, nil, err
	}
	return deployModel(m, on, engine, tp, weights, s, host)
}

func deployModel(m *arch.Model, on, engine string, tp int, weights precision.DType, s serving.Settings, host *serving.Host) (*serving.Deployment, *costmodel.Compiled, error) {
	hw, err := hardware.Lookup(on)
	if err != nil {
		return nil, nil, err
	}
	p, err := serving.EngineNamed(engine)
	if err != nil {
		return nil, nil, err
	}
	o := costmodel.Options{TP: tp, Engine: "ideal", Weights: formats.Plain(weights)}
	if weights.Bytes() == 1 {
		o.Weights, o.Compute = formats.Of(weights), weights
		// TensorRT-LLM stores the cache of an fp8 checkpoint in fp8 (hf_quant_config.json,
		// kv_cache_quant_algo); the other engines store it in 16 bits unless told otherwise. Runs
		// show it: 128 clients of Qwen3-32B, for which there is no room with 16 bits, do not
		// queue.
		if strings.HasPrefix(engine, "trtllm") {
			o.KV = weights
		}
	}
	c, err := costmodel.Compile(m, hw, o)
	if err != nil {
		return nil, nil, err
	}
	if host != nil {
		s.Host = host
	}
	d, err := serving.Deploy(p, c, costmodel.Calibrated, s)
	return d, c, err
}

// overloadedAt is the share of the whole time from which on the mean wait for the first token
// makes a run count as overloaded: most of its time is then spent in queues.
const overloadedAt = 0.25

// Replay simulates a run. host, if it is not nil, replaces the engine's host times, for a fit.
func (r *Run) Replay(ctx context.Context, host *serving.Host) (*RunResult, error) {
	d, c, err := deployment(r.Model, r.Hardware, r.Engine, r.TP, r.Weights, r.Settings, host)
	if err != nil {
		return nil, err
	}
	res, err := serving.Run(ctx, d.Limits, d.Price, &serving.Replay{Requests: r.Requests}, serving.Options{Replicas: r.Replicas, Router: serving.RoundRobin})
	if err != nil {
		return nil, err
	}
	f := figuresOf(res.Requests, r.Skip)
	for _, v := range []float64{f.TTFT, f.TPOT, f.E2E, r.Measured.TTFT, r.Measured.TPOT, r.Measured.E2E} {
		if !(v > 0) || math.IsInf(v, 1) {
			return nil, errors.New("no request of more than one token was answered, measured or simulated")
		}
	}
	m := res.Metrics(serving.SLO{}, 0)
	o := serving.Outcome{Metrics: m, Stats: res.Stats}
	return &RunResult{File: r.File, Part: r.Name, Model: r.Model, Hardware: r.Hardware, Engine: r.Engine,
		TTFT: Pair{r.Measured.TTFT, f.TTFT}, TPOT: Pair{r.Measured.TPOT, f.TPOT}, E2E: Pair{r.Measured.E2E, f.E2E},
		TTFT99: Pair{r.Measured.TTFT99, f.TTFT99}, E2E99: Pair{r.Measured.E2E99, f.E2E99},
		Requests: len(r.Requests), Completed: Counts{r.Measured.Completed, f.Completed}, Overloaded: r.Measured.TTFT > overloadedAt*r.Measured.E2E,
		KVBlocks: d.Limits.Blocks, Basis: c.At(costmodel.Calibrated).Basis(), Batch: res.Stats.Batch(), Why: o.Why()}, nil
}

func figuresOf(rs []serving.Record, skip int) Figures {
	var ttft, tpot, e2e []float64
	f := Figures{}
	for i := range rs {
		q := &rs[i]
		if q.Status != serving.Done {
			continue
		}
		f.Completed++
		if i < skip {
			continue
		}
		ttft, e2e = append(ttft, q.TTFT()), append(e2e, q.E2E())
		if t, ok := q.TPOT(); ok {
			tpot = append(tpot, t)
		}
	}
	f.fill(ttft, tpot, e2e)
	return f
}

func (f *Figures) fill(ttft, tpot, e2e []float64) {
	mean := func(v []float64) float64 {
		s := 0.0
		for _, x := range v {
			s += x
		}
		return s / float64(len(v))
	}
	f.TTFT, f.TPOT, f.E2E = mean(ttft), mean(tpot), mean(e2e)
	for _, x := range []struct {
		v  []float64
		to *float64
	}{{ttft, &f.TTFT99}, {tpot, &f.TPOT99}, {e2e, &f.E2E99}} {
		sort.Float64s(x.v)
		*x.to = serving.Percentile(x.v, 0.99)
	}
}

// ReplayAll simulates runs in parallel and counts those that cannot be simulated.
func ReplayAll(ctx context.Context, runs []Run, progress func(done, total int)) (out []*RunResult, skipped []Skipped, err error) {
	results := make([]*RunResult, len(runs))
	reasons := make([]string, len(runs))
	done := make(chan struct{}, len(runs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	go func() {
		for i := range len(runs) {
			select {
			case <-done:
				if progress != nil {
					progress(i+1, len(runs))
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	for i := range runs {
		g.Go(func() error {
			r, err := runs[i].Replay(ctx, nil)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				reasons[i] = err.Error()
			}
			results[i] = r
			done <- struct{}{}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	for i, r := range results {
		if r == nil {
			skipped = skip(skipped, fmt.Sprintf("%s: %s", runs[i].File, reasons[i]), len(runs[i].Requests))
			continue
		}
		out = append(out, r)
	}
	return out, skipped, nil
}

func skip(s []Skipped, reason string, rows int) []Skipped {
	for i := range s {
		if s[i].Reason == reason {
			s[i].Rows += rows
			return s
		}
	}
	return append(s, Skipped{reason, rows})
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Clone(v)
	sort.Float64s(v)
	return serving.Percentile(v, 0.5)
}

func mean(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s / float64(len(v))
}

// lower returns the name of a file in lower case, for comparisons.
func lower(s string) string { return strings.ToLower(s) }
