package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/study"
)

func estimateCommand() *cobra.Command {
	var (
		deploy    = deployFlags{several: true}
		load      loadFlags
		out       outFlags
		breakdown bool
		spec      specFlags
		prefix    prefixFlag
	)
	c := &cobra.Command{
		Use:   "estimate MODEL…",
		Short: "Price models: memory, time to first token, time per token, throughput",
		Example: `  ridgeline estimate phi4-mini-flash --on h200 --batch 16
  ridgeline estimate phi4-mini-flash --on a100-80gb,h200 --format csv
  ridgeline estimate phi4-mini-flash --breakdown
  ridgeline estimate llama-3.1-70b --on h100-sxm --tp 4 --weights fp8 --format json
  ridgeline estimate 'sambay(d=16)' --gmu-ratio 1 --batch max
  ridgeline estimate qwen3.5-27b --on h100-sxm --draft mtp --draft-tokens 2 --acceptance 0.8
  ridgeline estimate phi4-mini-flash --prompt 32k --generate 1k --prefix-share 0.5`,
		Args:              needArgs(1, -1, "at least one model"),
		ValidArgsFunction: modelNames,
		RunE: func(c *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if err := errors.Join(spec.check(), prefix.check()); err != nil {
				return err
			}
			f, w, cs, err := load.on(c, &deploy, args)
			if err != nil {
				return err
			}
			w.PrefixShare = prefix.share
			var tables []*reports.Table
			var js []reports.EstimateJSON
			for _, x := range cs {
				ts, j, err := estimateOne(c, x, f, w, &spec, breakdown)
				if err != nil {
					return err
				}
				if x.Hardware.Name != cs[0].Hardware.Name || cs[len(cs)-1].Hardware.Name != x.Hardware.Name { // there are several devices
					ts[0].Title = fmt.Sprintf("%s on %s: %s", x.Model.Name, x.Hardware.Name, x.Model.Summary())
				}
				tables, js = append(tables, ts...), append(js, j)
			}
			switch {
			case out.format == "csv" && !breakdown:
				return out.to(c, func(w io.Writer) error { return reports.WriteCSV(w, js) })
			case out.format == "csv":
				return out.to(c, func(w io.Writer) error { return reports.WriteCSV(w, reports.Operations(js)) })
			case len(js) == 1:
				return out.write(c, tables, js[0])
			}
			return out.write(c, tables, js)
		},
	}
	deploy.register(c)
	load.register(c)
	spec.register(c)
	prefix.register(c.Flags())
	out.register(c)
	c.Flags().BoolVar(&breakdown, "breakdown", false, "show each operation's share of time, FLOPs, bytes and what binds it")
	return c
}

// estimateOne prices the workload on one model; a batch of 0 stands for the largest that fits.
func estimateOne(c *cobra.Command, x *costmodel.Compiled, f costmodel.Fidelity, w costmodel.Workload, spec *specFlags, breakdown bool) ([]*reports.Table, reports.EstimateJSON, error) {
	drafts, err := spec.ofModels(c, []*costmodel.Compiled{x})
	if err != nil {
		return nil, reports.EstimateJSON{}, err
	}
	rows, err := (&study.Setup{Compiled: []*costmodel.Compiled{x}, Fidelity: f, Load: w, Speculation: drafts}).Compare()
	if err != nil {
		return nil, reports.EstimateJSON{}, err
	}
	e := rows[0].Estimate
	w = e.Workload
	if !e.Memory.Fits {
		warn(c.ErrOrStderr(), "%s %s", x.Model.Name, reports.Misfit(e))
	}
	tables := []*reports.Table{reports.EstimateTable(rows[0])}
	if !breakdown {
		return tables, reports.Estimate(rows[0], nil, nil), nil
	}
	ops := x.At(costmodel.Roofline).Ops(w)
	var fitted []costmodel.OpCost
	if at := x.At(costmodel.Calibrated); at.Basis() != costmodel.DatasheetOnly {
		fitted = at.Ops(w)
	}
	title := fmt.Sprintf("Mean decode step at roofline, batch %d, by operation", w.Batch)
	steps := reports.BreakdownTable(title, ops, fitted)
	if f == costmodel.Calibrated {
		steps.Title += ", with each one's fitted time"
		steps.Notes = append(steps.Notes, fmt.Sprintf("Engine %s adds %s to a step.", e.Engine, reports.SI(x.EngineSeconds(w.Batch), "s")))
	}
	tables = append(tables, steps)
	if pre := x.At(costmodel.Roofline).PrefillOps(w); pre != nil {
		tables = append(tables, reports.BreakdownTable("Prefill at roofline, by operation", pre, nil))
	}
	return tables, reports.Estimate(rows[0], ops, fitted), nil
}
