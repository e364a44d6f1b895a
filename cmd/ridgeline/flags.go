package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/reports"
)

// deployFlags say on which devices models run, and how.
type deployFlags struct {
	on                                       string
	weights, kv, state, activations, compute string
	convState, cache                         string
	kvRead, diffKernel, deltaKernel, prefill string
	engine, calibration                      string
	tp, pp, ep, dp, microbatches             int
	skew                                     float64
	memoryFraction, gmuRatio                 float64
	vary                                     string // KNOB=VALUE,…: every model at each of the values
	several                                  bool   // whether --on takes a list
}

func (d *deployFlags) register(c *cobra.Command) {
	d.registerDevice(c)
	d.bindModel(c.Flags())
}

// bindModel makes the flags that change the model.
func (d *deployFlags) bindModel(f *pflag.FlagSet) {
	f.Float64Var(&d.gmuRatio, "gmu-ratio", math.NaN(), "replace this share of the cross-decoder's mixers by GMUs (0 to 1)")
	f.Lookup("gmu-ratio").DefValue = "as the model has it"
}

// registerDevice makes the flags of the device, without those that change the model.
func (d *deployFlags) registerDevice(c *cobra.Command) {
	d.bindDevice(c.Flags())
	complete(c, "on", hardware.Names)
	complete(c, "prefill", execution.PrefillModes)
	complete(c, "kv-read", execution.KVReads)
	complete(c, "diff-kernel", execution.DiffKernels)
	complete(c, "delta-kernel", execution.DeltaKernels)
	complete(c, "cache", execution.CacheModes)
	complete(c, "engine", kerneltime.EngineNames)
	complete(c, "weights", formats.Names)
	for _, n := range []string{"kv", "state", "conv-state", "activations", "compute"} {
		complete(c, n, storable)
	}
}

// storable lists the formats in which something can be stored.
func storable() []string {
	var names []string
	for _, d := range precision.Storable() {
		names = append(names, d.String())
	}
	return names
}

// bindDevice makes the flags of the device, without completions for a shell.
func (d *deployFlags) bindDevice(f *pflag.FlagSet) {
	on := "hardware: a name (ridgeline hardware lists them) or a profile file"
	if d.several {
		on += "; a comma list prices every model on each"
	}
	f.StringVar(&d.on, "on", "a100-80gb", on)
	f.StringVar(&d.weights, "weights", "", "storage format of the weights: bf16, fp8, nvfp4, int4:g64, q4_k, … (default: as the checkpoint stores each, else bf16)")
	f.StringVar(&d.kv, "kv", "", "storage format of the KV cache (default: the activations')")
	f.StringVar(&d.state, "state", "", "storage format of recurrent states (default: the checkpoint's, else the activations')")
	f.StringVar(&d.convState, "conv-state", "", "storage format of the convolutions' states (default: the activations')")
	f.StringVar(&d.cache, "cache", "ring", "what windowed layers store: ring (the window) or full_window (all positions)")
	f.StringVar(&d.activations, "activations", "", "format of activations (default bf16)")
	f.StringVar(&d.compute, "compute", "", "format matrix products run in (default: the activations')")
	f.IntVar(&d.tp, "tp", 1, "tensor-parallel devices")
	f.IntVar(&d.pp, "pp", 1, "pipeline stages, each of --tp times --dp devices")
	f.IntVar(&d.dp, "dp", 1, "groups of --tp devices that run attention for sequences of their own")
	f.IntVar(&d.ep, "ep", 1, "devices over which a layer's experts are spread: a divisor of --tp, or whole groups of --dp")
	f.IntVar(&d.microbatches, "microbatches", 0, "parts of a group's sequences that follow each other through the stages")
	f.Lookup("microbatches").DefValue = "--pp"
	f.Float64Var(&d.skew, "skew", 1, "how many times the mean the experts of the busiest device of --ep are picked")
	f.StringVar(&d.prefill, "prefill", "skip", "skip (cross-decoder runs for the last position) or full")
	f.StringVar(&d.kvRead, "kv-read", "packed", "how kernels read K and V: "+strings.Join(execution.KVReads(), ", "))
	f.StringVar(&d.diffKernel, "diff-kernel", "fused", "differential attention: fused or four_pass")
	f.StringVar(&d.deltaKernel, "delta-kernel", "auto", "whose kernels run the gated delta rule: flashinfer, fla (flash-linear-attention), auto (vLLM's choice for the device)")
	f.StringVar(&d.engine, "engine", kerneltime.EngineNames()[0], "whose step overhead calibrated times include: "+strings.Join(kerneltime.EngineNames(), ", "))
	f.StringVar(&d.calibration, "calibration", "", "a profile of ridgeline calibrate fit, before those built in")
	f.Float64Var(&d.memoryFraction, "memory-fraction", 1, "part of the device's memory that may be used")
}

