package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"ridgeline/arch"
	"ridgeline/costmodel"
	"ridgeline/hardware"
	"ridgeline/precision"
	"ridgeline/quantity"
)

// textFlag is a flag that a function reads: the flag parser reports its error.
type textFlag struct {
	text, kind string
	set        func(string) error
}

func (f *textFlag) String() string { return f.text }
func (f *textFlag) Type() string   { return f.kind }
func (f *textFlag) Set(s string) error {
	if err := f.set(s); err != nil {
		return err
	}
	f.text = s
	return nil
}

// parsed makes a flag's setter of a parser and the place its value goes to.
func parsed[T any](to *T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		if err == nil {
			*to = v
		}
		return err
	}
}

// deployFlags say how models are deployed.
type deployFlags struct {
	on       string
	options  costmodel.Options
	gmuRatio *float64
}

func (d *deployFlags) add(f *pflag.FlagSet) {
	o := &d.options
	f.StringVar(&d.on, "on", "a100-80gb", "hardware `profile` or its .yaml file")
	for _, t := range []struct {
		name, usage string
		to          *precision.DType
	}{
		{"weights", "format weights are stored in (default: the checkpoint's)", &o.Weights},
		{"kv", "format of the KV cache (default: the activations')", &o.KV},
		{"state", "format of recurrent states (default: the activations')", &o.State},
		{"activations", "format of activations (default: the checkpoint's, bf16)", &o.Activations},
		{"compute", "format of matrix products (default: the activations')", &o.Compute},
	} {
		f.Var(&textFlag{kind: "dtype", set: parsed(t.to, precision.Parse)}, t.name, t.usage)
	}
	o.TP = 1
	f.Var(&textFlag{text: "1", kind: "n", set: parsed(&o.TP, parseTP)}, "tp", "tensor-parallel devices")
	f.Var(&textFlag{text: "skip", kind: "mode", set: parsed(&o.Prefill, costmodel.ParsePrefillMode)}, "prefill",
		"skip the cross-decoder over the prompt, or full")
	f.Var(&textFlag{text: "packed", kind: "mode", set: parsed(&o.KVRead, costmodel.ParseKVRead)}, "kv-read",
		"how the kernel reads the cache: packed, per_query_head, packed_unless_windowed")
	f.Var(&textFlag{text: "fused", kind: "kernel", set: parsed(&o.Diff, costmodel.ParseDiffKernel)}, "diff-kernel",
		"differential attention: fused or four_pass")
	o.MemoryFraction = 1
	f.Var(&textFlag{text: "1", kind: "share", set: parsed(&o.MemoryFraction, parseFraction)}, "memory-fraction",
		"share of the device's memory that may be used")
	f.Var(&textFlag{kind: "share", set: func(s string) error {
		r, err := parseShare(s)
		d.gmuRatio = &r
		return err
	}}, "gmu-ratio", "share of the cross-decoder's mixers that are GMUs")
}

func parseTP(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no number of devices: write a whole number from 1", s)
	}
	return int(n), nil
}

func parseShare(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, fmt.Errorf("%q is no share: write a number from 0 to 1", s)
	}
	return v, nil
}

func parseFraction(s string) (float64, error) {
	v, err := parseShare(s)
	if err == nil && v == 0 {
		return 0, fmt.Errorf("%q leaves no memory: write a share above 0, up to 1", s)
	}
	return v, err
}

// hardware opens the profile named by --on.
func (d *deployFlags) hardware() (*hardware.Profile, error) {
	p, err := hardware.Open(d.on)
	if err != nil {
		return nil, fmt.Errorf("--on: %w", err)
	}
	return p, nil
}

// models opens the models and applies --gmu-ratio to those that have a cross-decoder.
func (d *deployFlags) models(a *app, names []string) ([]*arch.Model, error) {
	var out []*arch.Model
	without := ""
	applied := false
	for _, name := range names {
		m, err := arch.Open(name)
		if err != nil {
			return nil, err
		}
		if d.gmuRatio != nil {
			if _, ok := m.GMURatio(); !ok {
				without = m.Name
			} else if m, err = arch.WithGMURatio(m, *d.gmuRatio); err != nil {
				return nil, fmt.Errorf("--gmu-ratio: %w", err)
			} else {
				applied = true
			}
		}
		for _, n := range m.Notes {
			a.warn("%s: %s", m.Name, n)
		}
		out = append(out, m)
		if without == m.Name {
			a.warn("--gmu-ratio: %s has no cross-decoder and stays as it is", m.Name)
		}
	}
	if without != "" && !applied {
		return nil, fmt.Errorf("--gmu-ratio: %s has no cross-decoder whose mixers could be GMUs: leave the flag out, or name a YOCO or SambaY model", without)
	}
	return out, nil
}

// compile prepares a model on the hardware and warns where it computes in another format
// than it is kept in.
func (d *deployFlags) compile(a *app, m *arch.Model, hw *hardware.Profile) (*costmodel.Compiled, error) {
	c, err := costmodel.Compile(m, hw, d.options)
	if err != nil {
		return nil, err
	}
	if want, used, fell := c.ComputeFallback(); fell {
		a.warn("%s: %s cannot compute in %s, priced in %s (--compute chooses)", m.Name, hw.Name, want, used)
	}
	return c, nil
}

// workloadFlags say what is asked of a deployment.
type workloadFlags struct {
	prompt, generate int
	batch            int // 0: the largest that fits
	fidelity         costmodel.Fidelity
}

func (w *workloadFlags) add(f *pflag.FlagSet) {
	w.prompt, w.generate, w.batch, w.fidelity = 2000, 32000, 1, costmodel.Roofline
	f.Var(&textFlag{text: "2k", kind: "tokens", set: parsed(&w.prompt, quantity.ParseLength)}, "prompt",
		"prompt length: 2000, 2k (2,000), 32Ki (32,768)")
	f.Var(&textFlag{text: "32k", kind: "tokens", set: parsed(&w.generate, parsePositiveLength)}, "generate",
		"tokens generated after it")
	f.Var(&textFlag{text: "1", kind: "n", set: parsed(&w.batch, parseBatch)}, "batch",
		"sequences decoded together, or max: the most that fit")
	f.Var(&textFlag{text: costmodel.Roofline.String(), kind: "name", set: parsed(&w.fidelity, costmodel.ParseFidelity)},
		"fidelity", "how costs become times: "+list(costmodel.Fidelities()))
}

func parsePositiveLength(s string) (int, error) {
	n, err := quantity.ParseLength(s)
	if err == nil && n == 0 {
		return 0, fmt.Errorf("%q generates nothing: write at least 1", s)
	}
	return n, err
}

// parseBatch reads a number of sequences; max is 0.
func parseBatch(s string) (int, error) {
	if s == "max" {
		return 0, nil
	}
	n, err := quantity.ParseLength(s)
	if err != nil || n < 1 || n > costmodel.MaxBatchSize {
		return 0, fmt.Errorf("%q is no batch: write a whole number from 1 to %d, or max", s, costmodel.MaxBatchSize)
	}
	return n, nil
}

// workload is what is asked of c: where the batch is to be the largest that fits and not
// one sequence does, one.
func (w *workloadFlags) workload(c *costmodel.Compiled) costmodel.Workload {
	l := costmodel.Workload{Prompt: w.prompt, Generate: w.generate, Batch: w.batch}
	if l.Batch == 0 {
		l.Batch = max(c.MaxBatch(w.prompt, w.generate), 1)
	}
	return l
}
