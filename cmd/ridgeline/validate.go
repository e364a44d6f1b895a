package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/kernels/crosscheck"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/reports"
)

func validateCommand() *cobra.Command {
	var out outFlags
	var o crosscheck.Options
	var dir string
	var tiny []string
	c := &cobra.Command{
		Use:   "validate",
		Short: "Hold the predictions against execution on this machine",
		Long: `Runs what the cost model prices, for real, and says how far they agree:

  golden   kernels against tensors of independent implementations
  tiny     with --tiny: a small twin of a model, steps against one pass, counted too
  counts   bytes and FLOPs counted while running against predicted, integer for integer
  time     kernels that stream from memory: predicted against measured seconds
  speedup  whole decoders at growing context: predicted against measured speedup

Exits 1 if a part does not hold. Ctrl-C prints what is done so far.`,
		Example: `  ridgeline validate --quick
  ridgeline validate --only golden,counts
  ridgeline validate --only golden --golden my/checkpoints --format json
  ridgeline validate --tiny phi4-mini-flash --tiny my/config.json`,
		Args: needArgs(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if dir != "" {
				if s, err := os.Stat(dir); err != nil || !s.IsDir() {
					return fmt.Errorf("--golden %s is not a folder", dir)
				}
				o.Golden = os.DirFS(dir)
			}
			for _, name := range tiny {
				m, err := models.Open(name)
				if err != nil {
					return err
				}
				o.Tiny = append(o.Tiny, m)
			}
			if len(tiny) > 0 && len(o.Only) == 0 {
				o.Only = []string{"tiny"}
			}
			part, clear := "", func() {}
			var step func(done, total int)
			o.Progress = func(p string, done, total int) {
				if p != part {
					clear()
					part = p
					step, clear = progress(c.ErrOrStderr(), p)
				}
				if step != nil {
					step(done, total)
				}
			}
			r, err := crosscheck.Run(c.Context(), o)
			clear()
			if err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			if w := out.write(c, reports.ValidateTables(r), r); w != nil {
				return w
			}
			if err == nil && len(r.Failed) > 0 {
				err = fmt.Errorf("%s does not hold", strings.Join(r.Failed, ", "))
			}
			if err != nil {
				return failure{err}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringSliceVar(&o.Only, "only", nil, "parts to run: "+strings.Join(crosscheck.Parts(), ", "))
	f.BoolVar(&o.Quick, "quick", false, "fewer shapes and repeats: under half a minute, below 1 GB")
	f.StringVar(&dir, "golden", "", "folder of safetensors (default: the embedded ones)")
	f.StringArrayVar(&tiny, "tiny", nil, "a MODEL to execute as a small twin (may be given again); alone it is all that runs")
	complete(c, "only", crosscheck.Parts)
	out.register(c)
	return c
}
