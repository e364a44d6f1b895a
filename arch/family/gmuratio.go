package family

import (
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// WithGMURatio returns a copy of m in which the share r of the cross-decoder's mixers are GMUs:
// see arch.SpreadGMUs. Where m has the counting form of its family, the copy has it too.
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

// recount returns the counting form for another share of GMUs. It is known where m has the
// family's own counting form, and 0 elsewhere.
func recount(m *arch.Model, ratio float64) int64 {
	r, err := findRecipe(m.Family)
	if err != nil || m.CountingForm == 0 {
		return 0
	}
	n, _ := countingForm(r, len(m.Layers), m.Width, ratio)
	return int64(math.Round(n))
}
