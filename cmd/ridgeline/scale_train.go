package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/scaling"
)

type trainFlags struct {
	on, compute string
	sequence    length
	tokens      tokens
	utilisation float64
	gpus        int
	speeds      bool
	out         outFlags
}

func trainCommand() *cobra.Command {
	t := &trainFlags{sequence: 4096}
	c := &cobra.Command{
		Use:   "train MODEL…",
		Short: "Price training: FLOPs by kind of layer, tokens, GPU-hours",
		Long: `FLOPs of a training token, forward and backward, by kind of layer; the tokens that are optimal for
the size (20 a parameter, Hoffmann et al.); and the GPU-hours of the run at the utilisation you
state, which is an assumption, not a prediction. --speeds holds the counts against the training
speeds of the paper instead.`,
		Example: `  ridgeline scale train 'transformer++(d=16)' 'sambay(d=16)' --gpus 64
  ridgeline scale train phi4-mini-flash --tokens 5T --on h100-sxm --gpus 1000 --utilisation 0.4
  ridgeline scale train --speeds`,
		Args: func(c *cobra.Command, args []string) error {
			if t.speeds {
				return needArgs(0, 0, "no models with --speeds")(c, args)
			}
			return needArgs(1, -1, "at least one model")(c, args)
		},
		ValidArgsFunction: modelNames,
		RunE:              t.run,
	}
	f := c.Flags()
	f.StringVar(&t.on, "on", "a100-80gb", "hardware: a name (ridgeline hardware lists them) or a profile file")
	f.StringVar(&t.compute, "compute", "bf16", "format matrix products run in")
	f.Var(&t.sequence, "sequence", "tokens of a training sequence")
	f.Var(&t.tokens, "tokens", fmt.Sprintf("tokens of the run, 100B or 5T (default: %d per parameter)", scaling.ChinchillaTokens))
	f.Float64Var(&t.utilisation, "utilisation", 0.5, "part of the peak the run is assumed to reach")
	f.IntVar(&t.gpus, "gpus", 1, "devices of the run")
	f.BoolVar(&t.speeds, "speeds", false, "check against the paper's training speeds")
	complete(c, "on", hardware.Names)
	complete(c, "compute", func() []string {
		var names []string
		for d := precision.FP32; d <= precision.FP4; d++ {
			names = append(names, d.String())
		}
		return names
	})
	t.out.register(c)
	return c
}

func (t *trainFlags) run(c *cobra.Command, args []string) error {
	if err := t.out.check(); err != nil {
		return err
	}
	if t.speeds {
		return t.check(c)
	}
	if t.sequence < 1 {
		return fmt.Errorf("--sequence %d: must be 1 or more", t.sequence)
	}
	hw, err := hardware.Open(t.on)
	if err != nil {
		return fmt.Errorf("--on: %w", err)
	}
	compute, err := precision.Parse(t.compute)
	if err != nil {
		return fmt.Errorf("--compute: %w", err)
	}
	peak, err := scaling.Peak(hw, compute)
	if err != nil {
		return fmt.Errorf("--compute: %w", err)
	}
	var d deployFlags
	ms, err := d.models(c, args)
	if err != nil {
		return err
	}
	var js []reports.TrainJSON
	for _, m := range ms {
		x, err := scaling.NewTraining(m, int(t.sequence))
		if err != nil {
			return err
		}
		n := float64(t.tokens)
		if n == 0 {
			n = scaling.Optimal(m)
		}
		r, err := x.Plan(scaling.Cluster{Devices: t.gpus, Peak: peak, Utilisation: t.utilisation}, n)
		if err != nil {
			return fmt.Errorf("--%w", err)
		}
		js = append(js, reports.Train(x, r, hw, compute.String(), peak))
	}
	if t.out.format == "csv" {
		return t.out.to(c, func(w io.Writer) error { return reports.WriteCSV(w, js) })
	}
	return t.out.write(c, reports.TrainTables(js), struct {
		Rows []reports.TrainJSON `json:"rows"`
	}{js})
}

// check lists the paper's training speeds beside the predicted ones.
func (t *trainFlags) check(c *cobra.Command) error {
	for _, f := range []string{"on", "compute", "sequence", "tokens", "utilisation", "gpus"} {
		if c.Flags().Changed(f) {
			return fmt.Errorf("--%s: --speeds is of the paper's runs alone", f)
		}
	}
	hw, err := hardware.Lookup("a100-80gb")
	if err != nil {
		return failure{err}
	}
	cs, err := scaling.CheckSpeeds(hw)
	if err != nil {
		return failure{err}
	}
	j := reports.Speeds(cs)
	return t.out.write(c, []*reports.Table{reports.SpeedsTable(j)}, j)
}
