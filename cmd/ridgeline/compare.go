package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ridgeline/reports"
)

func compareCommand(a *app) *cobra.Command {
	var d deployFlags
	var w workloadFlags
	var o outputFlags
	cmd := &cobra.Command{
		Use:   "compare BASELINE MODEL… [flags]",
		Short: "Models side by side, and what makes the difference",
		Long: `Compare prices the same workload on several models. The first is the baseline: speedup is
the ratio of decode tokens/s to it at the given batch.`,
		Example: `  ridgeline compare phi4-mini phi4-mini-flash --on a100-80gb --prompt 2k --generate 32k
  ridgeline compare 'transformer++(d=16)' 'samba+yoco(d=16)' 'sambay(d=16)' --batch max
  ridgeline compare phi4-mini phi4-mini-flash --kv-read packed_unless_windowed --diff-kernel four_pass`,
		ValidArgsFunction: completeModels,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("compare: %d of at least 2 models named: write a baseline and what to compare with it, such as compare phi4-mini phi4-mini-flash", len(args))
			}
			es, err := estimates(cmd.Context(), a, &d, &w, args, "")
			if err != nil {
				return err
			}
			c := reports.Compare(es)
			return o.write(a, cmd, func(out io.Writer, format string) error {
				switch format {
				case "json":
					return reports.WriteJSON(out, c)
				case "csv":
					return reports.WriteCSV(out, c.Rows)
				}
				return document(out, format, reports.WriteComparison(c))
			})
		},
	}
	d.add(cmd.Flags())
	w.add(cmd.Flags())
	o.add(cmd, tableFormats()...)
	d.complete(cmd)
	w.complete(cmd)
	return cmd
}
