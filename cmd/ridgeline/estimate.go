package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ridgeline/reports"
)

func estimateCommand() *cobra.Command {
	var (
		deploy    deployFlags
		load      loadFlags
		out       outFlags
		breakdown bool
	)
	c := &cobra.Command{
		Use:   "estimate MODEL",
		Short: "Price one model: memory, time to first token, time per token, throughput",
		Example: `  ridgeline estimate phi4-mini-flash --on h200 --batch 16
  ridgeline estimate phi4-mini-flash --breakdown
  ridgeline estimate llama-3.1-70b --on h100-sxm --tp 4 --weights fp8 --format json
  ridgeline estimate 'sambay(d=16)' --gmu-ratio 1 --batch max`,
		Args:              needArgs(1, 1, "one model"),
		ValidArgsFunction: modelNames,
		RunE: func(c *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			f, w, err := load.workload()
			if err != nil {
				return err
			}
			cs, err := deploy.compile(c, args)
			if err != nil {
				return err
			}
			x := cs[0]
			if w.Batch == 0 {
				w.Batch = max(x.MaxBatch(w.Prompt, w.Generate), 1)
			}
			e, err := x.Estimate(f, w)
			if err != nil {
				return err
			}
			tables := []*reports.Table{reports.EstimateTable(x, e)}
			j := reports.Estimate(x, e, nil)
			if breakdown {
				ops := x.Breakdown(w)
				j = reports.Estimate(x, e, ops)
				title := fmt.Sprintf("Mean decode step at roofline, batch %d, by operation", w.Batch)
				tables = append(tables, reports.BreakdownTable(title, ops))
				if pre := x.PrefillBreakdown(w); pre != nil {
					tables = append(tables, reports.BreakdownTable("Prefill at roofline, by operation", pre))
				}
				if out.format == "csv" {
					tables = tables[1:2]
				}
			}
			if !e.Memory.Fits {
				warn(c.ErrOrStderr(), "%s %s", x.Model.Name, reports.Misfit(e))
			}
			return out.write(c, tables, j)
		},
	}
	deploy.register(c)
	load.register(c)
	out.register(c)
	c.Flags().BoolVar(&breakdown, "breakdown", false, "show each operation's share of time, FLOPs, bytes and what binds it")
	return c
}
