package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/internal/atomicfile"
	"github.com/OWNER/ridgeline/internal/input"
	"github.com/OWNER/ridgeline/reports"
	"github.com/OWNER/ridgeline/reports/figure"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/study"
	"github.com/OWNER/ridgeline/sweep"
)

type sweepFlags struct {
	vary, where              []string
	fixed                    map[string]*string
	iso, shard, pareto, best string
	by, out, format          string
	plot, plotOut, plotTheme string
	resume, restart          bool
}

func sweepCommand() *cobra.Command {
	s := &sweepFlags{fixed: map[string]*string{}}
	c := &cobra.Command{
		Use:   "sweep [GRID.yaml]",
		Short: "Price a grid of designs, devices and workloads",
		Long: `Prices every combination of the varied parameters, on all cores, into a .csv, .jsonl or .json file. A
killed run goes on with --resume; --shard i/n splits a grid over machines and sweep merge joins the
shards. Combinations that cannot be are rows with a reason, and so are those beyond a model's
context; a name or number that means nothing stops the sweep before its first row.

Rows stand in the order in which the axes are declared, the last varying fastest: --model and --on
lists, then the file's, then each --vary. A flag wins over the file: it takes the place of the
file's value or axis.

--plot x=NAME,y=NAME,by=NAME draws the rows into --plot-out as ridgeline plot sweep does: lines
along a parameter, points along a figure, a series for each value of by.

Parameters: ` + strings.Join(sweep.ParamNames(), ", ") + `.
Figures (for --where, --pareto, --by): ` + strings.Join(sweep.Figures(), ", ") + `.`,
		Example: `  ridgeline sweep --model 'sambay(d=16)' --vary gmu_ratio=0:1:0.1 --vary batch=1,8,64 -o a.csv
  ridgeline sweep --model phi4-mini,phi4-mini-flash --vary generate=1k:64k:*2 -o b.jsonl
  ridgeline sweep grid.yaml --where 'tpot<=50ms' --pareto tokens_per_second,params -o c.csv
  ridgeline sweep --model phi4-mini-flash --vary on=l4,h200 --vary generate=1k:64k:*2 \
      --plot x=generate,y=tokens_per_second,by=on --plot-out lines.svg
  ridgeline sweep grid.yaml --shard 3/16 -o part3.csv
  ridgeline sweep merge part*.csv -o all.csv`,
		Args: needArgs(0, 1, "at most one grid file"),
		RunE: func(c *cobra.Command, args []string) error { return s.run(c, args) },
	}
	f := c.Flags()
	f.StringArrayVar(&s.vary, "vary", nil, "NAME=LIST, NAME=FROM:TO:STEP or NAME=FROM:TO:*FACTOR (both ends included)")
	f.StringArrayVar(&s.where, "where", nil, "keep rows that meet this: fits, tpot<=50ms, cache<2GB, params≈3.8B (within 5 %)")
	f.StringVar(&s.iso, "iso-params", "", "solve each family's width for this many parameters, such as 3.8B")
	f.StringVar(&s.shard, "shard", "", "i/n: only the i-th of n parts of the grid")
	f.BoolVar(&s.resume, "resume", false, "go on with an unfinished run")
	f.BoolVar(&s.restart, "restart", false, "discard an unfinished run")
	f.StringVar(&s.pareto, "pareto", "", "print the rows no other beats in these figures (comma list; +NAME more is better, -NAME less)")
	f.StringVar(&s.best, "best-per", "", "print the best row for each value of this column")
	f.StringVar(&s.by, "by", "tokens_per_second", "the figure --best-per goes by")
	f.StringVar(&s.format, "format", "table", "of picked rows: table, markdown, csv")
	f.StringVarP(&s.out, "output", "o", "", ".csv, .jsonl or .json file (default: CSV on stdout)")
	f.StringVar(&s.plot, "plot", "", "draw the rows: x=NAME,y=NAME and, for a series for each of its values, by=NAME")
	f.StringVar(&s.plotOut, "plot-out", "", "file to draw --plot into: "+figure.Formats)
	f.StringVar(&s.plotTheme, "plot-theme", "light", "light or dark")
	for _, p := range sweep.ParamNames() {
		s.fixed[p] = f.String(strings.ReplaceAll(p, "_", "-"), "", "fixed value of "+p)
	}
	c.AddCommand(mergeCommand())
	return c
}

