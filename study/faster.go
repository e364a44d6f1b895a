package study

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/units"
)

// Faster says in a sentence from which context on a decode step of the i-th model takes less time
// than one of the first model, or more, both at the load's batch, or with one sequence where the batch is
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
	from := func(of, than *costmodel.Compiled) int {
		return costmodel.LengthFrom(longest, func(n int) bool { return s.step(of, batch, n).seconds < s.step(than, batch, n).seconds })
	}
	lead := fmt.Sprintf("At batch %s, a decode step of %s takes ", units.Int(float64(batch)), s.whole(other))
	to := " up to " + Tokens(longest) + " tokens"
	w := costmodel.Workload{Batch: batch, Prompt: longest - 1, Generate: 1}
	if !base.Memory(w).Fits || !other.Memory(w).Fits {
		to += ", also where that does not fit"
	}
	less, more := from(other, base), 0
	if less == 0 {
		more = from(base, other)
	}
	switch {
	case less == 1:
		return fmt.Sprintf("%sless time than one of %s at every context%s.", lead, s.whole(base), to)
	case less > 1:
		return fmt.Sprintf("%sless time than one of %s from a context of %s tokens on.", lead, s.whole(base), units.Int(float64(less)))
	case more == 1:
		return fmt.Sprintf("%smore time than one of %s at every context%s.", lead, s.whole(base), to)
	case more > 1:
		return fmt.Sprintf("%smore time than one of %s from a context of %s tokens on, and no more below it.", lead, s.whole(base), units.Int(float64(more)))
	}
	return fmt.Sprintf("%sas long as one of %s at a context of %s tokens.", lead, s.whole(base), Tokens(longest))
}