func complete(c *cobra.Command, flag string, values func() []string) {
	// The only error would be a flag that does not exist, and a test asks for every completion.
	_ = c.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values(), cobra.ShellCompDirectiveNoFileComp
	})
}

// options reads the flags of the deployment; errors name the flag.
func (d *deployFlags) options(c *cobra.Command) (o costmodel.Options, err error) {
	for _, f := range []struct {
		name, v string
		to      *precision.DType
	}{{"kv", d.kv, &o.KV}, {"state", d.state, &o.State}, {"conv-state", d.convState, &o.ConvState}, {"activations", d.activations, &o.Activations}, {"compute", d.compute, &o.Compute}} {
		if f.v == "" {
			continue
		}
		if *f.to, err = precision.Parse(f.v); err != nil {
			return o, fmt.Errorf("--%s: %w", f.name, err)
		}
	}
	if d.weights != "" {
		if o.Weights, err = formats.Parse(d.weights); err != nil {
			return o, fmt.Errorf("--weights: %w", err)
		}
	}
	if o.Cache, err = execution.ParseCacheMode(d.cache); err != nil {
		return o, fmt.Errorf("--%w", err)
	}
	if d.tp < 1 {
		return o, fmt.Errorf("--tp %d: must be 1 or more", d.tp)
	}
	o.TP = d.tp
	for _, n := range []struct {
		name   string
		v, low int
		to     *int
	}{{"pp", d.pp, 1, &o.PP}, {"ep", d.ep, 1, &o.EP}, {"dp", d.dp, 1, &o.DP}, {"microbatches", d.microbatches, 0, &o.Microbatches}} {
		if n.v < n.low {
			return o, fmt.Errorf("--%s %d: must be %d or more", n.name, n.v, n.low)
		}
		*n.to = n.v
	}
	if c.Flags().Changed("microbatches") && d.microbatches == 0 {
		return o, errors.New("--microbatches 0: must be 1 or more; without the flag there are as many as stages")
	}
	if !(d.skew >= 1) || math.IsInf(d.skew, 0) {
		return o, fmt.Errorf("--skew %g: must be 1 (balanced) or more", d.skew)
	}
	o.Skew = d.skew
	if !(d.memoryFraction > 0 && d.memoryFraction <= 1) {
		return o, fmt.Errorf("--memory-fraction %g: must be above 0 and at most 1", d.memoryFraction)
	}
	o.MemoryFraction = d.memoryFraction
	if o.Prefill, err = execution.ParsePrefillMode(d.prefill); err != nil {
		return o, fmt.Errorf("--%w", err)
	}
	if o.KVRead, err = execution.ParseKVRead(d.kvRead); err != nil {
		return o, fmt.Errorf("--%w", err)
	}
	if o.Diff, err = execution.ParseDiffKernel(d.diffKernel); err != nil {
		return o, fmt.Errorf("--%w", err)
	}
	if o.Delta, err = execution.ParseDeltaKernel(d.deltaKernel); err != nil {
		return o, fmt.Errorf("--%w", err)
	}
	o.Engine = d.engine
	if _, err = kerneltime.EngineNamed(d.engine); err != nil {
		return o, fmt.Errorf("--%w", err)
	}
	if d.calibration != "" {
		if o.Calibration, err = kerneltime.ReadProfile(d.calibration); err != nil {
			return o, fmt.Errorf("--calibration: %w", err)
		}
	}
	if c.Flags().Changed("gmu-ratio") && !(d.gmuRatio >= 0 && d.gmuRatio <= 1) {
		return o, fmt.Errorf("--gmu-ratio %g: must be from 0 to 1", d.gmuRatio)
	}
	return o, nil
}

// models opens the models, changes their GMU ratio where the flags ask for that, and warns of
// what their files do not say.
func (d *deployFlags) models(c *cobra.Command, names []string) ([]*arch.Model, error) {
	var opened []*arch.Model
	for _, n := range names {
		m, err := models.Open(n)
		if err != nil {
			return nil, err
		}
		opened = append(opened, m)
	}
	return d.withRatio(c, opened)
}

