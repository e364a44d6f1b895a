package sweep

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/internal/plain"
)

// Format is the format of a file of rows.
type Format uint8

// The formats of rows. The converter in sweep/parquet makes Parquet files from both.
const (
	CSV Format = iota
	JSONL
)

// isArray reports whether a file holds its rows as one JSON array: a line with [, one line for
// each row, and a line with ].
func isArray(path string) bool { return strings.EqualFold(filepath.Ext(path), ".json") }

// FormatOf returns the format that the ending of a file's name stands for.
func FormatOf(path string) (Format, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		return CSV, nil
	case ".jsonl", ".ndjson", ".json":
		return JSONL, nil
	}
	return 0, fmt.Errorf("%s: rows are kept in files that end in .csv, .jsonl or .json", path)
}

// Columns lists the columns of a row in order: its number, the parameters that vary, the settings
// that readers need though they are fixed, the verdict, and the figures.
func (g *Grid) Columns() []string {
	cols := []string{"row"}
	for _, a := range g.Axes {
		cols = append(cols, a.Name)
	}
	for _, n := range shown {
		if !g.varies(n) {
			cols = append(cols, n)
		}
	}
	return append(append(cols, "status", "reason"), Figures()[:g.figures()]...)
}

// Column finds the column that a name means: the column itself, another spelling of a parameter
// (hardware for on) or a figure's short name (tpot for tpot_seconds).
func Column(name string, columns []string) (string, bool) {
	names := []string{name}
	if p, err := parameterOf(name); err == nil {
		names = append(names, p.name)
	}
	if i, err := figureOf(name); err == nil {
		names = append(names, figures[i].name)
	}
	for _, n := range names {
		if slices.Contains(columns, n) {
			return n, true
		}
	}
	return name, false
}

// Header returns the first line of a file, "" where the format has no header.
func (f Format) Header(g *Grid) string {
	return f.head(g.Columns())
}

// encoder writes rows; each worker has its own.
type encoder struct {
	f     Format
	g     *Grid
	names [][]byte   // JSON keys, quoted, with their colon
	vals  [][][]byte // values of each axis as the format writes them
	fixed [][]byte   // values of the fixed columns
	// usual holds the fidelity of each device where the grid names none, and of the only device
	// where the device does not vary. It is written in a column after the fixed ones.
	usual [][]byte
	on    int // the axis of devices, -1 where the device does not vary
	num   []byte
	col   int // column of the value to be written next
}

func (f Format) encoder(g *Grid) *encoder {
	e := &encoder{f: f, g: g}
	for _, c := range g.Columns() {
		k, _ := json.Marshal(c)
		e.names = append(e.names, append(k, ':'))
	}
	for _, a := range g.Axes {
		var vs [][]byte
		for _, v := range a.Values {
			vs = append(vs, f.value(a.Name, v))
		}
		e.vals = append(e.vals, vs)
	}
	for _, n := range shown {
		if !g.varies(n) && n != "fidelity" {
			e.fixed = append(e.fixed, f.value(n, g.Fixed[n]))
		}
	}
	if g.varies("fidelity") {
		return e
	}
	devices := []set{g.fixed["on"]}
	e.on = slices.IndexFunc(g.Axes, func(a Axis) bool { return a.Name == "on" })
	if e.on >= 0 {
		devices = g.varied[e.on]
	}
	for _, to := range devices {
		name := g.Fixed["fidelity"]
		if name == "" {
			var p point
			to(&p)
			name = costmodel.UsualOn(p.device, nil).String()
		}
		e.usual = append(e.usual, f.value("fidelity", name))
	}
	return e
}

// value writes a parameter's value as the format requires.
func (f Format) value(parameter, v string) []byte {
	if p, err := parameterOf(parameter); f == JSONL && err == nil && p.kind != text {
		if _, err := strconv.ParseFloat(v, 64); err == nil {
			return []byte(v)
		}
	}
	return f.text(v)
}

// text quotes a text as the format requires.
func (f Format) text(v string) []byte {
	if f == CSV {
		v = plain.Cell(v)
		if strings.ContainsAny(v, ",\"\n\r") {
			return []byte(`"` + strings.ReplaceAll(v, `"`, `""`) + `"`)
		}
		return []byte(v)
	}
	b, _ := json.Marshal(v)
	return b
}

// put appends the next value of a row.
func (e *encoder) put(b *bytes.Buffer, v []byte) {
	switch {
	case e.f == JSONL && e.col == 0:
		b.WriteByte('{')
	case e.col > 0:
		b.WriteByte(',')
	}
	if e.f == JSONL {
		b.Write(e.names[e.col])
	}
	b.Write(v)
	e.col++
}

// setting appends the part of a row that does not depend on its price: the row's number and the
// values of its parameters. No other row begins the same way.
func (e *encoder) setting(b *bytes.Buffer, i int, at []int) {
	e.col = 0
	e.num = strconv.AppendInt(e.num[:0], int64(i), 10)
	e.put(b, e.num)
	for a := range at {
		e.put(b, e.vals[a][at[a]])
	}
	for _, v := range e.fixed {
		e.put(b, v)
	}
	switch {
	case len(e.usual) == 0: // the fidelity varies and has a column already
	case e.on >= 0:
		e.put(b, e.usual[at[e.on]])
	default:
		e.put(b, e.usual[0])
	}
}

// row appends a whole row.
func (e *encoder) row(b *bytes.Buffer, i int, at []int, r *result) {
	e.setting(b, i, at)
	e.put(b, e.f.text(r.status()))
	e.put(b, e.f.text(r.reason))
	for _, v := range r.fig[:e.g.figures()] {
		switch {
		case r.priced && v == math.Trunc(v) && v < 1<<53:
			e.num = strconv.AppendInt(e.num[:0], int64(v), 10)
		case r.priced:
			e.num = strconv.AppendFloat(e.num[:0], v, 'g', -1, 64)
		case e.f == JSONL:
			e.num = append(e.num[:0], "null"...)
		default:
			e.num = e.num[:0]
		}
		e.put(b, e.num)
	}
	if e.f == JSONL {
		b.WriteByte('}')
	}
	b.WriteByte('\n')
}
