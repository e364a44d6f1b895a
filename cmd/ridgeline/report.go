package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/OWNER/ridgeline/internal/atomicfile"
	"github.com/OWNER/ridgeline/reports/page"
	"github.com/OWNER/ridgeline/study"
)

func reportCommand() *cobra.Command {
	var (
		deploy       = deployFlags{several: true}
		load         loadFlags
		out, format  string
		reproducible bool
		serve        serveFlags
		costs        costFlags
		spec         specFlags
		prefix       prefixFlag
	)
	c := &cobra.Command{
		Use:   "report MODEL…",
		Short: "Write a report with verdict, tables and figures, as one file",
		Long: `Writes one self-contained HTML file (no network, light and dark, prints well) or Markdown: the
verdict, the comparison, throughput against generation length, where the time goes, what fits, the
GMU ratio and the claims of the sources where a model has a cross-decoder, and how the figures were
made, with the command line, version and date (--reproducible leaves these three out).`,
		Example: `  ridgeline report phi4-mini phi4-mini-flash --on a100-80gb --batch 16 -o report.html
  ridgeline report phi4-mini phi4-mini-flash -o report.md`,
		Args:              needArgs(1, -1, "models, the first the baseline"),
		ValidArgsFunction: modelNames,
		RunE: func(c *cobra.Command, args []string) error {
			if format != "html" && format != "markdown" {
				return fmt.Errorf("--format %q is not one of html, markdown", format)
			}
			if out != "" && !c.Flags().Changed("format") {
				f, err := formatOf(out, []string{"html", "markdown"})
				if err != nil {
					return err
				}
				if f != "" {
					format = f
				}
			}
			if format == "html" && out == "" {
				return fmt.Errorf("report: give -o FILE.html, or --format markdown")
			}
			if err := errors.Join(spec.check(), prefix.check()); err != nil {
				return err
			}
			under, err := serve.load()
			if err != nil {
				return err
			}
			f, w, cs, err := load.on(c, &deploy, args)
			if err != nil {
				return err
			}
			w.PrefixShare = prefix.share
			drafts, err := spec.ofModels(c, cs)
			if err != nil {
				return err
			}
			prices, from, err := costs.ofModels(cs)
			if err != nil {
				return err
			}
			var made page.Made
			if !reproducible {
				made = page.Made{Command: commandLine(c, args), Version: version(), Date: time.Now().Format("2 January 2006, 15:04 MST")}
			}
			setup := &study.Setup{Compiled: cs, Fidelity: f, Load: w, Speculation: drafts, Serve: under, Price: prices, PriceFrom: from}
			build := func() (*page.Page, error) { return page.Build(c.Context(), setup, made) }
			var p *page.Page
			if under == nil {
				p, err = build()
			} else {
				p, err = simulated(c, under, build)
			}
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
			if err := c.Context().Err(); err != nil {
				return err
			}
			return atomicfile.Write(out, func(w io.Writer) error { return write(w) })
		},
	}
	deploy.register(c)
	load.register(c)
	spec.register(c)
	prefix.register(c.Flags())
	serve.register(c.Flags())
	costs.register(c)
	c.Flags().StringVar(&format, "format", "html", "html, markdown")
	c.Flags().Lookup("format").DefValue = "what the ending of -o says"
	c.Flags().StringVarP(&out, "output", "o", "", "write to FILE, whole or not at all")
	c.Flags().BoolVar(&reproducible, "reproducible", false, "leave the command line, version and date out, so that the same input makes the same bytes")
	complete(c, "format", func() []string { return []string{"html", "markdown"} })
	return c
}

// commandLine writes a command as one would type it to repeat it: with the flags that were given,
// in the order of their names.
func commandLine(c *cobra.Command, args []string) string {
	words := append(strings.Fields(c.CommandPath()), args...)
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "bool" {
			words = append(words, "--"+f.Name+"="+f.Value.String())
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			for _, v := range list.GetSlice() {
				words = append(words, "--"+f.Name, v)
			}
			return
		}
		words = append(words, "--"+f.Name, f.Value.String())
	})
	for i, w := range words {
		words[i] = quoted(w)
	}
	return strings.Join(words, " ")
}

// quoted puts a word in quotation marks where a shell needs them.
func quoted(w string) string {
	if w != "" && strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=,:+@%") == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
