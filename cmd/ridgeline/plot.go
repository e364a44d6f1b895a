package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/claims"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/internal/atomicfile"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/reports/figure"
	"github.com/OWNER/ridgeline/study"
)

// plotKinds lists the figures about models, those of the paper, and those of a sweep's rows.
var plotKinds = slices.Concat(study.Kinds(), []string{"load"}, study.PaperFigures(), []string{"sweep", "pareto"})

// fromRows reports whether a figure of this kind shows the rows of a sweep, not models.
func fromRows(kind string) bool { return kind == "sweep" || kind == "pareto" }

// fromPaper reports whether this kind is a figure of the paper, which has models of its own.
func fromPaper(kind string) bool { return slices.Contains(study.PaperFigures(), kind) }

type plotFlags struct {
	deploy                           deployFlags
	load                             loadFlags
	serve                            serveFlags
	out, theme, format, width, title string
	dpi                              int
	from, x, y, by                   string
	costs                            costFlags
	prefix                           prefixFlag
	spec                             specFlags
}

func plotCommand() *cobra.Command {
	p := &plotFlags{deploy: deployFlags{several: true}}
	c := &cobra.Command{
		Use:   "plot KIND [MODEL…]",
		Short: "Draw a figure of models or of a sweep, or write its numbers",
		Long: `KIND is ` + strings.Join(plotKinds, ", ") + `.
Draws a figure in the format the file's ending names (.svg, .png, .pdf), or writes the numbers it
shows: --format csv or json, or a file that ends in .csv or .json. Several devices in --on draw every
model on each of them. Bands hold 90 % of measurements; what does not fit its device is drawn broken
or hatched. cost needs --price; speedup takes two models, or one model on two devices.

load simulates latency against throughput up to a load: --serve clients=64 or rate=8.
figure-4 and figure-9 are the paper's, simulated under the engine and kernels it names and under
today's; they take no model.

sweep and pareto draw the rows of a sweep: --from rows.csv --x NAME --y NAME, and --by NAME for a
series for each of its values. sweep draws lines along a parameter, through the best row at each of
its values, and points along a figure. pareto draws points and joins those no other row beats.
Past 20,000 points they are thinned evenly, and the figure says so.`,
		Example: `  ridgeline plot throughput phi4-mini phi4-mini-flash --on a100-80gb --prompt 2k -o p.svg
  ridgeline plot tpot phi4-mini-flash --on a100-80gb,h200 --batch 16 --format csv
  ridgeline plot cost phi4-mini phi4-mini-flash --price 1.80 -o cost.pdf --width 89mm
  ridgeline plot roofline phi4-mini-flash --on a100-80gb,h200,b200 -o roofline.svg --theme dark
  ridgeline plot load phi4-mini phi4-mini-flash --generate 8k --serve clients=64 -o load.svg
  ridgeline plot figure-4 --on a100-80gb -o figure-4.svg
  ridgeline plot sweep --from rows.csv --x generate --y tokens_per_second --by on -o lines.svg
  ridgeline plot pareto --from rows.csv --x params --y tokens_per_second -o front.svg`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || !slices.Contains(plotKinds, args[0]) {
				return fmt.Errorf("plot takes a kind first, one of %s", strings.Join(plotKinds, ", "))
			}
			if fromPaper(args[0]) {
				if len(args) > 1 {
					return fmt.Errorf("plot %s draws the paper's models: give no other", args[0])
				}
				return nil
			}
			if fromRows(args[0]) == (len(args) > 1) {
				if fromRows(args[0]) {
					return fmt.Errorf("plot %s draws a sweep's rows: give --from FILE, no models", args[0])
				}
				return fmt.Errorf("plot %s needs a model", args[0])
			}
			return nil
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, s string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return plotKinds, cobra.ShellCompDirectiveNoFileComp
			}
			return modelNames(c, args, s)
		},
		RunE: func(c *cobra.Command, args []string) error { return p.run(c, args) },
	}
	p.deploy.register(c)
	p.load.register(c)
	f := c.Flags()
	p.prefix.register(f)
	p.spec.register(c)
	p.serve.registerLoad(f)
	f.StringVarP(&p.out, "output", "o", "", "file to write: a figure ("+figure.Formats+") or its numbers (.csv, .json)")
	f.StringVar(&p.format, "format", "", "csv or json: the numbers of the figure, to stdout or the file")
	f.StringVar(&p.theme, "theme", "light", "light or dark")
	f.StringVar(&p.width, "width", "", "width of the figure: 89mm, 9cm, 3.5in, 400pt (default: what suits the figure)")
	f.IntVar(&p.dpi, "dpi", 150, "pixels to the inch of a .png")
	f.StringVar(&p.title, "title", "", "title in place of the figure's own")
	p.costs.register(c)
	f.StringVar(&p.from, "from", "", "sweep, pareto: the file of a sweep")
	f.StringVar(&p.x, "x", "params", "sweep, pareto: column along x")
	f.StringVar(&p.y, "y", "tokens_per_second", "sweep, pareto: figure along y")
	f.StringVar(&p.by, "by", "", "sweep, pareto: a series for each value of this column")
	complete(c, "theme", func() []string { return []string{"light", "dark"} })
	complete(c, "format", func() []string { return []string{"csv", "json"} })
	return c
}

