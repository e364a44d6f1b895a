package study

import (
	"fmt"

	"ridgeline/costmodel"
	"ridgeline/units"
)

// Faster says in a sentence from which context on a decode step of the last of the setup's
// models takes less time than one of the first, both at the load's batch; with batch max,
// at one sequence. It is empty for one model.
func (s *Setup) Faster() string {
	if len(s.Compiled) < 2 {
		return ""
	}
	base, other := s.Compiled[0], s.Compiled[len(s.Compiled)-1]
	batch := max(s.Load.Batch, 1)
	longest := 4 * s.longest()
	from := costmodel.LengthFrom(longest, func(n int) bool {
		return s.step(other, batch, n).seconds < s.step(base, batch, n).seconds
	})
	at := "At batch " + units.Int(float64(batch))
	a, b := s.whole(other), s.whole(base)
	switch from {
	case 0:
		return fmt.Sprintf("%s, a decode step of %s takes no less time than one of %s at a context of %s tokens.", at, a, b, Tokens(longest))
	case 1:
		return fmt.Sprintf("%s, a decode step of %s takes less time than one of %s at every context up to %s tokens.", at, a, b, Tokens(longest))
	}
	return fmt.Sprintf("%s, a decode step of %s takes less time than one of %s from a context of %s tokens on.", at, a, b, units.Int(float64(from)))
}
