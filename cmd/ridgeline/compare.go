package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/study"
)

func compareCommand() *cobra.Command {
	var (
		deploy = deployFlags{several: true}
		load   loadFlags
		out    outFlags
		vary   string
		serve  serveFlags
		spec   specFlags
		prefix prefixFlag
		costs  costFlags
	)
	c := &cobra.Command{
		Use:   "compare BASELINE MODEL…",
		Short: "Compare models, on one device or several; the first is the baseline",
		Example: `  ridgeline compare phi4-mini phi4-mini-flash --on a100-80gb --prompt 2k --generate 32k
  ridgeline compare 'transformer++(d=16)' 'samba+yoco(d=16)' 'sambay(d=16)' --batch 16
  ridgeline compare phi4-mini phi4-mini-flash --kv-read packed_unless_windowed --batch max
  ridgeline compare llama-3.1-8b phi4-mini-flash --on a100-80gb,h200 --batch 16
  ridgeline compare phi4-mini phi4-mini-flash --on h200 --batch 16 --price 3.50 --serve clients=16
  ridgeline compare phi4-mini-flash --vary gmu_ratio=0,0.5,1 --batch 16
  ridgeline compare llama-3.1-8b phi4-mini-flash --draft ngram --acceptance 0.5 --batch 8`,
		Args:              needArgs(1, -1, "a baseline and models to compare with it"),
		ValidArgsFunction: modelNames,
		RunE: func(c *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if err := errors.Join(spec.check(), prefix.check()); err != nil {
				return err
			}
			deploy.vary = vary
			under, err := serve.load()
			if err != nil {
				return err
			}
			f, w, cs, err := load.on(c, &deploy, args)
			if err != nil {
				return err
			}
			w.PrefixShare = prefix.share
			prices, from, err := costs.ofModels(cs)
			if err != nil {
				return err
			}
			drafts, err := spec.ofModels(c, cs)
			if err != nil {
				return err
			}
			setup := &study.Setup{Compiled: cs, Fidelity: f, Load: w, Speculation: drafts, Serve: under, Price: prices, PriceFrom: from}
			x, err := reports.CompareSetup(setup)
			if err != nil {
				return err
			}
			if under != nil {
				served, err := simulated(c, under, func() ([]*serving.Served, error) { return setup.Under(c.Context(), under) })
				if err != nil {
					return err
				}
				x.Serve(under, served)
			}
			return out.write(c, []*reports.Table{x.Table}, x.JSON)
		},
	}
	deploy.register(c)
	load.register(c)
	spec.register(c)
	prefix.register(c.Flags())
	costs.register(c)
	serve.register(c.Flags())
	out.register(c)
	c.Flags().StringVar(&vary, "vary", "", "every model at several values of one thing, as in gmu_ratio=0,0.5,1, window=128,512 or kv_heads=4,8")
	return c
}
