package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ridgeline/internal/atomicfile"
	"ridgeline/reports/page"
	"ridgeline/study"
)

func reportCommand() *cobra.Command {
	var (
		deploy      = deployFlags{several: true}
		load        loadFlags
		out, format string
	)
	c := &cobra.Command{
		Use:   "report MODEL…",
		Short: "Write a report with verdict, tables and figures, as one file",
		Long: `Writes one self-contained HTML file (no network, light and dark, prints well) or Markdown: the
verdict, the comparison, throughput against generation length, where the time goes, what fits, the
GMU ratio, the claims of the sources, and how the figures were made.`,
		Example: `  ridgeline report phi4-mini phi4-mini-flash --on a100-80gb --batch 16 -o report.html
  ridgeline report phi4-mini phi4-mini-flash --format markdown`,
		Args:              needArgs(1, -1, "models, the first the baseline"),
		ValidArgsFunction: modelNames,
		RunE: func(c *cobra.Command, args []string) error {
			if format != "html" && format != "markdown" {
				return fmt.Errorf("--format %q is not one of html, markdown", format)
			}
			if format == "html" && out == "" {
				return fmt.Errorf("report: give -o FILE.html, or --format markdown")
			}
			f, w, cs, err := load.on(c, &deploy, args)
			if err != nil {
				return err
			}
			p, err := page.Build(c.Context(), &study.Setup{Compiled: cs, Fidelity: f, Load: w})
			if err != nil {
				return err
			}
			write := p.HTML
			if format == "markdown" {
				write = p.Markdown
			}
			if out == "" {
				if err := write(c.OutOrStdout()); err != nil {
					return failure{err}
				}
				return nil
			}
			return atomicfile.Write(out, func(w io.Writer) error { return write(w) })
		},
	}
	deploy.register(c)
	load.register(c)
	c.Flags().StringVar(&format, "format", "html", "html, markdown")
	c.Flags().StringVarP(&out, "output", "o", "", "write to FILE, whole or not at all")
	complete(c, "format", func() []string { return []string{"html", "markdown"} })
	return c
}
