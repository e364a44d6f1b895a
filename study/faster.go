package study

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/units"
)

// Faster says in a sentence from which context on a decode step of the i-th model takes less time
// than one of the first model, both at the load's batch, or with one sequence where the batch is
// max.
func (s *Setup) Faster(i int) string {
	base, other := s.Compiled[0], s.Compiled[i]
	if base.Fidelity(s.Fidelity) != other.Fidelity(s.Fidelity) {
		t := *s // roofline is the one fidelity that every device has
		t.Fidelity = costmodel.Roofline
		return "At roofline: at" + strings.TrimPrefix(t.Faster(i), "At")
	}
	batch := max(s.Load.Batch, 1)
	longest := 4 * s.longest()
	from := costmodel.LengthFrom(longest, func(n int) bool {
		return s.step(other, batch, n).seconds < s.step(base, batch, n).seconds
	})
	at := "At batch " + units.Int(float64(batch))
	a, b := s.whole(other), s.whole(base)
	switch from {
	case 0:
		return fmt.Sprintf("%s, a decode step of %s takes no less time than one of %s at a context of %s tokens, whether or not that fits.", at, a, b, Tokens(longest))
	case 1:
		return fmt.Sprintf("%s, a decode step of %s takes less time than one of %s at every context up to %s tokens, whether or not that fits.", at, a, b, Tokens(longest))
	}
	return fmt.Sprintf("%s, a decode step of %s takes less time than one of %s from a context of %s tokens on.", at, a, b, units.Int(float64(from)))
}
