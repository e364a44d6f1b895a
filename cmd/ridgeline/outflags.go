package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/internal/atomicfile"
	"github.com/OWNER/ridgeline/reports"
)

// outFlags say in which format and where to a result is written.
type outFlags struct {
	format, file string
	extra        []string // formats other than table, markdown, csv and json
	asked        func() bool
	artefact     bool // whether the file holds YAML that the verb makes, and not the result that it prints
}

// endings are the formats that the ending of a file's name asks for.
var endings = map[string]string{".html": "html", ".htm": "html", ".txt": "table", ".md": "markdown", ".markdown": "markdown", ".csv": "csv", ".json": "json", ".yaml": "yaml", ".yml": "yaml"}

func (o *outFlags) formats() []string {
	return append([]string{"table", "markdown", "csv", "json"}, o.extra...)
}

func (o *outFlags) register(c *cobra.Command, extra ...string) {
	o.extra = extra
	names := o.formats()
	c.Flags().StringVar(&o.format, "format", "table", strings.Join(names, ", "))
	c.Flags().Lookup("format").DefValue = "what the ending of -o says, else table"
	c.Flags().StringVarP(&o.file, "output", "o", "", "write to FILE, whole or not at all")
	o.asked = func() bool { return c.Flags().Changed("format") }
	complete(c, "format", func() []string { return names })
}

// check decides on the format before any work is done: by --format, else by the ending of the
// file.
func (o *outFlags) check() error {
	names := o.formats()
	if !slices.Contains(names, o.format) {
		return fmt.Errorf("--format %q is not one of %s", o.format, strings.Join(names, ", "))
	}
	switch {
	case o.file == "" || o.asked == nil:
		return nil
	case o.artefact:
		_, err := formatOf(o.file, []string{"yaml"})
		return err
	case o.asked():
		return nil
	}
	format, err := formatOf(o.file, names)
	if err == nil && format != "" {
		o.format = format
	}
	return err
}

// formatOf returns the format that a file's ending asks for, "" where what is named is a device
// or a pipe.
func formatOf(file string, names []string) (string, error) {
	if st, err := os.Stat(file); err == nil && !st.Mode().IsRegular() && !st.IsDir() {
		return "", nil
	}
	format, known := endings[strings.ToLower(filepath.Ext(file))]
	if known && slices.Contains(names, format) {
		return format, nil
	}
	var know []string
	for _, e := range []string{".html", ".txt", ".md", ".csv", ".json", ".yaml"} {
		if slices.Contains(names, endings[e]) {
			know = append(know, e)
		}
	}
	return "", fmt.Errorf("-o %s: its ending says no format: use %s", file, strings.Join(know, ", "))
}

// writable checks whether a file can be written, before work is done whose result would be lost.
// "" stands for no file.
func writable(path string) error {
	if path == "" {
		return nil
	}
	probe, err := atomicfile.Create(path)
	if err != nil {
		return err
	}
	probe.Discard()
	return nil
}

// to calls fn with the file, or with stdout where there is none.
func (o *outFlags) to(c *cobra.Command, fn func(io.Writer) error) error {
	if o.file == "" {
		if err := fn(c.OutOrStdout()); err != nil {
			return failure{err}
		}
		return nil
	}
	if err := c.Context().Err(); err != nil {
		return err
	}
	return atomicfile.Write(o.file, fn)
}

// wroteJSON, if a test sets it, is called with the value behind each JSON output. The reference
// of the fields is made from the types of those values.
var wroteJSON func(any)

func writeJSON(w io.Writer, value any) error {
	if wroteJSON != nil {
		wroteJSON(value)
	}
	return reports.WriteJSON(w, value)
}

// write writes tables, or the JSON value, in the format asked for.
func (o *outFlags) write(c *cobra.Command, tables []*reports.Table, value any) error {
	return o.to(c, func(w io.Writer) error {
		if o.format == "json" {
			return writeJSON(w, value)
		}
		width := reports.Width
		if o.file == "" {
			width = columns(c.OutOrStdout())
		}
		for i, t := range tables {
			if i > 0 {
				if _, err := fmt.Fprintln(w); err != nil {
					return err
				}
			}
			var err error
			switch o.format {
			case "csv":
				err = t.CSV(w)
			case "markdown":
				err = t.Markdown(w)
			default:
				err = t.TextWidth(w, width)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
