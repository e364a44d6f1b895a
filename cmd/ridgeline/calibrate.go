package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"ridgeline/costmodel"
	"ridgeline/costmodel/calibrate"
	"ridgeline/hardware"
	"ridgeline/reports"
	"ridgeline/reports/atomicfile"
	"ridgeline/reports/figure"
)

func calibrateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "calibrate",
		Short: "Fit times to measured kernels, and say how far predictions are from them",
		Long: `Works on tables of kernel timings, files CLASS_GPU.csv in one folder, and serving.csv, whole
served runs; docs/calibration.md lists their columns.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("calibrate %s: want fit, check, holdout or engines", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(calibrateFit(), calibrateCheck(), calibrateHoldout(), calibrateEngines())
	return c
}

// measuredDir reads the tables of --measured, of one GPU if named.
func measuredDir(dir, on string) ([]calibrate.Table, error) {
	if dir == "" {
		return nil, errors.New("--measured DIR is missing: a folder of CLASS_GPU.csv files")
	}
	tables, err := calibrate.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("--measured: %w", err)
	}
	if on == "" {
		return tables, nil
	}
	var own []calibrate.Table
	for _, t := range tables {
		if t.Hardware == on {
			own = append(own, t)
		}
	}
	if len(own) == 0 {
		return nil, fmt.Errorf("--hardware %s: --measured %s has no file of it", on, dir)
	}
	return own, nil
}

// served reads serving.csv of a folder; none is no error.
func served(dir string) ([]*costmodel.ServedGroup, error) {
	path := filepath.Join(dir, "serving.csv")
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	runs, err := calibrate.ReadServing(f, path)
	if err != nil {
		return nil, err
	}
	groups, err := costmodel.GroupServed(runs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return groups, nil
}

// hardwareFlag is --hardware: a profile, by name or file.
func hardwareFlag(name string) (*hardware.Profile, error) {
	hw, err := hardware.Open(calibrate.LongName(name))
	if err != nil {
		return nil, fmt.Errorf("--hardware: %w", err)
	}
	return hw, nil
}

func calibrateFit() *cobra.Command {
	var dir, on, residuals string
	var out outFlags
	var o calibrate.Options
	var engines []string
	c := &cobra.Command{
		Use:   "fit",
		Short: "Fit a profile to a folder of kernel timings",
		Long: `Fits physical curves (launch floor, bandwidth, tiles and waves, split keys) and a smoothed
correction to every CLASS_GPU.csv of one GPU, and reports the error of rows left out of the fit.
With -o the profile is written as YAML, for --calibration of the other verbs.`,
		Example: `  ridgeline calibrate fit --measured timings --hardware h200 -o h200.yaml
  ridgeline calibrate fit --measured timings --hardware h200 -o h200.yaml --residuals res.svg
  ridgeline estimate llama-3.1-8b --on h200 --calibration h200.yaml`,
		Args: needArgs(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if on == "" {
				return errors.New("--hardware NAME is missing: the GPU the timings were taken on")
			}
			if residuals != "" {
				if err := figure.Supported(residuals); err != nil {
					return fmt.Errorf("--residuals: %w", err)
				}
			}
			hw, err := hardwareFlag(on)
			if err != nil {
				return err
			}
			tables, err := measuredDir(dir, hw.Name)
			if err != nil {
				return err
			}
			for _, e := range engines {
				class, name, ok := strings.Cut(e, "=")
				if !ok {
					o.Engine = e
					continue
				}
				k, err := calibrate.ParseClass(class)
				if err != nil {
					return fmt.Errorf("--engine %s: %w", e, err)
				}
				if o.EngineOf == nil {
					o.EngineOf = map[calibrate.Class]string{}
				}
				o.EngineOf[k] = name
			}
			step, clear := progress(c.ErrOrStderr(), "fitting")
			if step != nil {
				o.Progress = func(done, total int, _ string) { step(done, total) }
			}
			p, r, err := calibrate.Fit(c.Context(), tables, hw, o)
			clear()
			if err != nil {
				return failure{err}
			}
			if out.file != "" {
				if err := atomicfile.Write(out.file, p.WriteYAML); err != nil {
					return err
				}
			}
			if residuals != "" {
				fig := figure.Residuals(r)
				if err := atomicfile.Write(residuals, func(w io.Writer) error { return fig.Write(w, residuals, figure.Light()) }); err != nil {
					return err
				}
			}
			report := outFlags{format: out.format}
			return report.write(c, reports.FitTables(r), r)
		},
	}
	f := c.Flags()
	f.StringVar(&dir, "measured", "", "folder of CLASS_GPU.csv files")
	f.StringVar(&on, "hardware", "", "the GPU: a profile's name or file")
	f.StringVar(&residuals, "residuals", "", "draw predicted against measured to a file ("+figure.Formats+")")
	f.StringVar(&o.Source, "source", "", "where the timings are from, for the profile")
	f.StringVar(&o.Commit, "commit", "", "its commit")
	f.StringVar(&o.License, "license", "", "its license")
	f.StringArrayVar(&engines, "engine", nil, "engine and version timed; CLASS=ENGINE for one class")
	f.IntVar(&o.Folds, "folds", 10, "folds of cross-validation")
	complete(c, "hardware", hardware.Names)
	out.register(c)
	return c
}

func calibrateCheck() *cobra.Command {
	var dir, on, own string
	var out outFlags
	c := &cobra.Command{
		Use:   "check",
		Short: "Compare the profiles with kernel timings",
		Long: `Predicts every row of every CLASS_GPU.csv of a folder, and every run of serving.csv, and prints