// grid reads the file and the flags. Flags go before the file, whichever spelling the file has: a
// value replaces an axis, and an axis replaces a value or, in its place, the file's axis.
func (s *sweepFlags) grid(args []string) (*sweep.Grid, error) {
	g := &sweep.Grid{Fixed: map[string]string{}}
	if len(args) == 1 {
		b, err := input.ReadYAML(args[0])
		if err != nil {
			return nil, err
		}
		if g, err = sweep.ParseYAML(args[0], b); err != nil {
			return nil, err
		}
	}
	if err := s.values(g); err != nil {
		return nil, err
	}
	varied := map[string]bool{}
	for _, v := range s.vary {
		a, err := sweep.ParseAxis(v)
		if err != nil {
			return nil, fmt.Errorf("--%w", err)
		}
		if varied[a.Name] {
			return nil, fmt.Errorf("--vary %s: given twice", a.Name)
		}
		if *s.fixed[a.Name] != "" {
			return nil, fmt.Errorf("--%s and --vary %s: give one of them", strings.ReplaceAll(a.Name, "_", "-"), a.Name)
		}
		varied[a.Name] = true
		if err := g.Vary(a, false); err != nil {
			return nil, err
		}
	}
	for _, w := range s.where {
		x, err := sweep.ParseConstraint(w)
		if err != nil {
			return nil, fmt.Errorf("--%w", err)
		}
		g.Where = append(g.Where, x)
	}
	if s.iso != "" {
		var err error
		if g.IsoParams, err = sweep.ParseParamTarget(s.iso); err != nil {
			return nil, fmt.Errorf("--iso-params: %w", err)
		}
	}
	return g, g.Normalise()
}

