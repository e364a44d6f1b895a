package scaling

import (
	"fmt"
	"math"
	"strings"

	"github.com/OWNER/ridgeline/arch/family"
)

// BaseForm is N/d³ of transformer++, to which the paper matches its families: 14.5·128²
// (appendix A).
const BaseForm = 237568

// Departure is a family whose aspect ratio depends on how it is rounded.
type Departure struct {
	Family  string
	Root    float64 // of N(α) = 237568·d³
	Up      int     // rounded up to an even integer: the rule
	Nearest int     // rounded to the nearest even integer
	Paper   int     // what the paper uses
}

// Departures lists the families for which rounding up and rounding to the nearest even
// integer differ: samba, gdny and s-gdny. The paper rounds gdny to the nearest and all
// others up: no one rounding gives both of its Gated DeltaNet families.
func Departures() []Departure {
	var out []Departure
	for _, f := range family.Families() {
		r := root(f.Name, family.Options{Depth: 16}, BaseForm*16*16*16)
		d := Departure{Family: f.Name, Root: r, Up: 2 * int(math.Ceil(r/2*(1-1e-12))), Nearest: 2 * int(math.Round(r/2)), Paper: f.Alpha}
		if d.Up != d.Nearest {
			out = append(out, d)
		}
	}
	return out
}

// note says where the paper's width is another, or another rounding gives one.
func (m *Match) note(target float64) {
	depth := float64(len(m.Model.Layers))
	if m.Family == "samba" {
		m.Notes = append(m.Notes, "The paper gives samba no counting form; this one counts its layers as the paper counts those of sambay.")
	}
	// In the paper's proportions alone, and against its own reference.
	if math.Abs(target/(BaseForm*depth*depth*depth)-1) > 1e-12 {
		return
	}
	for _, d := range Departures() {
		if d.Family == m.Family && math.Abs(d.Root-m.Root) < 1e-6 {
			m.Notes = append(m.Notes, d.String())
		}
	}
}

func (d Departure) String() string {
	s := fmt.Sprintf("%s solves to %.2f. Rounded up to even, the rule, that is %d; to the nearest even, %d.", d.Family, d.Root, d.Up, d.Nearest)
	switch {
	case d.Paper != d.Up:
		s += fmt.Sprintf(" The paper departs from the rule and uses %d.", d.Paper)
	case strings.HasSuffix(d.Family, "gdny"):
		s += fmt.Sprintf(" The paper uses %d: it rounds this one up and gdny to the nearest, so that no one rounding gives both.", d.Paper)
	default:
		s += fmt.Sprintf(" The paper uses %d.", d.Paper)
	}
	return s
}
