package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ridgeline/reports"
	"ridgeline/reports/atomicfile"
)

// outputFlags say how and where a result is written.
type outputFlags struct {
	format  string
	file    string
	formats []string
}

// tableFormats are the formats most verbs write.
func tableFormats() []string { return []string{"table", "markdown", "csv", "json"} }

func (o *outputFlags) add(cmd *cobra.Command, formats ...string) {
	o.formats, o.format = formats, formats[0]
	f := cmd.Flags()
	f.Var(&textFlag{text: formats[0], kind: "format", set: parsed(&o.format, o.parse)}, "format", list(formats))
	o.addFile(f)
	completeFlag(cmd, "format", formats)
}

func (o *outputFlags) addFile(f *pflag.FlagSet) {
	f.StringVarP(&o.file, "output", "o", "", "write to `FILE`, whole or not at all")
}

func (o *outputFlags) parse(s string) (string, error) {
	for _, f := range o.formats {
		if f == s {
			return s, nil
		}
	}
	return "", fmt.Errorf("%q is no format here: write one of %s", s, list(o.formats))
}

// write renders a result in full before a byte of it is written: an error leaves no half
// output and an existing file as it was.
func (o *outputFlags) write(a *app, cmd *cobra.Command, render func(w io.Writer, format string) error) error {
	var b bytes.Buffer
	if err := render(&b, o.format); err != nil {
		return err
	}
	if err := cmd.Context().Err(); err != nil {
		return err
	}
	if !cmd.Flags().Changed("output") {
		_, err := a.stdout.Write(b.Bytes())
		return failed(err)
	}
	f, err := atomicfile.Create(o.file)
	if err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	defer f.Discard()
	if _, err := f.Write(b.Bytes()); err != nil {
		return failed(fmt.Errorf("-o: %w", err))
	}
	return failed(f.Commit())
}

// document writes a report for people.
func document(w io.Writer, format string, d *reports.Document) error {
	if format == "markdown" {
		return d.WriteMarkdown(w)
	}
	return d.WriteText(w)
}

func list(names []string) string { return strings.Join(names, ", ") }
