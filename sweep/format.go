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
)

// Format is how rows are written.
type Format uint8

// The formats. Parquet is made from either by the converter in sweep/parquet.
const (
	CSV Format = iota
	JSONL
)

// FormatOf picks the format by a file's ending.
func FormatOf(path string) (Format, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		return CSV, nil
	case ".jsonl", ".ndjson":
		return JSONL, nil
	}
	return 0, fmt.Errorf("%s: rows are written as .csv or .jsonl", path)
}

// Columns lists a row's columns in order: its number, what varies, the settings people ask
// for though they are fixed, the verdict, the figures.
func (g *Grid) Columns() []string {
	cols := []string{"row"}
	for _, a := range g.Axes {
		cols = append(cols, a.Name)
	}
	for _, n := range []string{"model", "on", "prompt", "generate", "batch", "fidelity"} {
		if !g.varies(n) {
			cols = append(cols, n)
		}
	}
	return append(append(cols, "status", "reason"), figures...)
}

// Column finds the column a name means: the column itself, another spelling of a parameter
// (hardware is on) or a figure's short name (tpot is tpot_seconds).
func Column(name string, columns []string) (string, bool) {
	for _, n := range []string{name, aliases[name], shortNames[name]} {
		if n != "" && slices.Contains(columns, n) {
			return n, true
		}
	}
	return name, false
}

// Header is the first line of a file, "" where the format has none.
func (f Format) Header(g *Grid) string {
	if f == JSONL {
		return ""
	}
	return strings.Join(g.Columns(), ",") + "\n"
}

// encoder writes rows; one for each worker.
type encoder struct {
	f     Format
	g     *Grid
	names [][]byte   // JSON keys, quoted, with their colon
	vals  [][][]byte // axis values as the format writes them
	fixed [][]byte   // values of the fixed columns
	num   []byte
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
			vs = append(vs, f.text(v, params[a.Name].number))
		}
		e.vals = append(e.vals, vs)
	}
	for _, n := range []string{"model", "on", "prompt", "generate", "batch", "fidelity"} {
		if !g.varies(n) {
			e.fixed = append(e.fixed, f.text(g.Fixed[n], params[n].number))
		}
	}
	return e
}

// text quotes a value as the format needs.
func (f Format) text(v string, number bool) []byte {
	if f == CSV {
		if strings.ContainsAny(v, ",\"\n") {
			return []byte(`"` + strings.ReplaceAll(v, `"`, `""`) + `"`)
		}
		return []byte(v)
	}
	if number {
		if _, err := strconv.ParseFloat(v, 64); err == nil {
			return []byte(v)
		}
	}
	b, _ := json.Marshal(v)
	return b
}

func (r *result) status() string {
	switch {
	case !r.priced:
		return "invalid"
	case !r.fits:
		return "does_not_fit"
	}
	return "ok"
}

// row appends a row.
func (e *encoder) row(b *bytes.Buffer, i int, at []int, r *result) {
	col := 0
	put := func(v []byte) {
		if e.f == JSONL {
			if col == 0 {
				b.WriteByte('{')
			} else {
				b.WriteByte(',')
			}
			b.Write(e.names[col])
		} else if col > 0 {
			b.WriteByte(',')
		}
		b.Write(v)
		col++
	}
	e.num = strconv.AppendInt(e.num[:0], int64(i), 10)
	put(e.num)
	for a := range at {
		put(e.vals[a][at[a]])
	}
	for _, v := range e.fixed {
		put(v)
	}
	put(e.f.text(r.status(), false))
	put(e.f.text(oneLine(r.reason), false))
	for k := range r.fig {
		switch {
		case r.priced && r.fig[k] == math.Trunc(r.fig[k]) && r.fig[k] < 1<<53:
			e.num = strconv.AppendInt(e.num[:0], int64(r.fig[k]), 10)
		case r.priced:
			e.num = strconv.AppendFloat(e.num[:0], r.fig[k], 'g', -1, 64)
		case e.f == JSONL:
			e.num = append(e.num[:0], "null"...)
		default:
			e.num = e.num[:0]
		}
		put(e.num)
	}
	if e.f == JSONL {
		b.WriteByte('}')
	}
	b.WriteByte('\n')
}
