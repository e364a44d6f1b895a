// Command parquet turns the rows of a sweep into Parquet. It is a module of its own so
// that ridgeline itself stays light:
//
//	cd sweep/parquet && go run . ROWS.csv ROWS.parquet
package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"github.com/OWNER/ridgeline/internal/atomicfile"
	"github.com/OWNER/ridgeline/sweep"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "parquet:", err)
		os.Exit(2)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("give ROWS.csv (or .jsonl) and ROWS.parquet")
	}
	cols, err := columns(args[0])
	if err != nil {
		return err
	}
	return atomicfile.Write(args[1], func(w io.Writer) error { return convert(w, args[0], cols) })
}

type column struct {
	name string
	kind kind
}

type kind uint8

const (
	integer kind = iota
	number
	text
)

// columns reads the file once to find what each column holds: whole numbers, numbers or
// text. Empty cells are nulls and decide nothing.
func columns(path string) ([]column, error) {
	var cols []column
	err := sweep.Read(path, func(r sweep.Row) error {
		if cols == nil {
			for _, n := range r.Columns {
				cols = append(cols, column{name: n})
			}
		}
		for i, v := range r.Values {
			if v != "" {
				cols[i].kind = max(cols[i].kind, kindOf(v))
			}
		}
		return nil
	})
	if err == nil && cols == nil {
		err = fmt.Errorf("%s has no rows", path)
	}
	return cols, err
}

func kindOf(v string) kind {
	if _, err := strconv.ParseInt(v, 10, 64); err == nil {
		return integer
	}
	if f, err := strconv.ParseFloat(v, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
		return number
	}
	return text
}

// convert writes the rows in groups, so that memory does not grow with the file.
func convert(w io.Writer, path string, cols []column) error {
	group := parquet.Group{}
	for _, c := range cols {
		var n parquet.Node
		switch c.kind {
		case integer:
			n = parquet.Int(64)
		case number:
			n = parquet.Leaf(parquet.DoubleType)
		default:
			n = parquet.String()
		}
		group[c.name] = parquet.Compressed(parquet.Optional(n), &parquet.Zstd)
	}
	schema := parquet.NewSchema("sweep", group)
	// A group's columns are ordered by name.
	at := map[string]int{}
	for i, p := range schema.Columns() {
		at[p[0]] = i
	}
	pw := parquet.NewGenericWriter[any](w, schema, parquet.MaxRowsPerRowGroup(100_000))
	row := make(parquet.Row, len(cols))
	err := sweep.Read(path, func(r sweep.Row) error {
		if len(r.Values) != len(cols) {
			return fmt.Errorf("%s has changed meanwhile", path)
		}
		for i, c := range cols {
			v, err := value(c.kind, r.Values[i])
			if err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
			level := 1
			if v.IsNull() {
				level = 0
			}
			row[at[c.name]] = v.Level(0, level, at[c.name])
		}
		_, err := pw.WriteRows([]parquet.Row{row})
		return err
	})
	return errors.Join(err, pw.Close())
}

func value(k kind, s string) (parquet.Value, error) {
	if s == "" {
		return parquet.NullValue(), nil
	}
	switch k {
	case integer:
		n, err := strconv.ParseInt(s, 10, 64)
		return parquet.Int64Value(n), err
	case number:
		f, err := strconv.ParseFloat(s, 64)
		return parquet.DoubleValue(f), err
	}
	return parquet.ByteArrayValue([]byte(s)), nil
}
