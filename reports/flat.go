package reports

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteJSON writes v indented, base units at full precision.
func WriteJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// WriteCSV writes one line a record, with the fields of its JSON form as columns in the
// same order: nested names are joined by dots, lists hold their JSON text, null is empty.
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
			rows[i][name] = value
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

// flatten visits the leaves of a JSON object in order.
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
