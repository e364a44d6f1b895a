package costmodel

// Row is one model of a comparison.
type Row struct {
	Compiled *Compiled
	Estimate
	// TokensPerSecondAtMax is the decode throughput of the largest batch that fits, 0
	// where none does.
	TokensPerSecondAtMax float64
	// Speedup is the decode throughput over the baseline's, at each one's batch.
	Speedup float64
}

// Compare prices several deployments; the first is the baseline. With batch 0 in the
// workload each runs the largest batch that fits it.
func Compare(cs []*Compiled, f Fidelity, w Workload) ([]Row, error) {
	rows := make([]Row, 0, len(cs))
	for _, c := range cs {
		load := w
		largest := c.MaxBatch(w.Prompt, w.Generate)
		if load.Batch == 0 {
			load.Batch = max(largest, 1)
		}
		e, err := c.Estimate(f, load)
		if err != nil {
			return nil, err
		}
		r := Row{Compiled: c, Estimate: e, Speedup: 1}
		if largest > 0 {
			r.TokensPerSecondAtMax = float64(largest) * float64(w.Generate) / c.Generation(f, largest, w.Prompt, w.Generate)
		}
		if len(rows) > 0 {
			r.Speedup = r.Decode.TokensPerSecond / rows[0].Decode.TokensPerSecond
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// Bounds lists what can bind, in a fixed order.
func Bounds() []Bound {
	out := make([]Bound, numBounds)
	for i := range out {
		out[i] = Bound(i)
	}
	return out
}