// withRatio changes the GMU ratio of models where the flags ask for that.
func (d *deployFlags) withRatio(c *cobra.Command, opened []*arch.Model) ([]*arch.Model, error) {
	var ms []*arch.Model
	ratio := c.Flags().Changed("gmu-ratio")
	took := false
	var refused error
	for _, m := range opened {
		for _, note := range m.Notes {
			warn(c.ErrOrStderr(), "%s: %s", m.Name, note)
		}
		if ratio {
			x, err := family.WithGMURatio(m, d.gmuRatio)
			if err == nil {
				took = true
				m = x
			} else {
				refused = err
				if _, has := m.GMURatio(); has {
					return nil, err
				}
				defer func() {
					if took {
						warn(c.ErrOrStderr(), "%v", err)
					}
				}()
			}
		}
		ms = append(ms, m)
	}
	if ratio && !took && refused != nil {
		return nil, fmt.Errorf("--gmu-ratio: %w", refused)
	}
	return ms, nil
}

// devices opens the devices that --on names.
func (d *deployFlags) devices() ([]*hardware.Profile, error) {
	names := []string{d.on}
	if d.several {
		names = strings.Split(d.on, ",")
	}
	var out []*hardware.Profile
	for _, n := range names {
		hw, err := hardware.Open(strings.TrimSpace(n))
		if err != nil {
			return nil, fmt.Errorf("--on: %w", err)
		}
		for _, o := range out {
			if o.Name == hw.Name {
				return nil, fmt.Errorf("--on %s: %s is given twice", d.on, hw.Name)
			}
		}
		out = append(out, hw)
	}
	return out, nil
}

// compile opens the models and compiles them for the devices: all models for the first device,
// then all for the next.
func (d *deployFlags) compile(c *cobra.Command, names []string) ([]*costmodel.Compiled, error) {
	if _, err := d.options(c); err != nil { // errors of flags come before those of models
		return nil, err
	}
	if _, err := d.devices(); err != nil {
		return nil, err
	}
	ms, err := d.models(c, names)
	if err == nil && d.vary != "" {
		ms, err = variants(ms, d.vary)
	}
	if err != nil {
		return nil, err
	}
	return d.compileModels(c, ms)
}

// variants returns the models at each value of KNOB=VALUE,….
func variants(ms []*arch.Model, vary string) ([]*arch.Model, error) {
	knob, list, ok := strings.Cut(vary, "=")
	knob = strings.ReplaceAll(knob, "-", "_")
	if !ok || list == "" || !slices.Contains(family.Adjustable(), knob) {
		return nil, fmt.Errorf("--vary %q: write NAME=VALUE,VALUE with one of %s", vary, strings.Join(family.Adjustable(), ", "))
	}
	var out []*arch.Model
	for _, m := range ms {
		for _, v := range strings.Split(list, ",") {
			x, err := family.Adjust(m, knob, strings.TrimSpace(v))
			if err != nil {
				return nil, fmt.Errorf("--vary %s: %w", vary, err)
			}
			x.Name = knob + " " + strings.TrimSpace(v)
			if r, has := x.GMURatio(); has && knob == "gmu_ratio" {
				x.Name = fmt.Sprintf("%s %.3g", knob, r) // the share that the model really has
			}
			if len(ms) > 1 {
				x.Name = m.Name + ", " + x.Name
			}
			out = append(out, x)
		}
	}
	return out, nil
}

// compileModels does the same as compile for models that are already open.
func (d *deployFlags) compileModels(c *cobra.Command, ms []*arch.Model) ([]*costmodel.Compiled, error) {
	o, err := d.options(c)
	if err != nil {
		return nil, err
	}
	devices, err := d.devices()
	if err != nil {
		return nil, err
	}
	var cs []*costmodel.Compiled
	for _, hw := range devices {
		if own := o.Calibration; own != nil && own.Hardware() != hw.Name {
			warn(c.ErrOrStderr(), "--calibration %s was fitted on %s: for %s it counts as one relative among those built in", d.calibration, own.Hardware(), hw.Name)
		}
		for _, m := range ms {
			x, err := costmodel.Compile(m, hw, o)
			if err != nil {
				return nil, err
			}
			if want, used, fell := x.ComputeFallback(); fell {
				warn(c.ErrOrStderr(), "%s cannot compute in %s: %s is priced in %s (--compute chooses)", hw.Name, want, m.Name, used)
			}
			cs = append(cs, x)
		}
	}
	return cs, nil
}

