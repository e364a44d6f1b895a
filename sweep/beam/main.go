// Command beam prices a grid, or simulates the deployments of a plan, on Apache Beam: locally on the prism runner that comes with
// Beam's Go SDK, or on a cluster through a runner such as Flink's or Dataflow's. What it
// writes is to the byte what one run of ridgeline sweep, or of ridgeline plan --rows, writes. It is a module of its own so
// that ridgeline itself stays light:
//
//	cd sweep/beam && go run . --grid GRID.yaml --output ROWS.csv
//	cd sweep/beam && go run . --output ROWS.csv -- plan MODEL… --on DEVICE:COUNT …
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/local"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/universal"

	"github.com/OWNER/ridgeline/sweep"
)

func init() { // Beam finds what workers run by its registration
	register.DoFn3x1[context.Context, part, func(piece), error](&priceRows{})
	register.Emitter1[piece]()
	register.DoFn3x1[context.Context, int, func(*piece) bool, error](&writeRows{})
	register.Iter1[piece]()
}

// part is a range of a grid's rows, the last not included.
type part struct{ From, To int }

// piece is the rows of a part as the file has them.
type piece struct {
	From, To int
	Rows     []byte
	Count    int // that met the grid's constraints
}

// priceRows prices the rows of parts.
type priceRows struct {
	Name   string
	Grid   []byte // YAML
	Hash   string // of the grid where the pipeline was made: what it prices must be the same here
	Output string // its ending says the format

	grid   *sweep.Grid
	format sweep.Format
}

// Setup reads the grid once for each worker.
func (p *priceRows) Setup(ctx context.Context) (err error) {
	if p.grid, err = readGrid(p.Name, p.Grid); err != nil {
		return err
	}
	if p.format, err = sweep.FormatOf(p.Output); err != nil {
		return err
	}
	h, err := p.grid.Hash(ctx)
	if err == nil && h != p.Hash {
		err = fmt.Errorf("%s gives other prices on this worker: other models, devices or another ridgeline", p.Name)
	}
	return err
}

// ProcessElement prices one part.
func (p *priceRows) ProcessElement(ctx context.Context, r part, emit func(piece)) error {
	var rows bytes.Buffer
	n, err := sweep.Run(ctx, p.grid, p.format, &rows, r.From, r.To, nil)
	if err != nil {
		return err
	}
	emit(piece{r.From, r.To, rows.Bytes(), n.Rows})
	return nil
}

// writeRows puts all pieces in order and writes them as one file.
type writeRows struct {
	Output, Header string
	Rows           int // of the whole grid
}

// ProcessElement writes the pieces of the one key there is.
func (w *writeRows) ProcessElement(ctx context.Context, _ int, next func(*piece) bool) error {
	var all []piece
	var p piece
	for next(&p) {
		all = append(all, p)
		p = piece{}
	}
	slices.SortFunc(all, func(a, b piece) int { return a.From - b.From })
	at, rows := 0, 0
	for _, p := range all {
		if p.From != at {
			return fmt.Errorf("rows %d to %d %s", at, p.From-1, map[bool]string{true: "arrived twice", false: "never arrived"}[p.From < at])
		}
		at, rows = p.To, rows+p.Count
	}
	if at != w.Rows {
		return fmt.Errorf("rows %d to %d never arrived", at, w.Rows-1)
	}
	if rows == 0 {
		return sweep.ErrNoRows
	}
	parts := [][]byte{[]byte(w.Header)}
	for _, p := range all {
		parts = append(parts, p.Rows)
	}
	return write(ctx, w.Output, parts)
}

// write writes a file under another name first, so that it is whole or absent.
func write(ctx context.Context, path string, parts [][]byte) error {
	fs, err := filesystem.New(ctx, path)
	if err != nil {
		return err
	}
	defer fs.Close()
	partial := path + ".partial"
	out, err := fs.OpenWrite(ctx, partial)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err == nil {
			_, err = out.Write(p)
		}
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return filesystem.Rename(ctx, fs, partial, path)
}

func readGrid(name string, yaml []byte) (*sweep.Grid, error) {
	g, err := sweep.ParseYAML(name, yaml)
	if err != nil {
		return nil, err
	}
	return g, g.Normalise()
}

// pipeline prices a grid in parts of so many rows.
func pipeline(ctx context.Context, name string, yaml []byte, output string, rows int) (*beam.Pipeline, error) {
	if strings.HasSuffix(strings.ToLower(output), ".json") {
		return nil, fmt.Errorf("%s: rows are written to a .csv or .jsonl file", output)
	}
	format, err := sweep.FormatOf(output)
	if err != nil {
		return nil, err
	}
	if rows < 1 {
		return nil, fmt.Errorf("--part-rows %d: must be 1 or more", rows)
	}
	g, err := readGrid(name, yaml)
	if err != nil {
		return nil, err
	}
	hash, err := g.Hash(ctx)
	if err != nil {
		return nil, err
	}
	var parts []part
	for from := 0; from < g.Rows(); from += rows {
		parts = append(parts, part{from, min(from+rows, g.Rows())})
	}
	p, s := beam.NewPipelineWithRoot()
	spread := beam.Reshuffle(s, beam.CreateList(s, parts))
	pieces := beam.ParDo(s, &priceRows{Name: name, Grid: yaml, Hash: hash, Output: output}, spread)
	grouped := beam.GroupByKey(s, beam.AddFixedKey(s, pieces))
	beam.ParDo0(s, &writeRows{Output: output, Header: format.Header(g), Rows: g.Rows()}, grouped)
	return p, nil
}

func main() {
	grid := flag.String("grid", "", "the grid, a YAML file as ridgeline sweep takes it")
	output := flag.String("output", "", "the file to write, .csv or .jsonl")
	rows := flag.Int("part-rows", 4096, "rows of a unit of work")
	parts := flag.Int("parts", 16, "of a plan: parts that are worked by themselves")
	program := flag.String("program", "ridgeline", "of a plan: ridgeline on every worker")
	runner := flag.String("runner", "prism", "prism, in this process; universal: any Beam job service, named by --endpoint (Flink, Spark)")
	flag.Parse()
	beam.Init() // a worker of a cluster stays in here
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var p *beam.Pipeline
	var err error
	switch {
	case *output == "" || (*grid == "") == (flag.NArg() == 0):
		err = errors.New("give --output ROWS.csv, and --grid GRID.yaml or, behind --, a plan")
	case *grid == "":
		p, err = planPipeline(*program, flag.Args(), *output, *parts)
	default:
		p, err = gridPipeline(ctx, *grid, *output, *rows)
	}
	if err == nil {
		err = run(ctx, p, *runner)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "beam:", strings.Join(strings.Fields(err.Error()), " "))
		if ctx.Err() != nil {
			os.Exit(130)
		}
		os.Exit(2)
	}
}

func gridPipeline(ctx context.Context, grid, output string, rows int) (*beam.Pipeline, error) {
	yaml, err := os.ReadFile(grid)
	if err != nil {
		return nil, err
	}
	return pipeline(ctx, grid, yaml, output, rows)
}

func run(ctx context.Context, p *beam.Pipeline, runner string) (err error) {
	switch runner {
	case "prism":
		_, err = prism.Execute(ctx, p)
	case "universal":
		_, err = universal.Execute(ctx, p)
	default:
		err = fmt.Errorf("--runner %s: want prism or universal", runner)
	}
	return err
}
