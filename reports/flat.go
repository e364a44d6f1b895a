package reports

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/OWNER/ridgeline/internal/plain"
)

// WriteCSV writes one line for each record. The columns are the fields of the record's JSON form
// in the same order: names of nested fields are joined by dots, a list is written as its JSON
// text, and null as nothing.
func WriteCSV[T any](w io.Writer, records []T) error {
	var header []string
	index := map[string]int{}
	rows := make([]map[string]string, len(records))
	for i, r := range records {
		data, err := json.Marshal(r)
		if err != nil {
			return err
		}
		rows[i] = map[string]string{}
		err = flatten(data, "", func(name, value string) {
			if _, ok := index[name]; !ok {
				index[name] = len(header)
				header = append(header, name)
			}
			rows[i][name] = plain.Cell(value)
		})
		if err != nil {
			return err
		}
	}
	out := csv.NewWriter(w)
	_ = out.Write(header)
	for _, r := range rows {
		line := make([]string, len(header))
		for name, v := range r {
			line[index[name]] = v
		}
		_ = out.Write(line)
	}
	out.Flush()
	return out.Error()
}

// flatten calls visit for each value of a JSON object that is not itself an object, in order.
func flatten(data []byte, prefix string, visit func(name, value string)) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("reports: CSV records must be objects, found %.20s", data)
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		name := prefix + t.(string)
		switch raw[0] {
		case '{':
			if err := flatten(raw, name+".", visit); err != nil {
				return err
			}
		case '"':
			var s string
			if err := json.Unmarshal(raw, &s); err != nil {
				return err
			}
			visit(name, s)
		default:
			visit(name, strings.TrimPrefix(string(raw), "null"))
		}
	}
	return nil
}

// OperationRow is an operation of one of several models: one line of CSV.
type OperationRow struct {
	Model     string  `json:"model"`
	Operation string  `json:"operation"`
	Detail    string  `json:"detail"`
	Class     string  `json:"class"`
	Layers    int     `json:"layers"`
	Seconds   float64 `json:"seconds"`
	Share     float64 `json:"share"`
	FLOPs     float64 `json:"flops"`
	Bytes     float64 `json:"bytes"`
	Intensity float64 `json:"flops_per_byte"`
	Ridge     float64 `json:"ridge_flops_per_byte"`
	Bound     string  `json:"bound"`
}

// Operations lists the operations of several estimates, those of each with the slowest first.
func Operations(es []EstimateJSON) []OperationRow {
	var out []OperationRow
	for _, e := range es {
		from := len(out)
		for _, o := range e.Breakdown {
			out = append(out, OperationRow{e.Model, o.Operation, o.Detail, o.Class, o.Layers, o.Seconds, o.Share,
				o.FLOPs, o.Bytes, o.Intensity, o.Ridge, o.Bound})
		}
		part := out[from:]
		sort.SliceStable(part, func(i, j int) bool { return part[i].Seconds > part[j].Seconds })
	}
	return out
}
