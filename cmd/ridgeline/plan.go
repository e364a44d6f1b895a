package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/plan"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/units"
)

// planFlags say what to plan. The load is read by the flags of simulate.
type planFlags struct {
	s                      simulateFlags
	costs                  costFlags
	rows                   rowFlags
	ttft, tpot, e2e        []string
	goodput                string
	vary                   []string
	users                  int
	rate                   float64
	finalists, runs, count int
}

// planKeeps lists the flags of simulate that plan has too.
var planKeeps = []string{"state", "conv-state", "activations", "compute", "cache", "kv-read", "diff-kernel", "delta-kernel", "prefill", "calibration", "gmu-ratio",
	"prompt", "generate", "fidelity", "format", "output", "burstiness", "trace", "trace-block-size", "speed", "spread", "prompt-spread", "generate-spread", "lengths",
	"seed", "think", "prefix-len", "prefix-groups", "max-model-len", "gpu-memory-utilization", "enable-prefix-caching", "no-enable-prefix-caching", "enforce-eager"}

func planCommand() *cobra.Command {
	p := &planFlags{}
	c := &cobra.Command{
		Use:   "plan MODEL…",
		Short: "Plan a deployment: which GPUs, how many, split how, at what price",
		Long: `Finds the cheapest way to serve a load within an objective: the model, the device, tensor parallelism,
formats, engine and its limits, and how many replicas. Every combination is estimated in closed form;
the serving simulator confirms the finalists. --on takes devices with how many there are of each;
without --price the plan counts GPUs.

--vary NAME=LIST is for tp, pp, ep, dp, weights, kv, engine, max-batch (sequences of a replica), chunk
(tokens of a step), draft (none, or NAME:TOKENS@ACCEPTANCE as in mtp:2@0.8) and disaggregated (no, yes, or
replicas for prompts to replicas that decode as in 2:1). tp is 1,2,4,8 where nothing is said, the others
as simulate has them.`,
		Example: `  ridgeline plan llama-3.1-8b --on h100-sxm:8,a100-80gb:8 --prompt 1k --generate 256 --rate 20 \
      --ttft 'p95<500ms' --tpot 'p95<20ms' --price h100-sxm=3 --price a100-80gb=1.8
  ridgeline plan phi4-mini phi4-mini-flash --on h200:4 --users 100 --tpot 'p99<30ms' --vary tp=1
  ridgeline plan qwen3.5-27b --on h200:8 --rate 8 --tpot 20ms \
      --vary 'draft=none,mtp:2@0.8 disaggregated=no,yes'
  ridgeline plan qwen3-32b --on h200:16 --trace trace.jsonl --ttft 2s --price examples`,
		Args:              needArgs(1, -1, "at least one model"),
		ValidArgsFunction: modelNames,
		RunE: func(c *cobra.Command, args []string) error {
			err := p.run(c, args)
			var v *plan.ValueError
			if errors.As(err, &v) {
				return fmt.Errorf("--vary %w", err)
			}
			return err
		},
	}
	all := &cobra.Command{}
	p.s.register(all)
	f := c.Flags()
	f.StringVar(&p.s.deploy.on, "on", "", "devices and how many there are of each, as in h100-sxm:8,a100-80gb:4 (no number: 8)")
	for _, n := range planKeeps {
		f.AddFlag(all.Flags().Lookup(n))
	}
	p.s.load.flags, p.s.load.errs = f, c.ErrOrStderr
	p.costs.register(c)
	p.rows.register(c)
	f.StringArrayVar(&p.ttft, "ttft", nil, "limit of the time to first token: p95<500ms, mean<1s; a time alone is its p95")
	f.StringArrayVar(&p.tpot, "tpot", nil, "limit of the time per output token")
	f.StringArrayVar(&p.e2e, "e2e", nil, "limit of the time from request to last token")
	f.StringVar(&p.goodput, "goodput", "", "share of the requests that must be within all limits at once, as in 95%")
	f.StringArrayVar(&p.vary, "vary", nil, "NAME=LIST of what may vary")
	f.Float64Var(&p.rate, "rate", 0, "requests a second")
	f.IntVar(&p.users, "users", 0, "clients that ask again when they are answered")
	f.IntVar(&p.finalists, "finalists", 10, "deployments that are simulated at most")
	f.IntVar(&p.runs, "seeds", 3, "runs of each, for means and intervals")
	f.IntVar(&p.count, "num-prompts", 400, "requests of a simulated replica")
	complete(c, "on", hardware.Names)
	complete(c, "fidelity", costmodel.Fidelities)
	complete(c, "format", p.s.out.formats)
	p.s.out.asked = func() bool { return f.Changed("format") }
	return c
}

