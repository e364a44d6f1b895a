package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/internal/atomicfile"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/reports/figure"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/study"
	"github.com/OWNER/ridgeline/units"
)

// maxPrompts is the largest number of requests in a simulation, since each takes about 300 bytes
// of memory.
const maxPrompts = 5_000_000

// simulateFlags say what to simulate.
type simulateFlags struct {
	deploy deployFlags
	load   loadFlags
	out    outFlags

	engine      string
	printEngine bool
	settings    settingFlags
	spec        specFlags
	apart       apartFlags

	spread, spreadPrompt, spreadGenerate string
	concurrency, rate, stages            string
	burstiness                           float64
	trace, lengths                       string
	traceBlock                           int
	speed                                float64
	prompts                              int
	seed                                 uint64
	seeds                                int
	lockStep                             bool
	stagger, think, timeout              time.Duration
	prefixLen                            length
	prefixGroups                         int
	replicas                             int
	router                               string

	slo               string
	sloShare          float64
	maxRate, maxUsers bool

	requests, plot, timeline, theme string
}

func simulateCommand() *cobra.Command {
	s := &simulateFlags{}
	c := &cobra.Command{
		Use:   "simulate MODEL…",
		Short: "Simulate an engine that serves a model: throughput and latencies under load",
		Long: `Simulates requests, the engine's scheduler and its cache, step by step; every step is priced by the
cost model. The load is closed (--concurrency clients that ask again when they are answered), open
(--rate requests a second), a --trace, or searched: --max-rate and --max-users find the heaviest load
that still meets --slo.

Engines differ in scheduler, cache layout and defaults; --print-engine shows what is in force and the
source file each default is from. vLLM's own flag names change it.`,
		Example: `  ridgeline simulate llama-3.1-8b --on h200 --prompt 1k --generate 256 --concurrency 1,4,16,64
  ridgeline simulate phi4-mini phi4-mini-flash --engine vllm-0.7 --spread normal:0.3 --concurrency 8
  ridgeline simulate llama-3.1-8b --prompt 1k --generate 256 --rate 1..32 --slo ttft=500ms
  ridgeline simulate llama-3.1-8b --prompt 1k --generate 256 --slo ttft=500ms,tpot=30ms --max-rate
  ridgeline simulate qwen3.5-27b --on h200 --prompt 1k --generate 512 --draft mtp --acceptance 0.8
  ridgeline simulate phi4-mini-flash --prompt 8k --generate 512 --rate 8 \
      --prefill-replicas 2 --decode-replicas 1
  ridgeline simulate llama-3.1-8b --on h200 --trace trace.jsonl --requests out.csv --format json`,
		Args:              needArgs(1, -1, "at least one model"),
		ValidArgsFunction: modelNames,
		RunE:              func(c *cobra.Command, args []string) error { return s.run(c, args) },
	}
	s.register(c)
	c.AddCommand(simulateCheckCommand())
	return c
}

