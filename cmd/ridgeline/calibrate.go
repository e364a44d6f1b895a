package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/calibrate"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/internal/atomicfile"
	"github.com/OWNER/ridgeline/internal/input"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/reports/figure"
	"github.com/OWNER/ridgeline/served"
	"github.com/OWNER/ridgeline/study"
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

// measuredFlags name a folder of timings and, if only one GPU of it is wanted, that GPU.
type measuredFlags struct{ dir, on string }

func (m *measuredFlags) register(c *cobra.Command, on string) {
	c.Flags().StringVar(&m.dir, "measured", "", "folder of CLASS_GPU.csv files and serving.csv")
	c.Flags().StringVar(&m.on, "hardware", "", on)
	complete(c, "hardware", hardware.Names)
}

// tables reads the folder. only is the profile name of the GPU in --hardware, "" for all GPUs.
func (m *measuredFlags) tables() (tables []calibrate.Table, only string, err error) {
	if m.on != "" {
		hw, err := hardwareFlag(m.on)
		if err != nil {
			return nil, "", err
		}
		only = hw.Name
	}
	tables, err = measuredDir(m.dir, only)
	return tables, only, err
}

// measuredDir reads the tables of --measured, only those of one GPU where one is named.
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

// servedRuns reads the file serving.csv of a folder; a folder without one is no error.
func servedRuns(dir string) ([]*served.Group, []served.Skipped, error) {
	path := filepath.Join(dir, "serving.csv")
	f, err := input.OpenAtMost(path, calibrate.MaxTable)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	runs, err := served.Read(f, path)
	if err != nil {
		return nil, nil, err
	}
	groups, skipped := served.GroupRuns(runs)
	return groups, skipped, nil
}

// hardwareFlag opens the profile that --hardware names, or the file that it gives.
func hardwareFlag(name string) (*hardware.Profile, error) {
	hw, err := hardware.Open(calibrate.LongName(name))
	if err != nil {
		return nil, fmt.Errorf("--hardware: %w", err)
	}
	return hw, nil
}

func calibrateFit() *cobra.Command {
	var dir, on, residuals, onto string
	var out outFlags
	var o calibrate.Options
	var engines, only []string
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
			out.artefact = true
			if err := out.check(); err != nil {
				return err
			}
			if on == "" {
				return errors.New("--hardware NAME is missing: the GPU the timings were taken on")
			}
			if o.Folds < 2 {
				return fmt.Errorf("--folds %d: must be 2 or more", o.Folds)
			}
			if residuals != "" {
				if err := figure.Supported(residuals); err != nil {
					return fmt.Errorf("--residuals: %w", err)
				}
			}
			for _, path := range []string{out.file, residuals} {
				if err := writable(path); err != nil { // before the fit, which takes a minute
					return err
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
				k, err := kerneltime.ParseClass(class)
				if err != nil {
					return fmt.Errorf("--engine %s: %w", e, err)
				}
				if o.EngineOf == nil {
					o.EngineOf = map[kerneltime.Class]string{}
				}
				o.EngineOf[k] = name
			}
			for _, name := range only {
				k, err := kerneltime.ParseClass(name)
				if err != nil {
					return fmt.Errorf("--class: %w", err)
				}
				o.Classes = append(o.Classes, k)
			}
			if onto != "" {
				if o.Onto, err = kerneltime.ReadProfile(onto); err != nil {
					return fmt.Errorf("--onto: %w", err)
				}
			}
			step, clear := progress(c.ErrOrStderr(), "fitting")
			if step != nil {
				o.Progress = func(done, total int, _ string) { step(done, total) }
			}
			p, r, err := calibrate.Fit(c.Context(), tables, hw, o)
			clear()
			if err != nil {
				return err
			}
			fitted, err := usable(p, r)
			if err != nil {
				return fmt.Errorf("--measured %s: %w", dir, err)
			}
			if out.file != "" {
				if err := atomicfile.Write(out.file, func(w io.Writer) error { _, err := w.Write(fitted); return err }); err != nil {
					return err
				}
			}
			if residuals != "" {
				fig := figure.New(study.Residuals(r), figure.Options{})
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
	f.StringVar(&onto, "onto", "", "a profile whose other classes are kept")
	f.StringSliceVar(&only, "class", nil, "fit these classes only")
	f.IntVar(&o.Folds, "folds", 10, "folds of cross-validation")
	complete(c, "hardware", hardware.Names)
	out.register(c)
	return c
}

// usable returns a fitted profile as a file holds it, if --calibration could read it: timings that
// contradict each other can lead to curves with which no prediction is possible. The error names the
// row that the fit misses most.
func usable(p *kerneltime.Profile, r *calibrate.Report) ([]byte, error) {
	var b bytes.Buffer
	if err := p.WriteYAML(&b); err != nil {
		return nil, failure{err}
	}
	_, err := kerneltime.Parse("the fit", b.Bytes())
	if err == nil {
		return b.Bytes(), nil
	}
	look, most := "", 0.0
	for _, x := range r.Worst {
		off := math.Abs(math.Log(x.Measured / x.Predicted))
		if off <= most {
			continue
		}
		most = off
		look = fmt.Sprintf("; look at %s:%d first: it says %s, and the other rows %s", x.File, x.Line, reports.SI(x.Measured, "s"), reports.SI(x.Predicted, "s"))
	}
	return nil, fmt.Errorf("no profile can be made of timings so far apart (%w)%s", err, look)
}

func calibrateCheck() *cobra.Command {
	var m measuredFlags
	var own string
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
			tables, only, err := m.tables()
			if errors.Is(err, calibrate.ErrNoTables) {
				if _, there := os.Stat(filepath.Join(m.dir, "serving.csv")); there == nil {
					err = nil // a folder of served runs alone can be checked too
				}
			}
			if err != nil {
				return err
			}
			var fitted *kerneltime.Profile
			if own != "" {
				if fitted, err = kerneltime.ReadProfile(own); err != nil {
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
				p, err := kerneltime.For(hw)
				if fitted != nil {
					p, err = kerneltime.With(hw, fitted)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", t.File, err)
				}
				js.Tables = append(js.Tables, calibrate.Check(p, tables[i:i+1])...)
			}
			groups, skipped, err := servedRuns(m.dir)
			if err != nil {
				return err
			}
			js.Skipped = skipped
			if only != "" {
				groups = ofHardware(groups, only)
			}
			js.Tables = append(js.Tables, served.Tables("serving.csv", groups, kerneltime.Engines())...)
			ts := []*reports.Table{reports.ErrorTable("Predictions against timings", js.Tables)}
			if len(groups) > 0 || len(skipped) > 0 {
				ts = append(ts, reports.ServedTable(served.CheckRuns(groups, kerneltime.Engines()), skipped))
			}
			return out.write(c, ts, js)
		},
	}
	m.register(c, "only this GPU")
	c.Flags().StringVar(&own, "calibration", "", "a profile of calibrate fit, before those built in")
	out.register(c)
	return c
}

func ofHardware(groups []*served.Group, name string) []*served.Group {
	var own []*served.Group
	for _, g := range groups {
		if g.Hardware == name {
			own = append(own, g)
		}
	}
	return own
}
