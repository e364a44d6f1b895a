package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ridgeline/costmodel"
	"ridgeline/reports"
)

func estimateCommand(a *app) *cobra.Command {
	var d deployFlags
	var w workloadFlags
	var o outputFlags
	var breakdown string
	cmd := &cobra.Command{
		Use:   "estimate MODEL… [flags]",
		Short: "What a request costs on a model: memory, prefill, decode",
		Example: `  ridgeline estimate phi4-mini-flash --on a100-80gb --prompt 2k --generate 32k
  ridgeline estimate llama-3.1-8b qwen3-8b --on h100-sxm --batch max --kv fp8
  ridgeline estimate phi4-mini-flash --batch 16 --breakdown
  ridgeline estimate 'sambay(d=16)' --format json -o sambay.json`,
		ValidArgsFunction: completeModels,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("estimate: no model named: add one, such as phi4-mini-flash (ridgeline models lists them)")
			}
			es, err := estimates(cmd.Context(), a, &d, &w, args, breakdown)
			if err != nil {
				return err
			}
			return o.write(a, cmd, func(out io.Writer, format string) error {
				switch format {
				case "json":
					return reports.WriteEstimatesJSON(out, es)
				case "csv":
					return reports.WriteCSV(out, es)
				}
				return document(out, format, reports.WriteEstimates(es))
			})
		},
	}
	d.add(cmd.Flags())
	w.add(cmd.Flags())
	o.add(cmd, tableFormats()...)
	kinds := []string{"decode", "prefill"}
	cmd.Flags().Var(&textFlag{kind: "phase", set: func(s string) error {
		for _, k := range kinds {
			if s == k {
				breakdown = s
				return nil
			}
		}
		return fmt.Errorf("%q is no phase: write --breakdown, --breakdown=decode or --breakdown=prefill", s)
	}}, "breakdown", "show operations by share of time, of a decode step or of the prefill")
	cmd.Flags().Lookup("breakdown").NoOptDefVal = kinds[0]
	completeFlag(cmd, "breakdown", kinds)
	d.complete(cmd)
	w.complete(cmd)
	return cmd
}

// estimates prices the workload on every model.
func estimates(ctx context.Context, a *app, d *deployFlags, w *workloadFlags, names []string, breakdown string) ([]*reports.Estimate, error) {
	hw, err := d.hardware()
	if err != nil {
		return nil, err
	}
	models, err := d.models(a, names)
	if err != nil {
		return nil, err
	}
	var out []*reports.Estimate
	for _, m := range models {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := d.compile(a, m, hw)
		if err != nil {
			return nil, err
		}
		e, err := price(c, w.fidelity, w.workload(c))
		if err != nil {
			return nil, err
		}
		if !e.Memory.Fits {
			a.warn("%s: batch %d does not fit %s: %s missing, largest batch %d", e.Model, e.Workload.Batch, hw.Name,
				reports.SI(e.Memory.MissingBytes, "B"), e.Memory.MaxBatch)
		}
		switch breakdown {
		case "decode":
			e.Breakdown = reports.Operations(e.Parts)
		case "prefill":
			e.Breakdown = reports.Operations(c.PrefillBreakdown(e.Workload))
		}
		out = append(out, e)
	}
	return out, nil
}

// price asks the cost model for a workload, and for the decode rate at the largest batch.
func price(c *costmodel.Compiled, f costmodel.Fidelity, w costmodel.Workload) (*reports.Estimate, error) {
	e, err := c.Estimate(f, w)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Model.Name, err)
	}
	r := reports.NewEstimate(c, e)
	if n := e.Memory.MaxBatch; n > 0 {
		w.Batch = n
		best, err := c.Estimate(f, w)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Model.Name, err)
		}
		r.TokensPerSecondAtMaxBatch = &best.Decode.TokensPerSecond
	}
	return r, nil
}