// loadFlags say what a deployment is asked to do.
type loadFlags struct {
	prompt, generate length
	batch            batchSize
	fidelity         string
	flags            *pflag.FlagSet
	errs             func() io.Writer
}

func (l *loadFlags) register(c *cobra.Command) {
	l.bind(c)
	complete(c, "fidelity", costmodel.Fidelities)
}

// bind makes the flags, without completions for a shell.
func (l *loadFlags) bind(c *cobra.Command) {
	l.flags, l.errs = c.Flags(), c.ErrOrStderr
	l.prompt, l.generate, l.batch = 2000, 32000, 1
	f := c.Flags()
	f.Var(&l.prompt, "prompt", "prompt tokens: 2000, 2k (2,000), 32Ki (32,768)")
	f.Var(&l.generate, "generate", "tokens to generate")
	f.Var(&l.batch, "batch", "sequences at once, or max: the largest that fits")
	f.StringVar(&l.fidelity, "fidelity", "", strings.Join(costmodel.Fidelities(), ", "))
	f.Lookup("fidelity").DefValue = "calibrated where a GPU of the architecture was measured, else roofline"
}

// workload reads the flags; a batch of max becomes 0.
func (l *loadFlags) workload() (costmodel.Fidelity, costmodel.Workload, error) {
	w := costmodel.Workload{Prompt: int(l.prompt), Generate: int(l.generate), Batch: int(l.batch)}
	var f costmodel.Fidelity
	if l.fidelity == "" {
		f = l.usual()
	} else {
		var err error
		if f, err = costmodel.ParseFidelity(l.fidelity); err != nil {
			return f, w, fmt.Errorf("--%w", err)
		}
	}
	if e := l.flags.Lookup("engine"); e != nil && e.Changed && f < costmodel.Calibrated {
		warn(l.errs(), "--engine %s changes nothing at fidelity %s: only calibrated times include an engine", e.Value, f)
	}
	if w.Generate < 1 {
		return f, w, fmt.Errorf("--generate %d: must be 1 or more", w.Generate)
	}
	return f, w, nil
}

// on reads the flags and compiles the models for the deployment.
func (l *loadFlags) on(c *cobra.Command, d *deployFlags, models []string) (costmodel.Fidelity, costmodel.Workload, []*costmodel.Compiled, error) {
	f, w, cs, err := l.of(c, d, models)
	for _, x := range cs {
		if s := reports.BeyondContext(x, w); s != "" {
			warn(c.ErrOrStderr(), "%s", s)
		}
	}
	return f, w, cs, err
}

// of does the same as on, but does not warn of long requests, for verbs whose requests may have
// other lengths.
func (l *loadFlags) of(c *cobra.Command, d *deployFlags, models []string) (costmodel.Fidelity, costmodel.Workload, []*costmodel.Compiled, error) {
	f, w, err := l.workload()
	if err != nil {
		return f, w, nil, err
	}
	cs, err := d.compile(c, models)
	return f, w, cs, err
}

// usual returns the fidelity where none was asked for: that of the device, or each device's own
// where several differ. With a calibration given, it is calibrated for all of them.
func (l *loadFlags) usual() costmodel.Fidelity {
	if f := l.flags.Lookup("calibration"); f != nil && f.Value.String() != "" {
		return costmodel.Calibrated
	}
	on := l.flags.Lookup("on")
	if on == nil {
		return costmodel.Roofline
	}
	usual := costmodel.Roofline
	for i, n := range strings.Split(on.Value.String(), ",") {
		hw, err := hardware.Open(strings.TrimSpace(n))
		if err != nil {
			return costmodel.Roofline // compiling for the device reports the error
		}
		f := costmodel.UsualOn(hw, nil)
		if i > 0 && f != usual {
			return costmodel.Usual
		}
		usual = f
	}
	return usual
}

// modelNames completes MODEL arguments.
func modelNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names := presetNames()
	for _, f := range family.Families() {
		names = append(names, f.Name+"(d=16)")
	}
	return names, cobra.ShellCompDirectiveDefault
}

// needArgs checks the number of arguments, with an error of one line.
func needArgs(low, high int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < low || (high >= 0 && len(args) > high) {
			return fmt.Errorf("%s takes %s, got %d: see %s --help", strings.TrimPrefix(c.CommandPath(), "ridgeline "), what, len(args), c.CommandPath())
		}
		return nil
	}
}
