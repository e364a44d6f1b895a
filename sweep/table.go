package sweep

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/internal/input"
)

// Table is a list of numbered rows that a File can hold in place of a Grid's. Each row takes long
// and is computed independently of the others, so that any machine can compute a shard of them. A
// row is written to the file as soon as it and all before it are done.
type Table struct {
	ID      string   // identifies the rows: two tables with one ID have the same rows
	Setting []string // columns that say what a row describes
	Figures []string // columns of results, which are numbers
	N       int      // number of rows
	// At returns the values of a row's Setting. Work computes its results: one number for each of
	// Figures, or none and the reason. Several goroutines call Work at once.
	At   func(row int) []string
	Work func(ctx context.Context, row int) (figures []float64, reason string, err error)
}

// rowSource is what a File can hold: a grid or a table.
type rowSource interface {
	Rows() int
	Hash(context.Context) (string, error)
	Columns() []string
	// run writes the rows from … to−1 in order.
	run(ctx context.Context, f Format, w io.Writer, from, to int, progress Progress) (Tally, error)
	// begins returns a function that writes the text with which a row begins.
	begins(f Format) func(b *bytes.Buffer, row int)
	whole() bool  // whether every row must be present
	figured() int // how many figures a row has; 0 for as many as a grid's
}

// source returns the grid or the table of a file.
func (o *File) source() rowSource {
	if o.Table != nil {
		return o.Table
	}
	return o.Grid
}

// head returns the first line of a file with such columns, "" where the format has no header.
func (f Format) head(columns []string) string {
	if f == JSONL {
		return ""
	}
	return strings.Join(columns, ",") + "\n"
}

func (g *Grid) run(ctx context.Context, f Format, w io.Writer, from, to int, progress Progress) (Tally, error) {
	return Run(ctx, g, f, w, from, to, progress)
}

func (g *Grid) begins(f Format) func(b *bytes.Buffer, row int) {
	e, at := f.encoder(g), make([]int, len(g.Axes))
	return func(b *bytes.Buffer, row int) {
		g.place(row, at)
		e.setting(b, row, at)
	}
}

func (g *Grid) whole() bool  { return len(g.Where) == 0 }
func (g *Grid) figured() int { return 0 }

// Rows returns the number of rows.
func (t *Table) Rows() int { return t.N }

// Hash returns the ID of the table.
func (t *Table) Hash(context.Context) (string, error) { return t.ID, nil }

// Columns lists the columns in order.
func (t *Table) Columns() []string {
	out := append([]string{"row"}, t.Setting...)
	return append(append(out, "status", "reason"), t.Figures...)
}

func (t *Table) whole() bool  { return true }
func (t *Table) figured() int { return len(t.Figures) }

// encoder makes an encoder of the table's rows.
func (t *Table) encoder(f Format) *encoder {
	e := &encoder{f: f}
	for _, c := range t.Columns() {
		k, _ := json.Marshal(c)
		e.names = append(e.names, append(k, ':'))
	}
	return e
}

func (t *Table) begins(f Format) func(b *bytes.Buffer, row int) {
	e := t.encoder(f)
	return func(b *bytes.Buffer, row int) { t.setting(e, b, row) }
}

func (t *Table) setting(e *encoder, b *bytes.Buffer, row int) {
	e.col = 0
	e.put(b, strconv.AppendInt(nil, int64(row), 10))
	for _, v := range t.At(row) {
		e.put(b, e.f.text(v))
	}
}

// line writes a row in a format.
func (t *Table) line(f Format, row int, figures []float64, reason string) []byte {
	var b bytes.Buffer
	e := t.encoder(f)
	t.setting(e, &b, row)
	status := "ok"
	if figures == nil {
		status = "invalid"
	}
	e.put(&b, f.text(status))
	e.put(&b, f.text(reason))
	for i := range t.Figures {
		switch {
		case figures == nil && f == JSONL:
			e.put(&b, []byte("null"))
		case figures == nil:
			e.put(&b, nil)
		default:
			v := figures[i]
			if math.IsInf(v, 1) || v > math.MaxFloat64 { // a time without end
				v = math.MaxFloat64
			}
			e.put(&b, strconv.AppendFloat(nil, v, 'g', -1, 64))
		}
	}
	if f == JSONL {
		b.WriteByte('}')
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// run computes rows on all cores and writes each as soon as it and all rows before it are done.
func (t *Table) run(ctx context.Context, f Format, w io.Writer, from, to int, progress Progress) (written Tally, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type work struct {
		done chan struct{}
		line []byte
		Tally
		err error
	}
	order := make(chan *work, runtime.GOMAXPROCS(0)-1) // with the row that is waited for, as many are in work as there are cores
	go func() {
		defer close(order)
		for i := from; i < to; i++ {
			x := &work{done: make(chan struct{})}
			select {
			case order <- x:
			case <-ctx.Done():
				return
			}
			go func() {
				defer close(x.done)
				figures, reason, err := t.Work(ctx, i)
				if x.err = err; err != nil {
					return
				}
				x.line = t.line(f, i, figures, reason)
				x.Tally = Tally{Rows: 1, Priced: 1}
				if figures == nil {
					x.Tally = Tally{Rows: 1, Reason: reason}
				}
			}()
		}
	}()
	for x := range order {
		<-x.done
		if x.err != nil {
			return written, x.err
		}
		if _, err := w.Write(x.line); err != nil {
			return written, err
		}
		written.add(x.Tally)
		if progress != nil {
			progress(written.Rows, to-from)
		}
	}
	return written, ctx.Err()
}

// Read reads a complete file of the table's rows, from one run or merged. It returns the figures
// of each row, nil for a row without figures.
func (t *Table) Read(path string) ([][]float64, error) {
	f, err := FormatOf(path)
	if err != nil {
		return nil, err
	}
	file, err := input.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r, number := lines(file), 0
	next := func() ([]byte, error) {
		number++
		return readLine(r)
	}
	if f == CSV {
		line, err := next()
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s:1: %w", path, err)
		}
		if string(line) != f.head(t.Columns()) {
			return nil, fmt.Errorf("%s:1: its header is not that of this plan's rows (merge shards first: ridgeline sweep merge)", path)
		}
	}
	c := &rowCheck{format: f, columns: t.Columns(), to: t.N, every: true, figured: len(t.Figures), setting: t.begins(f)}
	out := make([][]float64, 0, t.N)
	for {
		line, err := next()
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err == nil || err == io.EOF {
			err = c.line(line)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		var figures []float64
		if c.last.Priced > 0 {
			_, values, _ := fields(f, bytes.TrimSuffix(line, []byte("\n"))) // c.line has already checked the line
			for _, v := range values[len(values)-len(t.Figures):] {
				x, _ := strconv.ParseFloat(v, 64)
				figures = append(figures, x)
			}
		}
		out = append(out, figures)
	}
	if len(out) != t.N {
		return nil, fmt.Errorf("%s has %d rows of %d", path, len(out), t.N)
	}
	return out, nil
}
