package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"

	"github.com/goccy/go-yaml"

	"github.com/OWNER/ridgeline/scaling"
)

// MupJSON is a transfer of hyperparameters: by the rule that was asked for, in a form that a
// training script reads, and by the other rules to compare with.
type MupJSON struct {
	Model  string       `json:"model"`
	Depth  int          `json:"depth"`
	Width  int          `json:"width"`
	Params int64        `json:"params"`
	Base   scaling.Base `json:"base"`
	scaling.Hyper
	scaling.Fixed
	Growth       scaling.Growth       `json:"growth"`
	Alternatives []scaling.Hyper      `json:"alternatives"`
	EqualFLOPs   scaling.Budget       `json:"equal_flops"`
	Differences  []scaling.Difference `json:"differences"`
}

// Mup makes the JSON of a transfer by a rule.
func Mup(t *scaling.Transfer, rule scaling.Rule) MupJSON {
	j := MupJSON{
		Model: t.Target.Name, Depth: len(t.Target.Layers), Width: t.Target.Width, Params: t.Target.Params().Total,
		Base: scaling.Base{Model: t.Base.Name, Depth: len(t.Base.Layers), Width: t.Base.Width, LearningRate: t.LearningRate,
			BatchTokens: t.BatchTokens, Tokens: t.Tokens},
		Hyper: t.Hyper(rule), Fixed: scaling.AdamW(), Growth: t.Growth(), EqualFLOPs: t.Budget(), Differences: t.Differences(),
	}
	for i := range scaling.Rules() {
		if r := scaling.Rule(i); r != rule {
			j.Alternatives = append(j.Alternatives, t.Hyper(r))
		}
	}
	return j
}

// MupTables lay a transfer out with a column for each rule, and list where the card's rules
// differ from the others.
func MupTables(j MupJSON) []*Table {
	hs := append([]scaling.Hyper{j.Hyper}, j.Alternatives...)
	t := &Table{Title: fmt.Sprintf("%s, %d layers, %s wide, from %s, %d layers, %s wide", j.Model, j.Depth, Int(float64(j.Width)), j.Base.Model, j.Base.Depth, Int(float64(j.Base.Width))),
		Columns: []Column{{Name: "", CSV: "what", Left: true}}}
	for _, h := range hs {
		t.Columns = append(t.Columns, Column{Name: h.Rule, CSV: h.Rule})
	}
	row := func(what string, of func(scaling.Hyper) Cell) {
		cells := []Cell{Txt(what)}
		for _, h := range hs {
			cells = append(cells, of(h))
		}
		t.Add(cells...)
	}
	// said makes the cell for a figure that the card gives, unsaid the cell for one that the card
	// does not mention.
	said := func(f func(scaling.Hyper) float64) func(scaling.Hyper) Cell {
		return func(h scaling.Hyper) Cell { return Shown(f(h), four(f(h))) }
	}
	unsaid := func(f func(scaling.Hyper) float64) func(scaling.Hyper) Cell {
		return func(h scaling.Hyper) Cell {
			if h.Rule == scaling.Card.String() {
				return Txt("–")
			}
			return Shown(f(h), four(f(h)))
		}
	}
	row("learning rate", said(func(h scaling.Hyper) float64 { return h.LearningRate }))
	for i, g := range j.Groups {
		row("  of "+g.Name, said(func(h scaling.Hyper) float64 { return h.Groups[i].LearningRate }))
	}
	for i, g := range j.Groups {
		row("weight decay of "+g.Name, unsaid(func(h scaling.Hyper) float64 { return h.Groups[i].WeightDecay }))
	}
	row("× residual branches", unsaid(func(h scaling.Hyper) float64 { return h.ResidualMultiplier }))
	row("× logits", unsaid(func(h scaling.Hyper) float64 { return h.LogitMultiplier }))
	for i, g := range j.Groups {
		row("init of "+g.Name, func(h scaling.Hyper) Cell {
			if h.Rule == scaling.Card.String() {
				return Txt("–")
			}
			return Txt(initText(h.Groups[i].Init))
		})
	}
	whole := func(f func(scaling.Hyper) int64) func(scaling.Hyper) Cell {
		return func(h scaling.Hyper) Cell { return Num(float64(f(h))) }
	}
	row("batch, tokens", whole(func(h scaling.Hyper) int64 { return h.BatchTokens }))
	row("tokens, ×10⁹", func(h scaling.Hyper) Cell { return Shown(float64(h.Tokens), Digits(float64(h.Tokens)/1e9)) })
	row("steps", whole(func(h scaling.Hyper) int64 { return h.Steps }))
	row("warm-up steps", whole(func(h scaling.Hyper) int64 { return h.WarmupSteps }))
	for _, g := range j.Groups {
		t.Notes = append(t.Notes, fmt.Sprintf("%s: %s (%s parameters).", g.Name, g.Holds, Int(float64(g.Parameters))))
	}
	t.Notes = append(t.Notes,
		fmt.Sprintf("AdamW, β %g and %g, ε %g, warm-up over %s tokens, then %s. Depth ×%s, width ×%s, parameters ×%s (%s), batch ×%s.",
			j.Beta1, j.Beta2, j.Epsilon, Int(float64(j.WarmupTokens)), j.Schedule, Digits(j.Growth.Depth), Digits(j.Growth.Width), Digits(j.Growth.Params), j.Growth.Counted, Digits(j.Growth.Batch)),
		"A dash: the card says nothing. LeCun uniform: deviation 1/√fan_in, bound √3 times that; the deviation shown is that of a fan-in of the width. sp divides its projections back to the residual stream by √(2·depth).")

	d := &Table{Title: "Where the card's rule departs from μP++", Columns: []Column{
		{Name: "", CSV: "what", Left: true}, {Name: "mup++", CSV: "mup++"}, {Name: "card", CSV: "card"}, {Name: "card ÷\nmup++", CSV: "card_over_mup++"}}}
	for _, x := range j.Differences {
		r := Txt("–")
		if x.Ratio != nil {
			r = Shown(*x.Ratio, four(*x.Ratio))
		}
		d.Add(Txt(x.What), Shown(x.Paper, four(x.Paper)), Shown(x.Card, four(x.Card)), r)
	}
	d.Notes = []string{fmt.Sprintf("Equal FLOPs: this model's over its base's as the card counts them, width²·depth·sequence, ×%s. The card spends them on width alone: its depth is base·F/(√F)², whatever the budget. What it leaves unsaid counts as a multiplier of 1 and as decay of everything.", Digits(j.EqualFLOPs.Ratio))}
	return []*Table{t, d}
}

func initText(i scaling.Init) string {
	switch i.Distribution {
	case "as_module":
		return "as module"
	case "lecun_uniform":
		return "uniform " + four(i.Std)
	}
	return "normal " + four(i.Std)
}

// four prints four significant digits, and uses an exponent only where that is short.
func four(v float64) string {
	a := math.Abs(v)
	if a >= 1000 && a < 1e15 {
		return Int(v)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// exponent finds numbers in scientific notation without a decimal point, which YAML 1.1 readers
// take for text.
var exponent = regexp.MustCompile(`(?m)((?:: |- )-?\d+)(e[-+]?\d+)$`)

// WriteYAML writes v in YAML with the names that its JSON form has.
func WriteYAML(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	y, err := yaml.JSONToYAML(b)
	if err != nil {
		return err
	}
	_, err = w.Write(bytes.TrimLeft(exponent.ReplaceAll(y, []byte("${1}.0${2}")), "\n"))
	return err
}