// problem reads the flags.
func (p *planFlags) problem(c *cobra.Command, args []string) (*plan.Problem, []string, error) {
	out := &plan.Problem{Rate: p.rate, Users: p.users, Finalists: p.finalists, Seeds: p.runs, Requests: p.count, Seed: p.s.seed, Speed: p.s.speed}
	for _, x := range []struct {
		flag      string
		v         float64
		low, high float64
	}{{"rate", p.rate, 0, 1e6}, {"users", float64(p.users), 0, 1 << 20}, {"finalists", float64(p.finalists), 1, 1e4}, {"seeds", float64(p.runs), 1, 1000}, {"num-prompts", float64(p.count), 20, 1e6}} {
		if !(x.v >= x.low && x.v <= x.high) {
			return nil, nil, fmt.Errorf("--%s %g: must be from %g to %g", x.flag, x.v, x.low, x.high)
		}
	}
	for _, x := range []struct {
		flag   string
		values []string
	}{{"ttft", p.ttft}, {"tpot", p.tpot}, {"e2e", p.e2e}} {
		for _, v := range x.values {
			l, err := plan.ParseLimit(x.flag, v)
			if err != nil {
				return nil, nil, fmt.Errorf("--%s %w", x.flag, err)
			}
			out.Objective.Limits = append(out.Objective.Limits, l)
		}
	}
	if p.goodput != "" {
		v, err := strconv.ParseFloat(strings.TrimSuffix(p.goodput, "%"), 64)
		if strings.HasSuffix(p.goodput, "%") {
			v /= 100
		}
		if err != nil || !(v > 0 && v <= 1) {
			return nil, nil, fmt.Errorf("--goodput %q: want a share, as in 95%% or 0.95", p.goodput)
		}
		out.Objective.Goodput = v
	}
	from, err := p.devices(out)
	if err != nil {
		return nil, nil, err
	}
	if err := p.space(&out.Space); err != nil {
		return nil, nil, err
	}
	p.s.deploy.tp, p.s.deploy.memoryFraction, p.s.deploy.engine = 1, 1, "ideal"
	p.s.prompts, p.s.seeds, p.s.replicas, p.s.sloShare = p.count, p.runs, 1, 0.99
	if out.Options, err = p.s.deploy.options(c); err != nil {
		return nil, nil, err
	}
	if out.Settings, err = p.s.settings.settings(); err != nil {
		return nil, nil, err
	}
	var w costmodel.Workload
	p.s.load.batch = 1
	if out.Fidelity, w, err = p.s.load.workload(); err != nil {
		return nil, nil, err
	}
	if p.s.load.fidelity == "" {
		out.Fidelity = usual(out.Devices, out.Options.Calibration)
	}
	if p.s.trace != "" {
		if out.Trace, err = p.s.readTrace(c, "trace", p.s.trace); err != nil {
			return nil, nil, err
		}
	}
	if out.Load, err = p.base(c, w); err != nil {
		return nil, nil, err
	}
	ms, err := p.s.deploy.models(c, args)
	if err != nil {
		return nil, nil, err
	}
	for i, m := range ms {
		name := models.Repository(args[i])
		if st, err := os.Stat(args[i]); err == nil && !st.IsDir() && strings.HasSuffix(name, "config.json") {
			name = strings.TrimSuffix(strings.TrimSuffix(name, "config.json"), "/")
			if name == "" {
				name = "."
			}
		}
		out.Models = append(out.Models, plan.Model{Name: name, Model: m})
	}
	return out, from, out.Check()
}

