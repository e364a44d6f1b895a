package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/serving/check"
)

func simulateCheckCommand() *cobra.Command {
	var dir string
	var out outFlags
	c := &cobra.Command{
		Use:   "check",
		Short: "Replay measured runs and say how far the simulation is",
		Long: `Reads every measured run below a folder: serving.csv (a whole run a line) and files with a row a
request, simulates each with the engine, model and load it was made with, and compares mean times.
Rows that cannot be simulated are counted, with the reason.`,
		Example: `  ridgeline simulate check --measured runs
  ridgeline simulate check --measured runs --format json`,
		Args: needArgs(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if dir == "" {
				return errors.New("--measured DIR is missing: a folder of measured runs")
			}
			if err := writable(out.file); err != nil {
				return err
			}
			d, err := check.ReadDir(dir)
			if err != nil {
				return fmt.Errorf("--measured: %w", err)
			}
			step, clear := progress(c.ErrOrStderr(), "simulating")
			r, err := check.Make(c.Context(), d, step)
			clear()
			if err != nil {
				return err
			}
			return out.write(c, reports.ServingCheckTables(r), r)
		},
	}
	c.Flags().StringVar(&dir, "measured", "", "folder of measured runs")
	out.register(c)
	return c
}
