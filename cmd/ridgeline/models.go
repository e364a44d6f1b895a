package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/arch/ggufmodel"
	"github.com/OWNER/ridgeline/arch/hf"
	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/checkpoint"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/reports"
)

func modelsCommand() *cobra.Command {
	var out outFlags
	var types bool
	c := &cobra.Command{
		Use:   "models [MODEL]",
		Short: "List models, or show the layers and parameters of one",
		Example: `  ridgeline models
  ridgeline models --types
  ridgeline models phi4-mini-flash
  ridgeline models 'sambay(d=16,gmu_ratio=1)' --format json
  ridgeline models phi4-mini-flash -o mine.yaml`,
		Args:              needArgs(0, 1, "at most one model"),
		ValidArgsFunction: modelNames,
		RunE: func(c *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if types {
				if len(args) > 0 {
					return fmt.Errorf("--types lists the Hugging Face types that are read: it takes no model")
				}
				return listTypes(c, &out)
			}
			if len(args) == 0 {
				return listModels(c, &out)
			}
			m, err := models.Open(args[0])
			if err != nil {
				return err
			}
			for _, n := range m.Notes {
				warn(c.ErrOrStderr(), "%s: %s", m.Name, n)
			}
			if out.format == "yaml" {
				return out.to(c, func(w io.Writer) error { return modelfile.Write(w, m) })
			}
			t := reports.ModelTable(m)
			x, err := anywhere(m)
			if err != nil {
				return err
			}
			t.Notes = append(t.Notes, reports.Footprint(x))
			return out.write(c, []*reports.Table{t}, reports.Model(m))
		},
	}
	c.Flags().BoolVar(&types, "types", false, "list the Hugging Face model types and GGUF architectures that are read, what they are made of, and those refused")
	out.register(c, "yaml")
	return c
}

// listTypes lists which configurations can be read.
func listTypes(c *cobra.Command, out *outFlags) error {
	type refused struct {
		Type string `json:"type"`
		Why  string `json:"why"`
	}
	list := struct {
		Types    []hf.TypeInfo `json:"types"`
		Refused  []refused     `json:"refused"`
		Executed []string      `json:"executed"`
		GGUF     []string      `json:"gguf_architectures"`
	}{Types: hf.Types(), Executed: checkpoint.Verified(), GGUF: ggufmodel.Architectures()}
	why := hf.Refused()
	for _, name := range slices.Sorted(maps.Keys(why)) {
		list.Refused = append(list.Refused, refused{name, why[name]})
	}
	if out.format == "yaml" {
		return out.to(c, func(w io.Writer) error { return reports.WriteYAML(w, list) })
	}
	t := reports.TypesTable(list.Types, list.Executed, why)
	t.Notes = append(t.Notes, fmt.Sprintf("Of GGUF files %d architectures are read: %s.", len(list.GGUF), strings.Join(list.GGUF, ", ")))
	return out.write(c, []*reports.Table{t}, list)
}

// anywhere compiles a model for a device that computes in every format, to find what the model
// stores and reads, which is the same on all devices.
func anywhere(m *arch.Model) (*costmodel.Compiled, error) {
	hw, err := hardware.Lookup("b200")
	if err != nil {
		return nil, failure{err}
	}
	return costmodel.Compile(m, hw, costmodel.Options{})
}

func listModels(c *cobra.Command, out *outFlags) error {
	var ms []*arch.Model
	var docs []string
	for _, p := range models.Presets() {
		m, err := models.Preset(p.Name)
		if err != nil {
			return failure{err}
		}
		ms, docs = append(ms, m), append(docs, p.Doc)
	}
	type item struct {
		Name   string `json:"name"`
		Params int64  `json:"params,omitempty"`
		Doc    string `json:"doc"`
	}
	var list struct {
		Presets  []item `json:"presets"`
		Families []item `json:"families"`
	}
	for i, m := range ms {
		list.Presets = append(list.Presets, item{m.Name, m.Params().Total, docs[i]})
	}
	for _, f := range family.Families() {
		list.Families = append(list.Families, item{f.Name, 0, f.Doc})
	}
	if out.format == "yaml" {
		return out.to(c, func(w io.Writer) error { return reports.WriteYAML(w, list) })
	}
	return out.write(c, []*reports.Table{reports.ModelsTable(ms, docs, family.Families())}, list)
}
