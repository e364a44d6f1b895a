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

// Table is numbered rows that a File can hold beside those of a Grid. Each is worked out by
// itself, so that shards of it can be, on any machine, and takes long: every row is in the file
// as soon as it is done.
type Table struct {
	ID      string   // of what the rows are of: equal where all rows are
	Setting []string // columns that say what a row is
	Figures []string // columns of what comes of it, numbers
	N       int      // rows
	// At is what a row is, and Work what comes of it: a number for each figure, or none and the
	// reason. Work is called by several goroutines at once.
	At   func(row int) []string
	Work func(ctx context.Context, row int) (figures []float64, reason string, err error)
}

// rowSource is what a File holds.
type rowSource interface {
	Rows() int
	Hash(context.Context) (string, error)
	Columns() []string
	// run writes the rows from … to−1 in order.
	run(ctx context.Context, f Format, w io.Writer, from, to int, progress Progress) (Tally, error)
	// begins returns what writes what a row begins with.
	begins(f Format) func(b *bytes.Buffer, row int)
	whole() bool  // no row may be missing
	figured() int // figures of a row; 0 is as a grid's
}

// source is what the file holds.
func (o *File) source() rowSource {
	if o.Table != nil {
		return o.Table
	}
	return o.Grid
}

// head is the first line of a file with such columns, "" where the format has none.
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

// Rows is how many there are.
func (t *Table) Rows() int { return t.N }

// Hash identifies the rows.
func (t *Table) Hash(context.Context) (string, error) { return t.ID, nil }

// Columns lists the columns in order.
func (t *Table) Columns() []string {
	out := append([]string{"row"}, t.Setting...)
	return append(append(out, "status", "reason"), t.Figures...)
}

func (t *Table) whole() bool  { return true }
func (t *Table) figured() int { return len(t.Figures) }

// encoder writes a row's values.
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

// line is a row as the format writes it.
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
			if math.IsInf(v, 1) || v > math.MaxFloat64 { // what never ends
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

// run works rows on all cores and writes each when it and all before it are done.
func (t *Table) run(ctx context.Context, f Format, w io.Writer, from, to int, progress Progress) (written Tally, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type work struct {
		done chan struct{}
		line []byte
		Tally
		err error
	}
	order := make(chan *work, runtime.GOMAXPROCS(0)-1) // with the one that is waited for, as many as cores
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

// Read reads a whole file of the table's rows, merged or of one run: the figures of each, nil where
// a row has none.
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
			_, values, _ := fields(f, bytes.TrimSuffix(line, []byte("\n"))) // c.line has read it
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
