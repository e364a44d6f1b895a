package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ridgeline/hardware"
	"ridgeline/internal/atomicfile"
	"ridgeline/reports/figure"
)

// plotKinds are the figures about models, and those of a sweep's rows.
var plotKinds = []string{"throughput", "tpot", "gmu-ratio", "roofline", "breakdown", "memory", "speedup", "sweep", "pareto"}

// fromRows reports whether a kind draws a sweep's file, not models.
func fromRows(kind string) bool { return kind == "sweep" || kind == "pareto" }

type plotFlags struct {
	deploy         deployFlags
	load           loadFlags
	out, theme     string
	from, x, y, by string
}

func plotCommand() *cobra.Command {
	p := &plotFlags{}
	c := &cobra.Command{
		Use:   "plot KIND [MODEL…]",
		Short: "Draw a figure of models or of a sweep",
		Long: `KIND is ` + strings.Join(plotKinds, ", ") + `.
Draws a figure in the format the file's ending names (.svg, .png, .pdf). roofline takes several
devices in --on.

sweep and pareto draw the rows of a sweep: --from rows.csv --x NAME --y NAME, and --by NAME for a
series for each of its values. sweep draws lines along a parameter, through the best row at each of
its values, and points along a figure. pareto draws points and joins those no other row beats.
Past 20,000 points they are thinned evenly, and the figure says so.`,
		Example: `  ridgeline plot throughput phi4-mini phi4-mini-flash --on a100-80gb --prompt 2k -o p.svg
  ridgeline plot gmu-ratio phi4-mini-flash --batch 16 -o ratio.png
  ridgeline plot roofline phi4-mini-flash --on a100-80gb,h200,b200 -o roofline.svg --theme dark
  ridgeline plot sweep --from rows.csv --x generate --y tokens_per_second --by on -o lines.svg
  ridgeline plot pareto --from rows.csv --x params --y tokens_per_second -o front.svg`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || !slices.Contains(plotKinds, args[0]) {
				return fmt.Errorf("plot takes a kind first, one of %s", strings.Join(plotKinds, ", "))
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
	f.StringVarP(&p.out, "output", "o", "", "file to draw into: "+figure.Formats)
	f.StringVar(&p.theme, "theme", "light", "light or dark")
	f.StringVar(&p.from, "from", "", "sweep, pareto: the file of a sweep")
	f.StringVar(&p.x, "x", "params", "sweep, pareto: column along x")
	f.StringVar(&p.y, "y", "tokens_per_second", "sweep, pareto: figure along y")
	f.StringVar(&p.by, "by", "", "sweep, pareto: a series for each value of this column")
	complete(c, "theme", func() []string { return []string{"light", "dark"} })
	return c
}

func (p *plotFlags) run(c *cobra.Command, args []string) error {
	if p.out == "" {
		return fmt.Errorf("plot %s: give -o FILE (%s)", args[0], figure.Formats)
	}
	if err := figure.Supported(p.out); err != nil {
		return err
	}
	theme, err := figure.ParseTheme(p.theme)
	if err != nil {
		return fmt.Errorf("--%w", err)
	}
	f, err := p.figure(c, args[0], args[1:])
	if err != nil {
		return err
	}
	if f.Empty() {
		return fmt.Errorf("plot %s: nothing to draw: at --batch max no sequence fits %s (give --batch, --tp or another --on)", args[0], p.deploy.on)
	}
	return atomicfile.Write(p.out, func(w io.Writer) error { return f.Write(w, p.out, theme) })
}

func (p *plotFlags) figure(c *cobra.Command, kind string, names []string) (*figure.Figure, error) {
	if fromRows(kind) {
		if p.from == "" {
			return nil, fmt.Errorf("plot %s: give --from FILE, the rows of a sweep", kind)
		}
		return figure.SweepPlot(p.from, figure.Rows{X: p.x, Y: p.y, By: p.by, Front: kind == "pareto"})
	}
	s, err := p.setup(c, kind, names)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "throughput":
		return figure.Throughput(s), nil
	case "tpot":
		return figure.TPOT(s), nil
	case "gmu-ratio":
		return figure.GMURatio(s)
	case "roofline":
		return figure.RooflineFigure(s)
	case "breakdown":
		return figure.Breakdown(s), nil
	case "memory":
		return figure.Memory(s), nil
	}
	return figure.Speedup(s)
}

func (p *plotFlags) setup(c *cobra.Command, kind string, names []string) (*figure.Setup, error) {
	f, w, err := p.load.workload()
	if err != nil {
		return nil, err
	}
	on := strings.Split(p.deploy.on, ",")
	if len(on) > 1 && kind != "roofline" {
		return nil, fmt.Errorf("--on %s: plot %s is drawn for one device, only roofline for several", p.deploy.on, kind)
	}
	var devices []*hardware.Profile
	for _, n := range on {
		hw, err := hardware.Open(strings.TrimSpace(n))
		if err != nil {
			return nil, fmt.Errorf("--on: %w", err)
		}
		devices = append(devices, hw)
	}
	p.deploy.on = strings.TrimSpace(on[0])
	cs, err := p.deploy.compile(c, names)
	if err != nil {
		return nil, err
	}
	return &figure.Setup{Compiled: cs, Devices: devices, Fidelity: f, Load: w}, nil
}