func (s *simulateFlags) register(c *cobra.Command) {
	s.deploy.register(c)
	s.load.register(c)
	s.out.register(c)
	f := c.Flags()
	// --engine names the engine to simulate, which also decides the calibration. Batch and share
	// of the memory are decided by that engine.
	e := f.Lookup("engine")
	e.Usage, e.DefValue = "the engine: "+strings.Join(serving.Engines(), ", ")+", or a version of one (vllm-0.15.1)", serving.DefaultEngine
	e.Value = &text{&s.engine}
	for _, n := range []string{"batch", "memory-fraction", "microbatches"} {
		_ = f.MarkHidden(n)
	}
	f.BoolVar(&s.printEngine, "print-engine", false, "show the engine's settings and where its defaults are from, and stop")
	s.settings.register(f)
	s.spec.register(c)
	s.apart.register(c)

	f.StringVar(&s.concurrency, "concurrency", "", "closed loop: numbers of clients, as in 1,4,16 or 1..64 (doubling)")
	f.StringVar(&s.rate, "rate", "", "open loop: requests a second, as in 0.5,2 or 0.5..8 (doubling)")
	f.Float64Var(&s.burstiness, "burstiness", 1, "shape of the gamma-distributed gaps: 1 Poisson, below it bursts, above it even")
	f.StringVar(&s.stages, "stages", "", "open loop: RATExSECONDS, …, as in 5x600,10x600")
	f.StringVar(&s.trace, "trace", "", "replay a file: Mooncake JSONL, Azure, BurstGPT or own CSV (arrival,prompt,generate)")
	f.IntVar(&s.traceBlock, "trace-block-size", serving.TraceBlock, "tokens of a block of the trace's hash_ids")
	f.Float64Var(&s.speed, "speed", 1, "replay the trace so many times as fast")
	f.StringVar(&s.spread, "spread", "fixed", "lengths: fixed, normal:SHARE or lognormal:SHARE (standard deviation over the mean)")
	f.StringVar(&s.spreadPrompt, "prompt-spread", "", "the same for prompts alone")
	f.StringVar(&s.spreadGenerate, "generate-spread", "", "the same for answers alone")
	f.StringVar(&s.lengths, "lengths", "", "draw lengths from the requests of a trace file, without its arrivals")
	f.IntVar(&s.prompts, "num-prompts", 0, "requests (default 20 a client, at least 100; 1000 in an open loop; all of a trace)")
	f.Uint64Var(&s.seed, "seed", 0, "seed of lengths and arrivals")
	f.IntVar(&s.seeds, "seeds", 5, "runs with seeds of their own, for means and intervals; a trace is run once")
	f.BoolVar(&s.lockStep, "lock-step", false, "closed loop: all clients begin at once; else they begin --stagger apart")
	f.DurationVar(&s.stagger, "stagger", 2*time.Millisecond, "closed loop: time between the first requests of two clients")
	f.DurationVar(&s.think, "think", 0, "closed loop: time between an answer and a client's next request")
	f.DurationVar(&s.timeout, "client-timeout", 0, "a client gives up after this; 0: never")
	f.Var(&s.prefixLen, "prefix-len", "tokens before each prompt that are alike in a group")
	f.IntVar(&s.prefixGroups, "prefix-groups", 1, "how many such groups")
	f.IntVar(&s.replicas, "replicas", 1, "replicas of the engine behind a router")
	f.StringVar(&s.router, "router", serving.RoundRobin.String(), strings.Join(serving.Routers(), ", "))
	f.StringVar(&s.slo, "slo", "", "what a good request meets: ttft=500ms,tpot=50ms,e2e=10s")
	f.Float64Var(&s.sloShare, "slo-share", 0.99, "with --max-rate and --max-users: share of requests that must meet it")
	f.BoolVar(&s.maxRate, "max-rate", false, "search the highest rate that meets --slo")
	f.BoolVar(&s.maxUsers, "max-users", false, "search the most clients that meet --slo")
	f.StringVar(&s.requests, "requests", "", "write every request to a CSV file (of one load)")
	f.StringVar(&s.plot, "plot", "", "draw throughput against latency to a file ("+figure.Formats+")")
	f.StringVar(&s.timeline, "timeline", "", "draw sequences, queue and cache over time to a file (of one load)")
	f.StringVar(&s.theme, "theme", "light", "light or dark")
	complete(c, "router", serving.Routers)
	complete(c, "theme", func() []string { return []string{"light", "dark"} })
	complete(c, "spread", func() []string { return []string{"fixed", "normal:0.3", "lognormal:0.5"} })
}

// text is a flag that sets a variable of another flag.
type text struct{ to *string }

func (t *text) String() string {
	if t.to == nil {
		return ""
	}
	return *t.to
}
func (t *text) Set(s string) error { *t.to = s; return nil }
func (t *text) Type() string       { return "string" }