how far the predictions are: by the GPU's own profile where it has one, else by what is
transferred from its nearest measured relative.`,
		Example: `  ridgeline calibrate check --measured timings
  ridgeline calibrate check --measured timings --hardware h200 --format json`,
		Args: needArgs(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			var only string
			if on != "" {
				hw, err := hardwareFlag(on)
				if err != nil {
					return err
				}
				only = hw.Name
			}
			tables, err := measuredDir(dir, only)
			if err != nil {
				return err
			}
			var fitted *calibrate.Profile
			if own != "" {
				if fitted, err = calibrate.ReadProfile(own); err != nil {
					return fmt.Errorf("--calibration: %w", err)
				}
			}
			var js reports.CheckJSON
			for i := range tables {
				t := &tables[i]
				hw, err := hardware.Lookup(t.Hardware)
				if err != nil {
					return fmt.Errorf("%s: %w", t.File, err)
				}
				p, err := calibrate.For(hw)
				if fitted != nil {
					p, err = calibrate.With(hw, fitted)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", t.File, err)
				}
				js.Tables = append(js.Tables, calibrate.Check(p, tables[i:i+1])...)
			}
			groups, err := served(dir)
			if err != nil {
				return err
			}
			if only != "" {
				groups = ofHardware(groups, only)
			}
			st, err := costmodel.ServedTables("serving.csv", groups, engineOrNearest)
			if err != nil {
				return err
			}
			js.Tables = append(js.Tables, st...)
			ts := []*reports.Table{reports.ErrorTable("Predictions against timings", js.Tables)}
			if len(groups) > 0 {
				sc, err := costmodel.CheckServed(groups, engineOrNearest)
				if err != nil {
					return err
				}
				ts = append(ts, reports.ServedTable(sc))
			}
			return out.write(c, ts, js)
		},
	}
	c.Flags().StringVar(&dir, "measured", "", "folder of CLASS_GPU.csv files and serving.csv")
	c.Flags().StringVar(&on, "hardware", "", "only this GPU")
	c.Flags().StringVar(&own, "calibration", "", "a profile of calibrate fit, before those built in")
	complete(c, "hardware", hardware.Names)
	out.register(c)
	return c
}

func ofHardware(groups []*costmodel.ServedGroup, name string) []*costmodel.ServedGroup {
	var own []*costmodel.ServedGroup
	for _, g := range groups {
		if g.Hardware == name {
			own = append(own, g)
		}
	}
	return own
}

// engineOrNearest is the engine of a name; one nobody fitted is priced as the default.
func engineOrNearest(name string) (*calibrate.Engine, error) {
	if e, err := calibrate.EngineNamed(name); err == nil {
		return e, nil
	}
	return calibrate.EngineNamed("")
}

func calibrateHoldout() *cobra.Command {
	var dir, on string
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
			var only string
			if on != "" {
				hw, err := hardwareFlag(on)
				if err != nil {
					return err
				}
				only = hw.Name
			}
			tables, err := measuredDir(dir, only)
			if err != nil {
				return err
			}
			all, err := holdOut(c, tables)
			if err != nil {
				return err
			}
			for _, p := range calibrate.Embedded() {
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
	c.Flags().StringVar(&dir, "measured", "", "folder of CLASS_GPU.csv files")
	c.Flags().StringVar(&on, "hardware", "", "only this GPU")
	complete(c, "hardware", hardware.Names)
	out.register(c)
	return c
}

// holdOut leaves out every group of every table, as many at once as there are cores, and
// returns what was finished when the context ended, in the order of the tables.
func holdOut(c *cobra.Command, tables []calibrate.Table) ([]calibrate.TableError, error) {
	kinds := int(calibrate.Contexts) + 1
	found := make([]*calibrate.TableError, len(tables)*kinds)
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
		for k := range kinds {
			g.Go(func() error {
				te, ok, err := calibrate.LeaveOut(ctx, t, hw, calibrate.Holdout(k), calibrate.Options{Evaluations: 450, Rounds: 3})
				if err == nil && ok {
					found[i*kinds+k] = &te
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
			groups, err := served(dir)
			if err != nil {
				return err
			}
			if len(groups) == 0 {
				return fmt.Errorf("--measured %q has no serving.csv", dir)
			}
			es, err := costmodel.FitEngines(c.Context(), groups)
			if err != nil {
				return failure{err}
			}
			gap := 0.0
			if tables, err := calibrate.ReadDir(dir); err == nil {
				gap, _ = calibrate.EagerGap(tables)
			}
			es = calibrate.WithDerived(es, gap, source)
			checks, err := costmodel.CheckServed(groups, func(name string) (*calibrate.Engine, error) {
				for i := range es {
					if es[i].Name == name {
						return &es[i], nil
					}
				}
				return calibrate.EngineNamed("")
			})
			if err != nil {
				return err
			}
			if out.file != "" {
				if err := atomicfile.Write(out.file, func(w io.Writer) error { return calibrate.WriteEngines(w, es) }); err != nil {
					return err
				}
			}
			report := outFlags{format: out.format}
			return report.write(c, []*reports.Table{reports.EngineTable(es), reports.ServedTable(checks)}, struct {
				Engines []calibrate.Engine      `json:"engines"`
				Served  []costmodel.ServedCheck `json:"served"`
			}{es, checks})
		},
	}
	c.Flags().StringVar(&dir, "measured", "", "folder with serving.csv, and all-reduce timings if there are")
	c.Flags().StringVar(&source, "source", "", "where the runs are from, for the file")
	out.register(c)
	return c
}
