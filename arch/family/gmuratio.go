package family

import (
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// WithGMURatio returns a copy of m in which a share r of the cross-decoder's mixers are
// GMUs: see arch.SpreadGMUs. Where m has its family's counting form, so has the copy.
func WithGMURatio(m *arch.Model, r float64) (*arch.Model, error) {
	out, err := arch.SpreadGMUs(m, r, arch.NoMemory)
	if err == arch.ErrNoCrossDecoder {
		return nil, fmt.Errorf("%s has %w", m.Name, err)
	}
	if err := arch.CheckGMURatio(r); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	if out.CountingForm != m.CountingForm {
		ratio, _ := out.GMURatio()
		out.CountingForm = recount(m, ratio)
	}
	return out, nil
}

// recount is the counting form at another share of GMUs: known where the form given
// was the family's own, else 0.
func recount(m *arch.Model, ratio float64) int64 {
	r, err := findRecipe(m.Family)
	if err != nil || m.CountingForm == 0 {
		return 0
	}
	n, _ := countingForm(r, len(m.Layers), m.Width, ratio)
	return int64(math.Round(n))
}
