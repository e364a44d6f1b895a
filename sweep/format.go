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

// Format is how rows are written.
type Format uint8

// The formats. Parquet is made from either by the converter in sweep/parquet.
const (
	CSV Format = iota
	JSONL
)

// isArray reports whether a file holds its rows as one JSON array: a line for each of them
// between one that opens and one that closes it.
func isArray(path string) bool { return strings.EqualFold(filepath.Ext(path), ".json") }

// FormatOf picks the format of a file's rows by its ending.
func FormatOf(path string) (Format, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		return CSV, nil
	case ".jsonl", ".ndjson", ".json":
		return JSONL, nil
	}
	return 0, fmt.Errorf("%s: rows are kept in files that end in .csv, .jsonl or .json", path)
}

// Columns lists a row's columns in order: its number, what varies, the settings people ask
// for though they are fixed, the verdict, the figures.
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

// Column finds the column a name means: the column itself, another spelling of a parameter
// (hardware is on) or a figure's short name (tpot is tpot_seconds).
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

// Header is the first line of a file, "" where the format has none.
func (f Format) Header(g *Grid) string {
	return f.head(g.Columns())
}

// encoder writes rows; one for each worker.
type encoder struct {
	f     Format
	g     *Grid
	names [][]byte   // JSON keys, quoted, with their colon
	vals  [][][]byte // axis values as the format writes them
	fixed [][]byte   // values of the fixed columns
	// usual is, where the grid names no fidelity, that of each device of the axis on, and of
	// the only device where it does not vary: a column after the fixed ones.
	usual [][]byte
	on    int // the axis of devices, -1 where there is one device
	num   []byte
	col   int // of the row being written
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

// value writes a parameter's value as the format has it.
func (f Format) value(parameter, v string) []byte {
	if p, err := parameterOf(parameter); f == JSONL && err == nil && p.kind != text {
		if _, err := strconv.ParseFloat(v, 64); err == nil {
			return []byte(v)
		}
	}
	return f.text(v)
}

// text quotes a text as the format needs.
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

// setting appends what a row begins with, whatever its price: its number and the values of
// its parameters. No other row begins so.
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
	case len(e.usual) == 0: // it varies
	case e.on >= 0:
		e.put(b, e.usual[at[e.on]])
	default:
		e.put(b, e.usual[0])
	}
}

// row appends a row.
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
