package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/hardware/measure"
	"github.com/OWNER/ridgeline/kernels/crosscheck"
	"github.com/OWNER/ridgeline/reports"
)

func measureCommand() *cobra.Command {
	var out outFlags
	var quick bool
	c := &cobra.Command{
		Use:   "measure",
		Short: "Measure this machine and write it as the profile host",
		Long: `Measures read bandwidth (all cores, past the last-level cache), float32 GEMM peak and the
cost of one parallel call, and writes a profile that --on takes as a file. It also holds what
fraction of that bandwidth and peak the reference kernels reach, by kind (ridgeline validate).`,
		Example: `  ridgeline hardware measure
  ridgeline hardware measure -o host.yaml
  ridgeline estimate 'sambay(d=8)' --weights fp32 --on host.yaml`,
		Args: needArgs(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			o := measure.Options{}
			if onTerminal(c.ErrOrStderr()) {
				o.Progress = func(step, steps int, what string) {
					fmt.Fprintf(c.ErrOrStderr(), "\r\033[K%d/%d %s", step, steps, what)
					if step == steps {
						fmt.Fprint(c.ErrOrStderr(), "\r\033[K")
					}
				}
			}
			p, err := measure.Host(c.Context(), o)
			if err != nil {
				return failure{err}
			}
			step, clear := progress(c.ErrOrStderr(), "kernels")
			p, err = crosscheck.MeasureReach(c.Context(), p, quick, step)
			clear()
			if err != nil {
				return failure{err}
			}
			if out.format == "yaml" {
				return out.to(c, p.WriteYAML)
			}
			return out.write(c, []*reports.Table{reports.ProfileTable(p)}, p)
		},
	}
	c.Flags().BoolVar(&quick, "quick", false, "fewer repeats")
	out.register(c, "yaml")
	return c
}
