package reports

import (
	"fmt"
	"math"

	"ridgeline/costmodel"
)

// cause is a part of the time a token takes, by what binds the operations in it.
type cause struct {
	bound   costmodel.Bound
	seconds float64 // per generated token
}

// Explain says in one sentence what makes the difference between the baseline and the
// model that stands furthest from it: the kind of work whose time per token changed most,
// with the bytes or FLOPs behind it, and what takes the rest of the time.
func Explain(c *Comparison) string {
	base := c.Rows[0]
	best := -1
	for i := 1; i < len(c.Rows); i++ {
		// The fastest; where none is faster, still the nearest.
		if best < 0 || c.Rows[i].Speedup > c.Rows[best].Speedup {
			best = i
		}
	}
	m := c.Rows[best]
	a, b := causes(base.Estimate), causes(m.Estimate)
	driver, rest := 0, -1
	faster := m.Speedup >= 1
	for i := range b {
		if d := gain(a[i], b[i], faster); d > gain(a[driver], b[driver], faster) {
			driver = i
		}
	}
	for i := range b {
		if i != driver && (rest < 0 || b[i].seconds > b[rest].seconds) {
			rest = i
		}
	}
	whole := m.Decode.MeanStepSeconds / float64(m.Workload.Batch)
	s := fmt.Sprintf("%s is %s: %s", m.Model, verdict(base, m), change(base.Estimate, m.Estimate, a[driver], b[driver]))
	if rest >= 0 && b[rest].seconds > 0.02*whole {
		s += fmt.Sprintf(", while %s", stays(a[rest], b[rest], b))
	}
	if m.Fidelity != costmodel.Roofline.String() {
		s += " (parts priced at roofline)"
	}
	return s + "."
}

func gain(a, b cause, faster bool) float64 {
	if faster {
		return a.seconds - b.seconds
	}
	return b.seconds - a.seconds
}

// verdict compares the decode rates.
func verdict(base, m ComparedRow) string {
	where := fmt.Sprintf("at batch %s over %s generated tokens", Count(m.Workload.Batch), Count(m.Workload.Generate))
	if m.Workload.Batch != base.Workload.Batch {
		where = fmt.Sprintf("over %s generated tokens, at batch %s against %s", Count(m.Workload.Generate),
			Count(m.Workload.Batch), Count(base.Workload.Batch))
	}
	switch {
	case math.Abs(m.Speedup-1) < 0.005:
		return fmt.Sprintf("as fast as %s %s", base.Model, where)
	case m.Speedup > 1:
		return fmt.Sprintf("%s faster than %s %s", Times(m.Speedup), base.Model, where)
	}
	return fmt.Sprintf("%s slower than %s %s", Times(1/m.Speedup), base.Model, where)
}

// causes adds up the time per token by bound.
func causes(e *Estimate) []cause {
	var out []cause
	for b := costmodel.BoundWeights; b <= costmodel.BoundLink; b++ {
		out = append(out, cause{bound: b})
	}
	for i := range e.Parts {
		out[e.Parts[i].Bound].seconds += e.Parts[i].Seconds / float64(e.Workload.Batch)
	}
	return out
}

var causeNames = map[costmodel.Bound]string{
	costmodel.BoundWeights:     "reading weights",
	costmodel.BoundCache:       "the KV cache",
	costmodel.BoundState:       "recurrent states",
	costmodel.BoundActivations: "activations",
	costmodel.BoundCompute:     "arithmetic",
	costmodel.BoundLink:        "the interconnect",
}

// change says how a cause's time differs and by how much work.
func change(base, m *Estimate, a, b cause) string {
	return fmt.Sprintf("%s takes %s of a token's time instead of %s%s", causeNames[b.bound],
		SI(b.seconds, "s"), SI(a.seconds, "s"), work(base, m, b.bound))
}

// work compares what lies behind a cause: cache bytes per token of context, bytes or
// FLOPs per generated token.
func work(base, m *Estimate, bound costmodel.Bound) string {
	x, y := moved(base, bound), moved(m, bound)
	unit := "B"
	if bound == costmodel.BoundCompute {
		x, y, unit = base.Decode.FLOPsPerToken, m.Decode.FLOPsPerToken, "FLOP"
	}
	if x <= 0 || y <= 0 {
		return ""
	}
	s := fmt.Sprintf(" (%s less: %s a token against %s", Times(x/y), SI(y, unit), SI(x, unit))
	if y > x {
		s = fmt.Sprintf(" (%s more: %s a token against %s", Times(y/x), SI(y, unit), SI(x, unit))
	}
	if bound == costmodel.BoundCache && base.Memory.CacheReadBytesPerToken != m.Memory.CacheReadBytesPerToken {
		s += fmt.Sprintf(", since each token of context is read as %s, not %s",
			Bytes(m.Memory.CacheReadBytesPerToken), Bytes(base.Memory.CacheReadBytesPerToken))
	}
	return s + ")"
}

// moved is the bytes of a kind per generated token, one device.
func moved(e *Estimate, bound costmodel.Bound) float64 {
	kinds := map[costmodel.Bound][]costmodel.Kind{
		costmodel.BoundWeights:     {costmodel.Weights},
		costmodel.BoundCache:       {costmodel.CacheRead, costmodel.CacheWrite},
		costmodel.BoundState:       {costmodel.StateRead, costmodel.StateWrite},
		costmodel.BoundActivations: {costmodel.ActRead, costmodel.ActWrite},
	}[bound]
	sum := 0.0
	for i := range e.Parts {
		for _, k := range kinds {
			sum += e.Parts[i].Bytes[k]
		}
	}
	return sum / float64(e.Workload.Batch)
}

// stays says what takes the rest of the time.
func stays(a, b cause, all []cause) string {
	total := 0.0
	for _, c := range all {
		total += c.seconds
	}
	share := Percent(b.seconds / total)
	r := b.seconds / a.seconds
	if a.seconds > 0 && r > 0.95 && r < 1.05 {
		return fmt.Sprintf("%s takes the same %s in both, %s of its time", causeNames[b.bound], SI(b.seconds, "s"), share)
	}
	return fmt.Sprintf("%s takes %s (there %s), %s of its time", causeNames[b.bound], SI(b.seconds, "s"), SI(a.seconds, "s"), share)
}