// numbers returns csv or json where the numbers of a figure are asked for, else "".
func (p *plotFlags) numbers() (string, error) {
	ending := ""
	for _, n := range []string{"csv", "json"} {
		if strings.HasSuffix(strings.ToLower(p.out), "."+n) {
			ending = n
		}
	}
	switch {
	case p.format == "":
		return ending, nil
	case p.format != "csv" && p.format != "json":
		return "", fmt.Errorf("--format %q is not one of csv, json; a figure is drawn in the format its file's ending names (%s)", p.format, figure.Formats)
	case p.out != "" && ending != p.format:
		return "", fmt.Errorf("--format %s writes numbers, and %s does not end in .%s", p.format, p.out, p.format)
	}
	return p.format, nil
}

func (p *plotFlags) run(c *cobra.Command, args []string) error {
	numbers, err := p.numbers()
	if err != nil {
		return err
	}
	if numbers == "" {
		if p.out == "" {
			return fmt.Errorf("plot %s: give -o FILE (%s), or --format csv or json for its numbers", args[0], figure.Formats)
		}
		if err := figure.Supported(p.out); err != nil {
			return fmt.Errorf("%w, its numbers as .csv or .json", err)
		}
	}
	theme, err := figure.ParseTheme(p.theme)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	look := figure.Options{DPI: p.dpi, Title: p.title}
	if p.width != "" {
		if look.Width, err = figure.ParseWidth(p.width); err != nil {
			return fmt.Errorf("--%w", err)
		}
	}
	if err := look.Check(); err != nil {
		return fmt.Errorf("--%w", err)
	}
	chart, err := p.measure(c, args[0], args[1:])
	if err != nil {
		return err
	}
	f := figure.New(chart, look)
	if f.Empty() {
		return fmt.Errorf("plot %s: nothing to draw: at --batch max no sequence fits %s (give --batch, --tp or another --on)", args[0], p.deploy.on)
	}
	if err := c.Context().Err(); err != nil {
		return err
	}
	if numbers == "" {
		return atomicfile.Write(p.out, func(w io.Writer) error { return f.Write(w, p.out, theme) })
	}
	out := outFlags{file: p.out}
	return out.to(c, func(w io.Writer) error {
		if numbers == "json" {
			return writeJSON(w, chart)
		}
		return reports.WriteCSV(w, chart.Rows())
	})
}

func (p *plotFlags) measure(c *cobra.Command, kind string, names []string) (*study.Chart, error) {
	if fromRows(kind) {
		if p.from == "" {
			return nil, fmt.Errorf("plot %s: give --from FILE, the rows of a sweep", kind)
		}
		return study.Sweep(p.from, study.Rows{X: p.x, Y: p.y, By: p.by, Front: kind == "pareto"})
	}
	if fromPaper(kind) {
		return p.paper(c, kind)
	}
	under, err := p.serve.load()
	switch {
	case err != nil:
		return nil, err
	case under == nil && kind == "load":
		return nil, errors.New("plot load: give the heaviest load, as in --serve clients=64")
	case under != nil && kind != "load":
		return nil, fmt.Errorf("plot %s: --serve is of plot load", kind)
	}
	if err := errors.Join(p.prefix.check(), p.spec.check()); err != nil {
		return nil, err
	}
	if p.spec.draft != "" && kind != "load" {
		return nil, fmt.Errorf("plot %s: --draft is of plot load; compare and estimate say what drafts change", kind)
	}
	f, w, cs, err := p.load.on(c, &p.deploy, names)
	if err != nil {
		return nil, err
	}
	w.PrefixShare = p.prefix.share
	prices, from, err := p.costs.ofModels(cs)
	if err != nil {
		return nil, err
	}
	drafts, err := p.spec.ofModels(c, cs)
	if err != nil {
		return nil, err
	}
	s := &study.Setup{Compiled: cs, Fidelity: f, Load: w, Speculation: drafts, Price: prices, PriceFrom: from}
	if under != nil {
		return simulated(c, under, func() (*study.Chart, error) { return s.UnderCurve(c.Context(), under) })
	}
	chart, err := s.Measure(kind)
	var unpriced *study.PriceError
	switch {
	case errors.As(err, &unpriced):
		return nil, fmt.Errorf("plot %s: %w: give --price %s=USD_PER_HOUR", kind, err, unpriced.Device)
	case errors.Is(err, study.ErrNotCalibrated):
		return nil, fmt.Errorf("plot %s: %w: give --fidelity calibrated", kind, err)
	}
	return chart, err
}

// paper simulates a figure of the paper on one device.
func (p *plotFlags) paper(c *cobra.Command, kind string) (*study.Chart, error) {
	for _, n := range []string{"batch", "prompt", "generate", "kv-read", "diff-kernel", "delta-kernel", "engine", "tp", "pp", "ep", "dp", "microbatches", "skew", "memory-fraction", "gmu-ratio", "fidelity", "prefix-share", "draft"} {
		if c.Flags().Changed(n) {
			return nil, fmt.Errorf("plot %s: --%s is the paper's, give --on alone", kind, n)
		}
	}
	hw, err := hardware.Open(p.deploy.on)
	if err != nil {
		return nil, fmt.Errorf("--on: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimPrefix(kind, "figure-"))
	if err != nil {
		return nil, err
	}
	curves, fidelity, err := claims.Figure(c.Context(), n, claims.Options{Hardware: hw})
	if err != nil {
		return nil, err
	}
	return study.Paper(kind, curves, hw.Name, fidelity)
}
