package reports

import (
	"fmt"
	"math"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/scaling"
)

// ScaleJSON is a comparison of models that were made equal to a reference in one measure.
type ScaleJSON struct {
	By        string         `json:"by"`
	Solve     string         `json:"solve"`
	Unit      string         `json:"unit,omitempty"`
	Reference ScaleRowJSON   `json:"reference"`
	Rows      []ScaleRowJSON `json:"rows"`
}

// ScaleRowJSON is one model of such a comparison.
type ScaleRowJSON struct {
	Model        string  `json:"model"`
	Spec         string  `json:"spec,omitempty"` // the text that names this model as a MODEL argument
	Depth        int     `json:"depth"`
	Width        int     `json:"width"`
	AspectRatio  float64 `json:"aspect_ratio"`
	Params       int64   `json:"params"`
	CountingForm *int64  `json:"counting_form"`
	Value        float64 `json:"value"`
	// Off is the model's measure divided by the reference's, less 1.
	Off float64 `json:"off"`
	// Solved is the aspect ratio that the solver found, before the width was rounded.
	Solved *float64 `json:"aspect_ratio_solved,omitempty"`
	Notes  []string `json:"notes,omitempty"`
	// Warnings are what a reader should know before using the figures.
	Warnings []string `json:"warnings,omitempty"`
}

func scaleRow(m *arch.Model) ScaleRowJSON {
	r := ScaleRowJSON{Model: m.Name, Depth: len(m.Layers), Width: m.Width, Params: m.Params().Total}
	r.AspectRatio = float64(r.Width) / float64(r.Depth)
	if n := int64(math.Round(scaling.Form(m))); n > 0 {
		r.CountingForm = &n
	}
	return r
}

// Scale makes the JSON of models made equal to ref; value is the measure of ref.
func Scale(s *scaling.Setting, solve scaling.Dimension, ref *arch.Model, value float64, ms []scaling.Match) ScaleJSON {
	j := ScaleJSON{By: s.By.String(), Solve: solve.String(), Unit: s.By.Unit(), Reference: scaleRow(ref)}
	j.Reference.Value = value
	for _, m := range ms {
		r := scaleRow(m.Model)
		r.Model, r.Spec, r.Value, r.Off, r.Notes = m.Name, m.Spec, m.Value, m.Off, m.Notes
		if m.Root > 0 {
			r.Solved = &m.Root
		}
		j.Rows = append(j.Rows, r)
	}
	return j
}

// ScaleTable lists the models, the reference first.
func ScaleTable(j ScaleJSON, setting string) *Table {
	measure := map[string]string{"counting-form": "counting\nform", "params": "params", "train-flops": "train",
		"decode-bytes": "decode", "throughput": "decode"}[j.By]
	t := &Table{Turn: true, Columns: []Column{
		{Name: "model", CSV: "model", Left: true},
		{Name: "depth", CSV: "depth"},
		{Name: "width", CSV: "width"},
		{Name: "aspect\nratio", CSV: "aspect_ratio"},
		{Name: "solved", CSV: "aspect_ratio_solved"},
		{Name: "params", CSV: "params", Scale: true},
	}}
	if j.By != "params" {
		t.Columns = append(t.Columns, Column{Name: measure, Unit: j.Unit, CSV: "value", Scale: true})
	}
	t.Columns = append(t.Columns, Column{Name: "from\ntarget", CSV: "off"})
	for i, r := range append([]ScaleRowJSON{j.Reference}, j.Rows...) {
		solved := Txt("–")
		if r.Solved != nil {
			solved = Shown(*r.Solved, fmt.Sprintf("%.2f", *r.Solved))
		}
		off := Txt("–")
		if i > 0 {
			off = Shown(r.Off, signed(r.Off, 2))
		}
		cells := []Cell{Txt(r.Model), Num(float64(r.Depth)), Num(float64(r.Width)),
			Shown(r.AspectRatio, trim(r.AspectRatio)), solved, Num(float64(r.Params))}
		if j.By != "params" {
			cells = append(cells, Num(r.Value))
		}
		t.Add(append(cells, off)...)
		t.Notes = append(t.Notes, r.Notes...)
	}
	t.Notes = append(t.Notes, setting)
	return t
}

// signed prints a difference in percent with its sign, and a difference of zero without one.
func signed(v float64, decimals int) string {
	s := fmt.Sprintf("%+.*f", decimals, 100*v)
	if strings.Trim(s, "+-0.") == "" {
		s = s[1:]
	}
	return s + " %"
}

// trim prints a ratio with two decimals, or without any where they would be zeros.
func trim(v float64) string {
	if v == math.Trunc(v) {
		return Int(v)
	}
	return fmt.Sprintf("%.2f", v)
}

// ScaleSetting says in which measure the models were made equal.
func ScaleSetting(s *scaling.Setting, solve scaling.Dimension, step int, ref string) string {
	text := map[scaling.Measure]string{
		scaling.CountingForm: "non-embedding parameters by the paper's counting forms",
		scaling.Params:       "parameters, embedding included",
		scaling.TrainFLOPs:   fmt.Sprintf("training FLOPs per token, sequences of %s", Int(float64(s.Sequence))),
		scaling.DecodeBytes:  "bytes per decoded token",
		scaling.Throughput:   "decoded tokens per second",
	}[s.By]
	if s.By == scaling.TrainFLOPs && s.Chinchilla {
		text = fmt.Sprintf("training FLOPs at %d tokens per parameter, sequences of %s", scaling.ChinchillaTokens, Int(float64(s.Sequence)))
	}
	text = "Equal to " + ref + " in " + text
	if s.By == scaling.DecodeBytes || s.By == scaling.Throughput {
		batch := "batch " + Int(float64(s.Load.Batch))
		if s.Load.Batch == 0 {
			batch = "each one's largest batch"
		}
		text += fmt.Sprintf(": %s tokens prompt + %s generated, %s, on %s", Int(float64(s.Load.Prompt)), Int(float64(s.Load.Generate)), batch, s.Hardware.Name)
		if s.By == scaling.Throughput {
			text += ", fidelity " + s.Fidelity.String()
		}
	}
	var how string
	switch {
	case solve == scaling.Depth:
		how = "the least depth the family can have"
		if step > 1 {
			how = fmt.Sprintf("the least multiple of %d", step)
		}
	case step > 0:
		how = fmt.Sprintf("the least multiple of %s", Int(float64(step)))
	case s.By == scaling.CountingForm:
		how = "the aspect ratio rounded up to an even integer"
	default:
		how = "the least even width"
	}
	return fmt.Sprintf("%s. %s solved: %s that reaches it.", text, map[scaling.Dimension]string{scaling.Width: "Width", scaling.Depth: "Depth"}[solve], how)
}