// values sets the parameters that have flags of their own. A list, where a parameter can have
// one, becomes an axis: in place of the file's axis, otherwise before the others, models first.
func (s *sweepFlags) values(g *sweep.Grid) error {
	var lead []sweep.Axis
	for _, name := range sweep.ParamNames() {
		v := *s.fixed[name]
		if v == "" {
			continue
		}
		if slices.Contains(sweep.Lists(), name) && strings.Contains(v, ",") {
			a, err := sweep.ParseAxis(name + "=" + v)
			if err != nil {
				return fmt.Errorf("--%s: %w", name, errors.Unwrap(err))
			}
			if len(a.Values) > 1 {
				lead = append(lead, a)
				continue
			}
		}
		if err := g.Fix(name, v); err != nil {
			return err
		}
	}
	for _, name := range slices.Backward(sweep.Lists()) {
		for _, a := range lead {
			if a.Name == name {
				if err := g.Vary(a, true); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *sweepFlags) run(c *cobra.Command, args []string) (err error) {
	g, err := s.grid(args)
	if err != nil {
		return err
	}
	file := &sweep.File{Path: s.out, Grid: g, Resume: s.resume, Restart: s.restart,
		Note: func(text string) { warn(c.ErrOrStderr(), "%s", text) }}
	if file.Shard, file.Of, err = parseShard(s.shard); err != nil {
		return err
	}
	if !slices.Contains([]string{"table", "markdown", "csv"}, s.format) {
		return fmt.Errorf("--format %q is not one of table, markdown, csv", s.format)
	}
	front, best, err := s.after()
	if err != nil {
		return err
	}
	for _, o := range slices.Concat(front, best) {
		if !slices.Contains(g.Columns(), o.Figure) {
			return fmt.Errorf("%s is a figure of a simulated load: name an engine, as in --simulate %s", o.Figure, serving.DefaultEngine)
		}
	}
	if s.out == "" && (s.shard != "" || s.resume || s.restart) {
		return errors.New("--shard, --resume and --restart need a file: give -o FILE")
	}
	plot, err := s.figure(g)
	if err != nil {
		return err
	}
	bar, clear := progress(c.ErrOrStderr(), "rows")
	defer clear()
	if s.out == "" {
		if front == nil && best == nil && plot == nil {
			return s.stream(c, g, bar)
		}
		dir, err := os.MkdirTemp("", "ridgeline")
		if err != nil {
			return failure{fmt.Errorf("no folder for the rows until they are picked from: %w: set TMPDIR, or keep the rows with -o", err)}
		}
		defer os.RemoveAll(dir)
		file.Path = filepath.Join(dir, "rows.csv")
	}
	file.Progress = bar
	rows, err := file.Run(c.Context())
	clear()
	if err := unfinished(err, rows, s.out); err != nil {
		return err
	}
	if s.out != "" {
		fmt.Fprintf(c.ErrOrStderr(), "%d rows in %s\n", rows.Rows, s.out)
	}
	nonePriced(c, rows)
	beyondContext(c, rows)
	if plot != nil {
		if err := plot(file.Path); err != nil {
			return failure{err}
		}
	}
	return s.pick(c, g, file.Path, front, best)
}

// unfinished says what to do about rows of a run that did not finish; nil where the run finished.
func unfinished(err error, rows sweep.Tally, out string) error {
	var unwritten *atomicfile.WriteError
	var standing *sweep.PartialError
	switch {
	case errors.As(err, &standing) && standing.Resumable:
		return fmt.Errorf("%w: --resume takes it up, --restart begins again", err)
	case errors.As(err, &standing):
		return fmt.Errorf("%w: --restart begins again", err)
	case errors.Is(err, context.Canceled) && out == "":
		return failure{fmt.Errorf("stopped after %d rows, which are gone: give -o FILE to keep them", rows.Rows)}
	case errors.Is(err, context.Canceled) && !exists(out+".partial"):
		return failure{errors.New("stopped before the first row")}
	case errors.Is(err, context.Canceled):
		return failure{fmt.Errorf("stopped after %d rows: --resume goes on from %s.partial", rows.Rows, out)}
	case errors.As(err, &unwritten):
		return failure{err}
	}
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// figure checks what --plot asks for before any work is done. It returns a function that draws
// the rows of a file, nil where nothing is to be drawn.
func (s *sweepFlags) figure(g *sweep.Grid) (func(rows string) error, error) {
	if s.plot == "" {
		if s.plotOut != "" {
			return nil, errors.New("--plot-out: say what to draw with --plot x=NAME,y=NAME")
		}
		return nil, nil
	}
	r, err := study.ParseRows(s.plot)
	if err != nil {
		return nil, fmt.Errorf("--plot %w", err)
	}
	if r, err = r.Of(g); err != nil {
		return nil, fmt.Errorf("--plot: %w", err)
	}
	if s.shard != "" {
		return nil, errors.New("--plot would draw a part of the grid: sweep merge the shards, then ridgeline plot sweep --from")
	}
	theme, err := figure.ParseTheme(s.plotTheme)
	if err != nil {
		return nil, fmt.Errorf("--plot-%w", err)
	}
	if s.plotOut == "" {
		return nil, fmt.Errorf("--plot: give --plot-out FILE (%s)", figure.Formats)
	}
	if err := figure.Supported(s.plotOut); err != nil {
		return nil, fmt.Errorf("--plot-out: %w", err)
	}
	if err := writable(s.plotOut); err != nil {
		return nil, fmt.Errorf("--plot-out: %w", err)
	}
	return func(rows string) error {
		chart, err := study.Sweep(rows, r)
		if err != nil {
			return err
		}
		f := figure.New(chart, figure.Options{})
		return atomicfile.Write(s.plotOut, func(w io.Writer) error { return f.Write(w, s.plotOut, theme) })
	}, nil
}

// stream writes all rows to stdout. Where no row meets the constraints, it writes nothing.
func (s *sweepFlags) stream(c *cobra.Command, g *sweep.Grid, bar sweep.Progress) error {
	w := &lateHeader{w: c.OutOrStdout(), head: sweep.CSV.Header(g)}
	n, err := sweep.Run(c.Context(), g, sweep.CSV, w, 0, g.Rows(), bar)
	if err != nil {
		return failure{err}
	}
	if n.Rows == 0 {
		return sweep.ErrNoRows
	}
	nonePriced(c, n)
	beyondContext(c, n)
	return nil
}

// nonePriced warns where no row has figures.
func nonePriced(c *cobra.Command, rows sweep.Tally) {
	if rows.Rows > 0 && rows.Priced == 0 {
		warn(c.ErrOrStderr(), "no row could be priced: %s", rows.Reason)
	}
}

// beyondContext warns of rows whose sequences are longer than their model was made for.
func beyondContext(c *cobra.Command, rows sweep.Tally) {
	if rows.Beyond > 0 {
		warn(c.ErrOrStderr(), "%d of %d rows are of sequences longer than their model is made for (%s)", rows.Beyond, rows.Rows, rows.BeyondWhy)
	}
}

type lateHeader struct {
	w    io.Writer
	head string
}

func (l *lateHeader) Write(b []byte) (int, error) {
	if l.head != "" {
		if _, err := io.WriteString(l.w, l.head); err != nil {
			return 0, err
		}
		l.head = ""
	}
	return l.w.Write(b)
}

// after reads, before any work is done, what is to be picked from the rows.
func (s *sweepFlags) after() (front, best []sweep.Objective, err error) {
	if s.pareto != "" {
		if front, err = sweep.ParseObjectives(s.pareto); err != nil {
			return nil, nil, fmt.Errorf("--pareto: %w", err)
		}
	}
	if s.best != "" {
		if best, err = sweep.ParseObjectives(s.by); err != nil || len(best) != 1 {
			return nil, nil, fmt.Errorf("--by %q: one figure is needed", s.by)
		}
	}
	return front, best, nil
}

// pick prints the Pareto front and the best row of each group.
func (s *sweepFlags) pick(c *cobra.Command, g *sweep.Grid, path string, front, best []sweep.Objective) error {
	if front != nil {
		rows, err := sweep.Pareto(path, front)
		if err != nil {
			return failure{err}
		}
		if err := s.print(c, g, rows, front); err != nil {
			return err
		}
	}
	if best != nil {
		rows, err := sweep.BestPer(path, s.best, best[0])
		if err != nil {
			return err
		}
		return s.print(c, g, rows, best)
	}
	return nil
}

// print writes rows that were picked: all of their columns as CSV, or a table of what varies, of
// the figures by which they were picked, and of the figures that people ask for most.
func (s *sweepFlags) print(c *cobra.Command, g *sweep.Grid, rows []sweep.Row, obj []sweep.Objective) error {
	if len(rows) == 0 {
		return failure{errors.New("no row fits its device: nothing to pick from")}
	}
	if s.format == "csv" {
		w := csv.NewWriter(c.OutOrStdout())
		if err := w.Write(rows[0].Columns); err != nil {
			return failure{err}
		}
		for _, r := range rows {
			if err := w.Write(r.Values); err != nil {
				return failure{err}
			}
		}
		w.Flush()
		return w.Error()
	}
	t := &reports.Table{Turn: true, Columns: []reports.Column{{Name: "row"}}}
	names := []string{"row"}
	for _, a := range g.Axes {
		names = append(names, a.Name)
		t.Columns = append(t.Columns, reports.Column{Name: a.Name, Left: true})
	}
	for _, f := range append(obj, sweep.Objective{Figure: "tokens_per_second"}, sweep.Objective{Figure: "tpot_seconds"}, sweep.Objective{Figure: "max_batch"}) {
		if !slices.Contains(names, f.Figure) {
			names = append(names, f.Figure)
			name, unit := f.Figure, sweep.Unit(f.Figure)
			switch unit {
			case "s":
				name = strings.TrimSuffix(name, "_seconds")
			case "B":
				name = strings.TrimSuffix(name, "_bytes")
			}
			t.Columns = append(t.Columns, reports.Column{Name: strings.ReplaceAll(name, "_", "\n"), Unit: unit, Scale: f.Figure != "max_batch"})
		}
	}
	for _, r := range rows {
		var cells []reports.Cell
		for i, n := range names {
			v := r.Get(n)
			if x, err := strconv.ParseFloat(v, 64); err == nil && i > len(g.Axes) {
				cells = append(cells, reports.Num(x))
			} else {
				cells = append(cells, reports.Txt(v))
			}
		}
		t.Add(cells...)
	}
	if s.format == "markdown" {
		return t.Markdown(c.OutOrStdout())
	}
	return t.TextWidth(c.OutOrStdout(), columns(c.OutOrStdout()))
}

func mergeCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:     "merge SHARD…",
		Short:   "Join the shards of one grid; refuses gaps, overlaps and shards of another grid",
		Example: `  ridgeline sweep merge part*.csv -o all.csv`,
		Args:    needArgs(1, -1, "the shards"),
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return sweep.Merge(c.Context(), c.OutOrStdout(), args)
			}
			if _, err := sweep.FormatOf(args[0]); err != nil {
				return fmt.Errorf("merge: %w", err)
			}
			if ext := filepath.Ext(args[0]); filepath.Ext(out) != ext {
				return fmt.Errorf("-o %s: shards that end in %s merge into a file that does: rows stay as they are", out, ext)
			}
			return atomicfile.Write(out, func(w io.Writer) error { return sweep.Merge(c.Context(), w, args) })
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "write to FILE, whole or not at all")
	return c
}