// deployments sets up the engine for every model.
func (s *simulateFlags) deployments(c *cobra.Command, models []string) (costmodel.Fidelity, costmodel.Workload, []*costmodel.Compiled, []*serving.Deployment, error) {
	fail := func(err error) (costmodel.Fidelity, costmodel.Workload, []*costmodel.Compiled, []*serving.Deployment, error) {
		return 0, costmodel.Workload{}, nil, nil, err
	}
	for _, n := range []string{"batch", "memory-fraction"} {
		if c.Flags().Changed(n) {
			return fail(fmt.Errorf("--%s: the engine decides; see --max-num-seqs and --gpu-memory-utilization", n))
		}
	}
	if c.Flags().Changed("microbatches") {
		return fail(errors.New("--microbatches: the engine decides, by what is in its queue whenever a stage of --pp is free"))
	}
	p, err := serving.EngineNamed(s.engine)
	if err != nil {
		return fail(fmt.Errorf("--engine: %w", err))
	}
	set, err := s.settings.settings()
	if err != nil {
		return fail(err)
	}
	s.deploy.engine = "ideal" // the simulator adds the engine's own times
	f, w, cs, err := s.load.of(c, &s.deploy, models)
	if err != nil {
		return fail(err)
	}
	var ds []*serving.Deployment
	for _, x := range cs {
		if set.Speculation, err = s.spec.of(c, x); err != nil {
			return fail(err)
		}
		d, err := serving.Deploy(p, x, f, set)
		if err != nil {
			return fail(err)
		}
		for _, n := range d.Notes {
			warn(c.ErrOrStderr(), "%s: %s", x.Model.Name, n)
		}
		ds = append(ds, d)
	}
	return f, w, cs, ds, nil
}

