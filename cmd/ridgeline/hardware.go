package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/reports"
)

func hardwareCommand() *cobra.Command {
	var out outFlags
	c := &cobra.Command{
		Use:   "hardware [NAME]",
		Short: "List hardware profiles, or show one with the source of every figure",
		Example: `  ridgeline hardware
  ridgeline hardware a100-80gb
  ridgeline hardware h200 -o mine.yaml`,
		Args: needArgs(0, 1, "at most one profile"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return hardware.Names(), cobra.ShellCompDirectiveDefault
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if len(args) == 0 && out.format == "yaml" {
				return out.to(c, func(w io.Writer) error { return reports.WriteYAML(w, hardware.All()) })
			}
			if len(args) == 0 {
				return out.write(c, []*reports.Table{reports.HardwareTable(hardware.All())}, hardware.All())
			}
			p, err := hardware.Open(args[0])
			if err != nil {
				return err
			}
			if out.format == "yaml" {
				return out.to(c, p.WriteYAML)
			}
			return out.write(c, []*reports.Table{reports.ProfileTable(p)}, p)
		},
	}
	out.register(c, "yaml")
	c.AddCommand(measureCommand())
	return c
}
