package main

import (
	"github.com/spf13/cobra"

	"ridgeline/costmodel"
	"ridgeline/reports"
)

func compareCommand() *cobra.Command {
	var (
		deploy = deployFlags{several: true}
		load   loadFlags
		out    outFlags
	)
	c := &cobra.Command{
		Use:   "compare BASELINE MODEL…",
		Short: "Compare models, on one device or several; the first is the baseline",
		Example: `  ridgeline compare phi4-mini phi4-mini-flash --on a100-80gb --prompt 2k --generate 32k
  ridgeline compare 'transformer++(d=16)' 'samba+yoco(d=16)' 'sambay(d=16)' --batch 16
  ridgeline compare phi4-mini phi4-mini-flash --kv-read packed_unless_windowed --batch max
  ridgeline compare llama-3.1-8b phi4-mini-flash --on a100-80gb,h200 --batch 16`,
		Args:              needArgs(1, -1, "a baseline and models to compare with it"),
		ValidArgsFunction: modelNames,
		RunE: func(c *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			f, w, cs, err := load.on(c, &deploy, args)
			if err != nil {
				return err
			}
			rows, err := costmodel.Compare(cs, f, w)
			if err != nil {
				return err
			}
			return out.write(c, []*reports.Table{reports.CompareTable(rows)}, reports.Compare(rows))
		},
	}
	deploy.register(c)
	load.register(c)
	out.register(c)
	return c
}