func (s *simulateFlags) run(c *cobra.Command, args []string) error {
	if err := s.out.check(); err != nil {
		return err
	}
	if err := errors.Join(s.spec.check(), s.apart.check()); err != nil {
		return err
	}
	slo, err := parseSLO(s.slo)
	if err != nil {
		return err
	}
	router, err := serving.ParseRouter(s.router)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	theme, err := figure.ParseTheme(s.theme)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	for _, x := range []struct{ flag, path string }{{"plot", s.plot}, {"timeline", s.timeline}} {
		if x.path != "" {
			if err := figure.Supported(x.path); err != nil {
				return fmt.Errorf("--%s: %w", x.flag, err)
			}
		}
	}
	for _, path := range []string{s.requests, s.plot, s.timeline, s.out.file} {
		if err := writable(path); err != nil {
			return err
		}
	}
	f, w, cs, ds, err := s.deployments(c, args)
	if err != nil {
		return err
	}
	if s.printEngine {
		var ts []*reports.Table
		var js []any
		for _, d := range ds {
			ts = append(ts, reports.ServingEngineTable(d))
			js = append(js, struct {
				Engine   string              `json:"engine"`
				Settings []serving.Described `json:"settings"`
			}{d.Profile.Name, d.Describe()})
		}
		return s.out.write(c, ts, js)
	}
	loads, err := s.loads(c, w)
	if err != nil {
		return err
	}
	if (s.requests != "" || s.timeline != "") && len(loads)*len(cs) > 1 {
		return errors.New("--requests and --timeline are of one run: give one model and one load")
	}
	beyond := s.beyond(c, cs, w, loads)
	if s.maxRate || s.maxUsers {
		if !slo.Set() {
			return errors.New("--max-rate and --max-users need --slo, as in --slo ttft=500ms,tpot=50ms")
		}
		return s.search(c, cs, ds, loads[0], slo, router, beyond)
	}
	var rows []*reports.SimulateRow
	total := 0
	for _, l := range loads {
		total += l.count * len(cs)
	}
	step, clear := progress(c.ErrOrStderr(), "requests")
	defer clear()
	before := 0
	var last *serving.Outcome
	for i, x := range cs {
		apart, err := s.apart.of(ds[i])
		if err != nil {
			return err
		}
		for _, l := range loads {
			st := serving.Study{Deployment: ds[i], Source: l.source(s.speed), Seed: s.seed, Seeds: s.seeds, SLO: slo,
				Options: serving.Options{Replicas: s.replicas, Router: router, Apart: apart}}
			if l.trace != nil {
				st.Seeds = 1
			}
			if step != nil {
				from := before
				st.Options.Progress = func(n int) { step(from+n, total) }
			}
			price := x.At(f)
			if lo, hi, ok := price.Interval(costmodel.Workload{Prompt: max(w.Prompt, 1), Generate: w.Generate, Batch: max(l.clients, 16)}); ok && price.Basis() != costmodel.DatasheetOnly {
				mid := price.Generation(costmodel.Workload{Prompt: max(w.Prompt, 1), Generate: w.Generate, Batch: max(l.clients, 16)}) / float64(w.Generate)
				st.Fast, st.Slow = lo/mid, hi/mid
			}
			o, err := st.Do(c.Context())
			if err != nil {
				return runFailed(err)
			}
			before += l.count
			last = o
			rows = append(rows, reports.Simulate(reports.SimulateSetting{Model: x.Model.Name, Hardware: x.Hardware.Name, Fidelity: f.String(), Basis: price.Basis(), Load: l.name,
				TP: x.TP(), PP: x.PP(), EP: x.EP(), DP: x.DP(), Replicas: s.replicas, Clients: l.clients, Requests: l.count, Rate: l.rate, Burstiness: s.burstiness, SLO: slo, Warnings: beyond[i], Apart: apart}, ds[i], o))
		}
	}
	clear()
	if s.requests != "" {
		if err := atomicfile.Write(s.requests, func(w io.Writer) error { return reports.WriteRequests(w, last.First) }); err != nil {
			return err
		}
	}
	setting := s.setting(cs[0], w, loads)
	if s.plot != "" {
		of := []string{cs[0].Hardware.Name, ds[0].Profile.Title, setting}
		if len(loads) > 1 {
			of = append(of, loads[0].name+" to "+loads[len(loads)-1].name)
		}
		fig := figure.New(study.Served(servedPoints(rows), f.String(), of), figure.Options{})
		if err := atomicfile.Write(s.plot, func(w io.Writer) error { return fig.Write(w, s.plot, theme) }); err != nil {
			return err
		}
	}
	if s.timeline != "" {
		fig := figure.New(study.Occupancy(last.Series, []string{cs[0].Model.Name, cs[0].Hardware.Name, ds[0].Profile.Title, loads[0].name, setting}), figure.Options{})
		if err := atomicfile.Write(s.timeline, func(w io.Writer) error { return fig.Write(w, s.timeline, theme) }); err != nil {
			return err
		}
	}
	if s.out.format == "csv" {
		return s.out.to(c, func(w io.Writer) error { return reports.WriteCSV(w, rows) })
	}
	title := fmt.Sprintf("%s under %s on %s", strings.Join(names(cs), ", "), ds[0].Profile.Title, cs[0].Hardware.Name)
	t := reports.SimulateTable(title+": "+setting, rows)
	return s.out.write(c, []*reports.Table{t}, struct {
		Rows []*reports.SimulateRow `json:"rows"`
	}{rows})
}

// beyond warns of requests that are longer than a model was made for: the longest of a trace, or
// requests of mean length where lengths are drawn. It returns the warnings for each model.
func (s *simulateFlags) beyond(c *cobra.Command, cs []*costmodel.Compiled, w costmodel.Workload, loads []*loadPoint) [][]string {
	prompt, generate := w.Prompt, w.Generate
	switch l := loads[0]; {
	case l.trace != nil:
		prompt, generate = 0, 0
		for _, q := range l.trace.Requests[:l.count] {
			if q.Prompt+q.Generate > prompt+generate {
				prompt, generate = q.Prompt, q.Generate
			}
		}
	case s.lengths != "":
		prompt, generate = int(l.load.Prompt.MeanTokens()), int(l.load.Generate.MeanTokens())
	}
	if loads[0].trace == nil {
		prompt += int(s.prefixLen)
	}
	out := make([][]string, len(cs))
	for i, x := range cs {
		if text := reports.LongerThan(x.Model, prompt, generate); text != "" {
			warn(c.ErrOrStderr(), "%s", text)
			out[i] = []string{text}
		}
	}
	return out
}

