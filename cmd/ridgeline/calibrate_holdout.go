package main

import (
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/OWNER/ridgeline/calibrate"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/internal/atomicfile"
	"github.com/OWNER/ridgeline/internal/input"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/served"
)

func calibrateHoldout() *cobra.Command {
	var m measuredFlags
	var out outFlags
	c := &cobra.Command{
		Use:   "holdout",
		Short: "How well what was never seen is predicted: cells, shapes, whole GPUs",
		Long: `Fits again and again, each time without a fifth of the cells, or all rows of one head count,
head dimension, context or (n,k), and predicts what was left out; then predicts each measured
GPU from the profiles of the others. Takes minutes a GPU.`,
		Example: `  ridgeline calibrate holdout --measured timings --hardware h200`,
		Args:    needArgs(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			tables, only, err := m.tables()
			if err != nil {
				return err
			}
			all, err := holdOut(c, tables)
			if err != nil {
				return err
			}
			for _, p := range kerneltime.Embedded() {
				if only == "" || only == p.Hardware() {
					all = append(all, calibrate.WithoutGPU(p.Hardware(), tables)...)
				}
			}
			if c.Context().Err() != nil {
				warn(c.ErrOrStderr(), "stopped: what follows is what was finished")
			}
			return out.write(c, []*reports.Table{reports.ErrorTable("Errors of what was left out", all)}, reports.CheckJSON{Tables: all})
		},
	}
	m.register(c, "only this GPU")
	out.register(c)
	return c
}

// holdOut leaves out every group of every table in turn, as many at the same time as there are
// cores. It returns what was finished when the context ended, in the order of the tables.
func holdOut(c *cobra.Command, tables []calibrate.Table) ([]calibrate.TableError, error) {
	kinds := calibrate.Holdouts()
	found := make([]*calibrate.TableError, len(tables)*len(kinds))
	g, ctx := errgroup.WithContext(c.Context())
	g.SetLimit(runtime.GOMAXPROCS(0))
	step, clear := progress(c.ErrOrStderr(), "holding out")
	defer clear()
	var mu sync.Mutex
	done := 0
	for i := range tables {
		t := &tables[i]
		hw, err := hardware.Lookup(t.Hardware)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.File, err)
		}
		for k, kind := range kinds {
			g.Go(func() error {
				te, ok, err := calibrate.LeaveOut(ctx, t, hw, kind, calibrate.Options{Evaluations: 450, Rounds: 3})
				if err == nil && ok {
					found[i*len(kinds)+k] = &te
				}
				mu.Lock()
				defer mu.Unlock()
				if done++; step != nil {
					step(done, len(found))
				}
				return err
			})
		}
	}
	if err := g.Wait(); err != nil && c.Context().Err() == nil {
		return nil, failure{err}
	}
	var all []calibrate.TableError
	for _, te := range found {
		if te != nil {
			all = append(all, *te)
		}
	}
	return all, nil
}

func calibrateEngines() *cobra.Command {
	var dir, source string
	var out outFlags
	c := &cobra.Command{
		Use:   "engines",
		Short: "Fit what serving engines add to the kernels of a step",
		Long: `Takes the runs of serving.csv apart with the calibrated kernels and fits, engine by engine, the
host's time per step and per sequence, the launch of a streaming kernel, and how much of other
requests' prefill delays running ones. With -o the engines are written as YAML.`,
		Example: `  ridgeline calibrate engines --measured timings -o engines.yaml`,
		Args:    needArgs(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			out.artefact = true
			if err := out.check(); err != nil {
				return err
			}
			groups, skipped, err := servedRuns(dir)
			if err != nil {
				return err
			}
			if len(groups) == 0 && len(skipped) > 0 {
				return fmt.Errorf("--measured %s: serving.csv has no run that can be priced; line %d: %s", dir, skipped[0].Line, skipped[0].Reason)
			}
			if len(groups) == 0 {
				if _, err := input.ReadDir(dir); err != nil {
					return fmt.Errorf("--measured: %w", err)
				}
				return fmt.Errorf("--measured %q has no serving.csv", dir)
			}
			es, err := served.FitEngines(c.Context(), groups)
			if err != nil {
				return failure{err}
			}
			gap := 0.0
			if tables, err := calibrate.ReadDir(dir); err == nil {
				gap, _ = calibrate.EagerGap(tables)
			}
			es = served.WithDerived(es, gap, source)
			checks := served.CheckRuns(groups, es)
			if out.file != "" {
				if err := atomicfile.Write(out.file, func(w io.Writer) error { return kerneltime.WriteEngines(w, es) }); err != nil {
					return err
				}
			}
			report := outFlags{format: out.format}
			return report.write(c, []*reports.Table{reports.EngineTable(es), reports.ServedTable(checks, skipped)}, struct {
				Engines []kerneltime.Engine `json:"engines"`
				Served  []served.GroupCheck `json:"served"`
				Skipped []served.Skipped    `json:"skipped,omitempty"`
			}{es, checks, skipped})
		},
	}
	c.Flags().StringVar(&dir, "measured", "", "folder with serving.csv, and all-reduce timings if there are")
	c.Flags().StringVar(&source, "source", "", "where the runs are from, for the file")
	out.register(c)
	return c
}