// base returns the load that the flags of simulate describe; flags that plan does not have keep
// their defaults.
func (p *planFlags) base(c *cobra.Command, w costmodel.Workload) (serving.Load, error) {
	p.s.prefixGroups = max(p.s.prefixGroups, 1)
	check := &cobra.Command{}
	check.SetErr(c.ErrOrStderr())
	sim := simulateFlags{}
	sim.register(check)
	l, err := p.s.base(check, w)
	l.Stagger, l.Think = 2e-3, p.s.think.Seconds()
	return l, err
}

// usual returns calibrated if all devices have it, else roofline, because the costs of all
// devices are compared.
func usual(devices []plan.Device, own *kerneltime.Profile) costmodel.Fidelity {
	for _, d := range devices {
		if costmodel.UsualOn(d.Profile, own) != costmodel.Calibrated {
			return costmodel.Roofline
		}
	}
	return costmodel.Calibrated
}

// devices reads --on and --price, and returns where the prices come from.
func (p *planFlags) devices(out *plan.Problem) (from []string, err error) {
	if p.s.deploy.on == "" {
		return nil, errors.New("--on DEVICE:COUNT,… is missing: what there is to plan with, as in --on h100-sxm:8")
	}
	for _, part := range strings.Split(p.s.deploy.on, ",") {
		name, count := strings.TrimSpace(part), 8
		if i := strings.LastIndex(name, ":"); i >= 0 {
			n, err := strconv.Atoi(name[i+1:])
			if err != nil || n < 1 || n > 1<<20 {
				return nil, fmt.Errorf("--on %s: %q is not a number of devices from 1 to %d", p.s.deploy.on, name[i+1:], 1<<20)
			}
			name, count = name[:i], n
		}
		hw, err := hardware.Open(name)
		if err != nil {
			return nil, fmt.Errorf("--on: %w", err)
		}
		if slices.ContainsFunc(out.Devices, func(d plan.Device) bool { return d.Profile.Name == hw.Name }) {
			return nil, fmt.Errorf("--on %s: %s is given twice", p.s.deploy.on, hw.Name)
		}
		out.Devices = append(out.Devices, plan.Device{Profile: hw, Count: count})
	}
	var names []string
	for _, d := range out.Devices {
		names = append(names, d.Profile.Name)
	}
	prices, from, err := p.costs.of(names)
	if err != nil {
		return nil, err
	}
	for i := range out.Devices {
		out.Devices[i].Price = prices[names[i]]
	}
	return from, nil
}

// space reads --vary.
func (p *planFlags) space(s *plan.Space) error {
	numbers := map[string]*[]int{"tp": &s.TP, "pp": &s.PP, "ep": &s.EP, "dp": &s.DP, "max-batch": &s.MaxBatch, "chunk": &s.Chunk}
	texts := map[string]*[]string{"weights": &s.Weights, "kv": &s.KV, "engine": &s.Engines}
	for _, all := range p.vary {
		for _, v := range strings.Fields(all) {
			name, list, ok := strings.Cut(v, "=")
			name = strings.ReplaceAll(name, "_", "-")
			more := name == "draft" || name == "disaggregated"
			if !ok || list == "" || numbers[name] == nil && texts[name] == nil && !more {
				return fmt.Errorf("--vary %q: write NAME=VALUE,VALUE with one of tp, pp, ep, dp, weights, kv, engine, max-batch, chunk, draft, disaggregated", v)
			}
			for _, x := range strings.Split(list, ",") {
				if more {
					if err := variant(s, name, x); err != nil {
						return fmt.Errorf("--vary %s: %w", v, err)
					}
					continue
				}
				if to := texts[name]; to != nil {
					if slices.Contains(*to, x) {
						return fmt.Errorf("--vary %s: %s is given twice", v, x)
					}
					*to = append(*to, x)
					continue
				}
				n, err := parseLength(x)
				if err != nil || n < 1 || n > 1<<24 {
					return fmt.Errorf("--vary %s: %q is not a number from 1 to %d", v, x, 1<<24)
				}
				if to := numbers[name]; slices.Contains(*to, n) {
					return fmt.Errorf("--vary %s: %s is given twice", v, x)
				} else {
					*to = append(*to, n)
				}
			}
		}
	}
	return nil
}