func names(cs []*costmodel.Compiled) (out []string) {
	for _, c := range cs {
		if !slices.Contains(out, c.Model.Name) {
			out = append(out, c.Model.Name)
		}
	}
	return out
}

// setting says what all loads have in common.
func (s *simulateFlags) setting(c *costmodel.Compiled, w costmodel.Workload, loads []*loadPoint) string {
	var parts []string
	switch {
	case s.trace != "":
		parts = append(parts, loads[0].name)
	case s.lengths != "":
		parts = append(parts, fmt.Sprintf("lengths as in %s (%.0f + %.0f in the mean)", s.lengths, loads[0].load.Prompt.MeanTokens(), loads[0].load.Generate.MeanTokens()))
	default:
		parts = append(parts, fmt.Sprintf("%s + %s tokens", units.Int(float64(w.Prompt)), units.Int(float64(w.Generate))))
		if s.spread != "fixed" {
			parts = append(parts, s.spread)
		}
	}
	if c.Ranks() != "" {
		parts = append(parts, c.Ranks())
	}
	if s.apart.asked() {
		parts = append(parts, fmt.Sprintf("%s for prompts and %d that decode, %s", reports.Several(s.apart.prefill, "replica", "replicas"), s.apart.decode, s.router))
	} else if s.replicas > 1 {
		parts = append(parts, fmt.Sprintf("%d replicas, %s", s.replicas, s.router))
	}
	return strings.Join(parts, ", ")
}

// runFailed leaves errors of the input as they are, and makes all other errors failures of the
// run.
func runFailed(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return failure{err}
}

func servedPoints(rows []*reports.SimulateRow) []study.ServedPoint {
	var out []study.ServedPoint
	for _, r := range rows {
		p := study.ServedPoint{Name: r.Model, Model: r.Model, Load: r.Load, Throughput: r.OutputThroughput, TPOT: math.NaN(), TTFT: math.NaN()}
		if r.MeanTPOT != nil {
			p.TPOT = *r.MeanTPOT / 1e3
		}
		if r.MeanTTFT != nil {
			p.TTFT = *r.MeanTTFT / 1e3
		}
		out = append(out, p)
	}
	return out
}

// search finds the capacity of every model.
func (s *simulateFlags) search(c *cobra.Command, cs []*costmodel.Compiled, ds []*serving.Deployment, l *loadPoint, slo serving.SLO, router serving.Router, warnings [][]string) error {
	var rows []*reports.CapacityRow
	for i, x := range cs {
		apart, err := s.apart.of(ds[i])
		if err != nil {
			return err
		}
		q := serving.Search{Deployment: ds[i], Load: l.load, SLO: slo, Users: s.maxUsers, Share: s.sloShare, Seeds: s.seeds,
			Options: serving.Options{Replicas: s.replicas, Router: router, Apart: apart}}
		q.Load.Seed = s.seed
		got, err := q.Do(c.Context())
		if err != nil {
			return runFailed(err)
		}
		row := reports.Capacity(x.Model.Name, x.Hardware.Name, x.TP(), max(s.replicas, s.apart.prefill+s.apart.decode), ds[i], s.maxUsers, s.slo, s.sloShare, got)
		row.Warnings = warnings[i]
		rows = append(rows, row)
	}
	if s.out.format == "csv" {
		return s.out.to(c, func(w io.Writer) error { return reports.WriteCSV(w, rows) })
	}
	return s.out.write(c, []*reports.Table{reports.CapacityTable(rows)}, struct {
		Rows []*reports.CapacityRow `json:"rows"`
	}{rows})
}
