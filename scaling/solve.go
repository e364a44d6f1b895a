package scaling

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/arch/solve"
	"github.com/OWNER/ridgeline/models"
)

// Dimension is what is solved for.
type Dimension = solve.Dimension

// The dimensions.
const (
	Width = solve.Width
	Depth = solve.Depth // the width follows: the family's aspect ratio, unless the spec gives one
)

// MaxWidth is the widest model that is tried.
const MaxWidth = solve.MaxWidth

var dimensionNames = []string{Width.String(), Depth.String()}

// Dimensions lists the names of the dimensions.
func Dimensions() []string { return append([]string(nil), dimensionNames...) }

// ParseDimension reads width or depth.
func ParseDimension(s string) (Dimension, error) {
	i, err := parse("solve", s, dimensionNames)
	return Dimension(i), err
}

// Match is a model made equal to another.
type Match struct {
	Name   string // as given
	Family string
	Spec   string // with what was solved for
	Model  *arch.Model
	Value  float64 // of the measure
	Off    float64 // Value over the target's, less 1
	// Root is the aspect ratio at which the counting forms are equal before rounding, 0
	// for other measures.
	Root  float64
	Notes []string
}

// Solve finds the width or depth of a family (a spec, or a preset that is one) at which
// its measure is the target:
//
//	the least multiple of step with measure ≥ target  (throughput: ≤ target)
//
// Step 0 chooses. For a width matched by counting form it is 2·d, so that the aspect
// ratio is even: α solves N(α) = N of the target and is rounded up to an even integer
// (paper, appendix A). Otherwise widths are even; depths are those the family can have.
// Multiples at which the family cannot be built, such as widths that give it no whole
// heads, are passed over.
func (s *Setting) Solve(ctx context.Context, what string, target float64, size Dimension, step int) (Match, error) {
	fam, o, err := models.OpenFamily(what)
	if err != nil {
		return Match{}, err
	}
	x := solve.Search{Family: fam, Options: o, Dimension: size, Step: step, Cost: s.cost}
	switch {
	case step < 0 || step > solve.MaxWidth:
		return Match{}, fmt.Errorf("multiple %d is not from 1 to %d", step, solve.MaxWidth)
	case size == Depth:
	case o.Depth == 0:
		return Match{}, fmt.Errorf("%s: depth is missing: write %s(d=16), or solve for the depth", what, fam)
	case step == 0 && s.By == CountingForm:
		x.Step = 2 * o.Depth
	case step == 0:
		x.Step = 2
	}
	cost := target
	if s.By == Throughput {
		cost = 1 / target
	}
	m, err := x.Least(ctx, cost)
	if err != nil {
		return Match{}, s.explain(what, target, err)
	}
	v, err := s.Value(m)
	if err != nil {
		return Match{}, err
	}
	out := Match{Name: what, Family: fam, Spec: m.Name, Model: m, Value: v, Off: v/target - 1}
	if size == Depth && math.Abs(out.Off) > 0.05 {
		out.Notes = append(out.Notes, fmt.Sprintf("%s: a depth is a coarse step, %+.1f %% off; solving the width of %s(d=%d) comes closer.", what, 100*out.Off, fam, len(m.Layers)))
	}
	if size == Width && s.By == CountingForm {
		out.Root = root(fam, o, target)
		if step == 0 {
			out.note(target)
		}
	}
	return out, nil
}

// explain says in the measure's own words why no size of a family reaches the target.
func (s *Setting) explain(what string, target float64, err error) error {
	var small *solve.TooSmall
	var large *solve.TooLarge
	switch {
	case errors.As(err, &small):
		least := small.Cost
		if s.By == Throughput {
			least = 1 / least
		}
		return fmt.Errorf("%s: no %s gives %s of %s: the least, %d, gives %s", what, small.Dimension, s.By, s.show(target), small.Least, s.show(least))
	case errors.As(err, &large):
		return fmt.Errorf("%s: no %s up to %d gives %s of %s", what, large.Dimension, large.Limit, s.By, s.show(target))
	}
	return fmt.Errorf("%s: %w", what, err)
}

// show prints a value of the measure with its unit.
func (s *Setting) show(v float64) string {
	text := strconv.FormatFloat(v, 'g', 4, 64)
	if u := s.By.Unit(); u != "" {
		text += " " + u
	}
	return text
}

// root solves N(α·d) = target for a real α. Forms are a·w² + b·w in the width.
func root(fam string, o family.Options, target float64) float64 {
	n := [2]float64{}
	for i, w := range []int{64 * o.Depth, 128 * o.Depth} {
		o.Width = w
		m, err := family.Build(fam, o)
		if err != nil {
			return 0
		}
		n[i] = Form(m)
	}
	w := 64 * float64(o.Depth)
	a := (n[1] - 2*n[0]) / (2 * w * w)
	b := n[0]/w - a*w
	return (math.Sqrt(b*b+4*a*target) - b) / (2 * a) / float64(o.Depth)
}