// variant adds a value of draft or of disaggregated to a space.
func variant(s *plan.Space, name, value string) error {
	if name == "draft" {
		d, err := plan.ParseDrafted(value, models.Open)
		if err != nil {
			return err
		}
		if d.Model != nil {
			d.Name = models.Repository(d.Name)
		}
		if slices.ContainsFunc(s.Drafts, func(o plan.Drafted) bool { return o.String() == d.String() }) {
			return fmt.Errorf("%s is given twice", value)
		}
		s.Drafts = append(s.Drafts, d)
		return nil
	}
	rs, err := plan.ParseRatios(value)
	if err != nil {
		return err
	}
	for _, r := range rs {
		if slices.Contains(s.Apart, r) {
			return fmt.Errorf("%s is given twice", value)
		}
		s.Apart = append(s.Apart, r)
	}
	return nil
}

func (p *planFlags) run(c *cobra.Command, args []string) error {
	if err := errors.Join(p.rows.check(), p.s.out.check()); err != nil {
		return err
	}
	if err := writable(p.s.out.file); err != nil {
		return err
	}
	q, prices, err := p.problem(c, args)
	if err != nil {
		return err
	}
	if p.rows.rows != "" {
		if err := p.rows.rowsOnly(c); err != nil {
			return err
		}
		return p.rows.write(c, q)
	}
	bar, clear := progress(c.ErrOrStderr(), "simulated")
	defer clear()
	if bar != nil {
		q.Progress = func(stage string, done, total int) {
			if stage == plan.Simulating {
				bar(done, total)
			}
		}
	}
	find := q.Plan
	if p.rows.seen != "" {
		find = func(ctx context.Context) (*plan.Plan, error) { return p.rows.read(ctx, q) }
	}
	got, err := find(c.Context())
	clear()
	switch {
	case got != nil && got.Stopped: // what is finished is shown; the exit code says that the plan was stopped
		c.SetContext(context.WithoutCancel(c.Context()))
	case err != nil:
		return err
	}
	j := reports.Plan(got, prices)
	title := fmt.Sprintf("%s: %s", strings.Join(args, ", "), p.asked(q))
	return p.s.out.write(c, []*reports.Table{reports.PlanTable(title, got, j)}, j)
}

// asked describes the load and the objective.
func (p *planFlags) asked(q *plan.Problem) string {
	var parts []string
	switch {
	case q.Trace != nil:
		parts = append(parts, fmt.Sprintf("%s trace of %d requests", q.Trace.Format, len(q.Trace.Requests)))
	default:
		parts = append(parts, fmt.Sprintf("%s + %s tokens", units.Int(q.Load.Prompt.MeanTokens()), units.Int(q.Load.Generate.MeanTokens())))
		if q.Rate > 0 {
			parts = append(parts, fmt.Sprintf("%g requests/s", q.Rate))
		} else {
			parts = append(parts, fmt.Sprintf("%d users", q.Users))
		}
	}
	for _, l := range q.Objective.Limits {
		parts = append(parts, l.String())
	}
	if g := q.Objective.Goodput; g > 0 {
		parts = append(parts, fmt.Sprintf("goodput %.4g %%", math.Round(1e6*g)/1e4))
	}
	var on []string
	for _, d := range q.Devices {
		on = append(on, fmt.Sprintf("%d %s", d.Count, d.Profile.Name))
	}
	return strings.Join(parts, ", ") + "; of " + strings.Join(on, ", ") + "; fidelity " + q.Fidelity.String()
}
